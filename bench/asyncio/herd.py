"""A herd server with asyncio streams, as a good answer to a course assignment has it.

    herd.py NAME PORT [NEIGHBOUR_PORT...]

One coroutine per connection, readline and drain, a dict; lines are bytes throughout. Reports are flooded as AT lines
over one connection to each neighbour, and there is no catch-up: what a neighbour missed it does not hear again.
"""

import asyncio
import re
import sys
import time
from typing import NamedTuple

HOST = "127.0.0.1"
NS = 1_000_000_000
LINE_BYTES_MAX = 64 * 1024
REDIAL_S = 0.2
LOCATION = re.compile(rb"([+-][0-9]{1,2}(?:\.[0-9]+)?)([+-][0-9]{1,3}(?:\.[0-9]+)?)/?")
NUMBER = re.compile(rb"[0-9]+(?:\.[0-9]+)?")
COUNT = re.compile(rb"[0-9]+")
NO_PROVIDER = b'{"results": [], "status": "ZERO_RESULTS"}\n\n'


class Report(NamedTuple):
    time_ns: int
    at: bytes


def nanoseconds(text):
    """A client's time in integers: a float would lose the last digits. None if it is no time."""
    if not NUMBER.fullmatch(text):
        return None
    seconds, _, fraction = text.partition(b".")
    whole = int(seconds) * NS + int(fraction[:9].ljust(9, b"0"))
    return whole if whole < 2**63 else None


def is_location(text):
    match = LOCATION.fullmatch(text)
    return match is not None and abs(float(match[1])) <= 90 and abs(float(match[2])) <= 180


class Server:
    def __init__(self, name, neighbours):
        self.name = name.encode()
        self.neighbours = neighbours
        self.reports = {}
        self.links = {}

    def answer(self, line):
        """What to reply to a line, LF included; nothing to a neighbour's AT line."""
        match line.split():
            case [b"IAMAT", client, location, sent_at]:
                reply = self.iamat(client, location, sent_at)
            case [b"WHATSAT", client, radius, bound]:
                reply = self.whatsat(client, radius, bound)
            case [b"AT", _, _, client, _, sent_at]:
                time_ns = nanoseconds(sent_at)
                if time_ns is not None:
                    self.keep(client, Report(time_ns, line.strip() + b"\n"))
                return b""
            case _:
                reply = None
        return reply or b"? " + line.removesuffix(b"\n").removesuffix(b"\r") + b"\n"

    def iamat(self, client, location, sent_at):
        time_ns = nanoseconds(sent_at)
        if time_ns is None or not is_location(location):
            return None
        skew = time.time_ns() - time_ns
        sign = b"-" if skew < 0 else b"+"
        seconds, rest = divmod(abs(skew), NS)
        at = b"AT %b %b%d.%09d %b %b %b\n" % (self.name, sign, seconds, rest, client, location, sent_at)
        self.keep(client, Report(time_ns, at))
        return at

    def whatsat(self, client, radius, bound):
        is_valid = NUMBER.fullmatch(radius) and COUNT.fullmatch(bound)
        report = self.reports.get(client)
        if report is None or not is_valid or float(radius) > 50 or int(bound) > 20:
            return None
        return report.at + NO_PROVIDER

    def keep(self, client, report):
        """Keeps and passes on what is news; what is known ends here, so a flood ends too."""
        known = self.reports.get(client)
        if known is not None and known.time_ns >= report.time_ns:
            return
        self.reports[client] = report
        for link in self.links.values():
            # Not drained: two servers that waited for each other here would wait for ever.
            link.write(report.at)

    async def serve(self, reader, writer):
        try:
            while line := await reader.readline():
                writer.write(self.answer(line))
                await writer.drain()
        except (ConnectionError, ValueError):
            pass  # The client is gone, or its line is too long.
        finally:
            writer.close()

    async def keep_link(self, port):
        while True:
            try:
                reader, self.links[port] = await asyncio.open_connection(HOST, port)
                await reader.read()
            except OSError:
                pass  # Not up yet, or gone: dialled again below.
            self.links.pop(port, None)
            await asyncio.sleep(REDIAL_S)

    async def run(self, port):
        server = await asyncio.start_server(self.serve, HOST, port, limit=LINE_BYTES_MAX)
        links = [asyncio.create_task(self.keep_link(neighbour)) for neighbour in self.neighbours]
        print(self.name.decode(), "%s:%d" % server.sockets[0].getsockname(), flush=True)
        await asyncio.gather(server.serve_forever(), *links)


if __name__ == "__main__":
    _, name, port, *neighbours = sys.argv
    try:
        asyncio.run(Server(name, [int(neighbour) for neighbour in neighbours]).run(int(port)))
    except KeyboardInterrupt:
        pass
