// A herd server with Node.js: the net module, a Map, one write for the replies to each chunk that arrives.
//
//     herd.js NAME PORT [NEIGHBOUR_PORT...]
//
// Lines are latin1 strings, that is bytes as they came. Reports are flooded as AT lines over one connection to each
// neighbour; there is no catch-up.
'use strict';

const net = require('node:net');

const HOST = '127.0.0.1';
const LINE_BYTES_MAX = 64 * 1024;
const REDIAL_MS = 200;
const NS = 1e9;
// The last time there is: 2^63 - 1 nanoseconds.
const LAST = { seconds: 9223372036, ns: 854775807 };
const LOCATION = /^([+-][0-9]{1,2}(?:\.[0-9]+)?)([+-][0-9]{1,3}(?:\.[0-9]+)?)\/?$/;
const TIME = /^([0-9]+)(?:\.([0-9]+))?$/;
const NUMBER = /^[0-9]+(?:\.[0-9]+)?$/;
const COUNT = /^[0-9]+$/;
const SPACE = /[ \t\r\n\f\v]+/;
const NO_PROVIDER = '{"results": [], "status": "ZERO_RESULTS"}\n\n';

const [name, port, ...neighbours] = process.argv.slice(2);
// By client: the time in seconds and nanoseconds, and the AT line.
const reports = new Map();
const links = new Map();

// A time as two numbers: one number would lose the last digits. Undefined if it is no time.
function parseTime(text) {
  const match = TIME.exec(text);
  if (!match) return undefined;
  const time = { seconds: Number(match[1]), ns: Number((match[2] ?? '').slice(0, 9).padEnd(9, '0')) };
  return isLater(time, LAST) ? undefined : time;
}

function isLater(a, b) {
  return (a.seconds - b.seconds || a.ns - b.ns) > 0;
}

// The wall clock to about a microsecond: all that Node.js offers.
function now() {
  const ms = performance.timeOrigin + performance.now();
  const seconds = Math.floor(ms / 1000);
  return { seconds, ns: Math.floor((ms - seconds * 1000) * 1e6) };
}

function skew(time) {
  const at = now();
  let seconds = at.seconds - time.seconds;
  let ns = at.ns - time.ns;
  const isBehind = seconds < 0 || (seconds === 0 && ns < 0);
  if (isBehind) [seconds, ns] = [-seconds, -ns];
  if (ns < 0) [seconds, ns] = [seconds - 1, ns + NS];
  return `${isBehind ? '-' : '+'}${seconds}.${String(ns).padStart(9, '0')}`;
}

function isLocation(text) {
  const match = LOCATION.exec(text);
  return match !== null && Math.abs(match[1]) <= 90 && Math.abs(match[2]) <= 180;
}

// Keeps and passes on what is news; what is known ends here, so a flood ends too.
function keep(client, time, at) {
  const known = reports.get(client);
  if (known && !isLater(time, known)) return;
  reports.set(client, { seconds: time.seconds, ns: time.ns, at });
  for (const link of links.values()) link.write(at, 'latin1');
}

function iamat(client, location, sentAt) {
  const time = parseTime(sentAt);
  if (!time || !isLocation(location)) return undefined;
  const at = `AT ${name} ${skew(time)} ${client} ${location} ${sentAt}\n`;
  keep(client, time, at);
  return at;
}

function whatsat(client, radius, bound) {
  const known = reports.get(client);
  const isValid = NUMBER.test(radius) && COUNT.test(bound) && Number(radius) <= 50 && Number(bound) <= 20;
  return known && isValid ? known.at + NO_PROVIDER : undefined;
}

// What to reply to a line, LF included; nothing to a neighbour's AT line.
function answer(line) {
  const fields = line.split(SPACE).filter((field) => field !== '');
  let reply;
  if (fields.length === 4 && fields[0] === 'IAMAT') {
    reply = iamat(fields[1], fields[2], fields[3]);
  } else if (fields.length === 4 && fields[0] === 'WHATSAT') {
    reply = whatsat(fields[1], fields[2], fields[3]);
  } else if (fields.length === 6 && fields[0] === 'AT') {
    const time = parseTime(fields[5]);
    if (time) keep(fields[3], time, fields.join(' ') + '\n');
    return '';
  }
  return reply ?? `? ${line.endsWith('\r') ? line.slice(0, -1) : line}\n`;
}

const server = net.createServer({ noDelay: true }, (socket) => {
  let rest = '';
  socket.setEncoding('latin1');
  socket.on('data', (chunk) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop();
    if (rest.length > LINE_BYTES_MAX) return socket.destroy();
    const replies = lines.map(answer).join('');
    // Whoever does not read its replies is not read from either.
    if (replies !== '' && !socket.write(replies, 'latin1')) {
      socket.pause();
      socket.once('drain', () => socket.resume());
    }
  });
  socket.on('error', () => socket.destroy());
});

function dial(neighbour) {
  const link = net.connect({ host: HOST, port: Number(neighbour), noDelay: true });
  link.on('connect', () => links.set(neighbour, link));
  link.on('error', () => {});
  link.on('close', () => {
    links.delete(neighbour);
    setTimeout(dial, REDIAL_MS, neighbour);
  });
  link.resume();
}

server.listen({ host: HOST, port: Number(port), backlog: 1024 }, () => {
  neighbours.forEach(dial);
  console.log(`${name} ${HOST}:${server.address().port}`);
});
