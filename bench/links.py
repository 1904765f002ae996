"""What TLS costs on a link: two servers, one client that tells one of them everything, the other hears it over the link.

    python3 bench/links.py target/release/herd [ROUNDS]

Prints, for each round without and with TLS, the CPU seconds that either server used per million reports, then what a
handshake takes. Needs Linux (/proc) and a free range of ports at 17000.
"""

import os
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

# Fewer than the log holds: the link has nothing to catch up with, however busy the machine is.
REPORTS = 1_000_000
CLIENTS = 100_000
HANDSHAKES = 1000
LINE, ADMIN, PEER = 17000, 17200, 17300
HERD = f"""
name = "pair"
[servers.A]
talks_with = ["B"]
peer = "127.0.0.1:{PEER}"
listen.line = "127.0.0.1:{LINE}"
listen.admin = "127.0.0.1:{ADMIN}"
[servers.B]
peer = "127.0.0.1:{PEER + 1}"
[traffic]
enabled = false
"""


def cpu_seconds(process):
    fields = open(f"/proc/{process.pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def start(program, name, config):
    process = subprocess.Popen([program, "serve", name, "--config", config], stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if line == "ready\n":
            return process
    raise SystemExit(f"{name} does not start")


def stop(*processes):
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait()


def neighbour(program):
    """How A stands with B."""
    shown = subprocess.run([program, "status", f"127.0.0.1:{ADMIN}"], capture_output=True, text=True).stdout
    return re.search(r"^B .*", shown, re.M)[0]


def wait_for(program, words):
    while words not in neighbour(program):
        time.sleep(0.02)


def load(program, config, reports):
    a, b = start(program, "A", config), start(program, "B", config)
    wait_for(program, " yes ")
    before = cpu_seconds(a), cpu_seconds(b)
    client = socket.create_connection(("127.0.0.1", LINE))

    def ignore_replies():
        while client.recv(1 << 20):
            pass

    reader = threading.Thread(target=ignore_replies)
    reader.start()
    client.sendall(reports)
    client.shutdown(socket.SHUT_WR)
    reader.join()
    wait_for(program, " yes     0 reports")
    used = [(cpu_seconds(p) - was) / REPORTS * 1e6 for p, was in zip((a, b), before)]
    print(f"{os.path.basename(config):10}  A {used[0]:.3f} s  B {used[1]:.3f} s  | {neighbour(program)}", flush=True)
    stop(a, b)


def handshakes(program, config, certs):
    b = start(program, "B", config)
    context = ssl.create_default_context(cafile=f"{certs}/ca.pem")
    context.load_cert_chain(f"{certs}/A.pem", f"{certs}/A.key")
    before, taken = cpu_seconds(b), []
    for _ in range(HANDSHAKES):
        client = socket.create_connection(("127.0.0.1", PEER + 1))
        began = time.perf_counter()
        client = context.wrap_socket(client, server_hostname="B")
        client.recv(10)
        taken.append((time.perf_counter() - began) * 1e3)
        client.close()
    taken.sort()
    each = (cpu_seconds(b) - before) / HANDSHAKES * 1e3
    print(f"handshake to the first bytes of the hello: p50 {taken[HANDSHAKES // 2]:.2f} ms, p99 "
          f"{taken[HANDSHAKES * 99 // 100]:.2f} ms, the server's CPU {each:.2f} ms")
    stop(b)


def main():
    program = os.path.abspath(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    line = b"IAMAT client-%09d.example +34.068930-118.445127 %d.5\n"
    reports = b"".join(line % (i % CLIENTS, 1520000000 + i // CLIENTS) for i in range(REPORTS))
    with tempfile.TemporaryDirectory() as folder:
        plain, tls, certs = (os.path.join(folder, name) for name in ("plain.toml", "tls.toml", "certs"))
        with open(plain, "w") as file:
            file.write(HERD)
        subprocess.run([program, "cert", "--config", plain, "--out", certs], check=True, stdout=subprocess.DEVNULL)
        with open(tls, "w") as file:
            file.write(HERD + '[tls]\nca = "certs/ca.pem"\ncert = "certs/{server}.pem"\nkey = "certs/{server}.key"\n')
        for _ in range(rounds):
            load(program, plain, reports)
            load(program, tls, reports)
        handshakes(program, tls, certs)


if __name__ == "__main__":
    main()
