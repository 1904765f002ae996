"""What catching up takes: two servers, A that clients talk to, and B that dials it.

    python3 bench/catch_up.py target/release/herd [CLIENTS]

Prints what an empty B needs until it answers and is synced, and what live reports wait meanwhile and after; what an
idle link sends; and what a link that was cut for ten seconds at 10,000 reports a second ships when it is back. Needs
Linux and a free range of ports at 17000.
"""

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

LINE, ADMIN, PEER, RELAY = 17000, 17200, 17300, 17400
HERD = """
name = "pair"
[servers.A]
talks_with = ["B"]
peer = "127.0.0.1:{peer}"
listen.line = "127.0.0.1:17000"
listen.admin = "127.0.0.1:17200"
[servers.B]
listen.line = "127.0.0.1:17001"
listen.admin = "127.0.0.1:17201"
"""


class Relay:
    """Passes the link on, counts its bytes, and can be cut: B dials it for A."""

    def __init__(self):
        self.is_cut, self.sockets, self.bytes = False, [], [0, 0]
        listener = socket.create_server(("127.0.0.1", RELAY))
        threading.Thread(target=self.accept, args=[listener], daemon=True).start()

    def accept(self, listener):
        while True:
            theirs, _ = listener.accept()
            if self.is_cut:
                theirs.close()
                continue
            ours = socket.create_connection(("127.0.0.1", PEER))
            self.sockets += [theirs, ours]
            for way, ends in enumerate([(theirs, ours), (ours, theirs)]):
                threading.Thread(target=self.pump, args=[way, *ends], daemon=True).start()

    def pump(self, way, source, sink):
        try:
            while data := source.recv(1 << 16):
                self.bytes[way] += len(data)
                sink.sendall(data)
        except OSError:
            pass
        shut(source, sink)

    def cut(self):
        self.is_cut = True
        shut(*self.sockets)
        self.sockets = []


def shut(*sockets):
    for each in sockets:
        try:
            each.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def report(self, client):
        self.socket.sendall(f"IAMAT {client} +34.068930-118.445127 {time.time():.9f}\n".encode())
        return self.file.readline()

    def wait_for(self, client, expected):
        """Seconds until the server gives the AT line `expected`."""
        began = time.perf_counter()
        while True:
            self.socket.sendall(f"WHATSAT {client} 1 0\n".encode())
            line = self.file.readline()
            while line.startswith(b"AT") and self.file.readline() != b"\n":
                pass
            if line == expected:
                return time.perf_counter() - began


def serve(herd, name, config):
    process = subprocess.Popen([herd, "serve", name, "--config", config], stdout=subprocess.PIPE, text=True)
    while process.stdout.readline().strip() != "ready":
        pass
    return process


def link(herd, admin):
    status = subprocess.run([herd, "status", f"127.0.0.1:{admin}", "--json"], capture_output=True, check=True)
    return json.loads(status.stdout)["links"][0]


def lives(a, b, seconds):
    """Milliseconds from replies at A until B tells the same, for some seconds: median and 99th percentile."""
    waits, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        client = f"live{len(waits)}"
        waits.append(b.wait_for(client, a.report(client)) * 1e3)
        time.sleep(0.002)
    return f"p50 {statistics.median(waits):.2f} ms, p99 {sorted(waits)[len(waits) * 99 // 100]:.2f} ms ({len(waits)})"


def newcomer(herd, clients):
    load = [herd, "load", f"127.0.0.1:{LINE}", "--fill", "--clients", str(clients), "-c", "4", "-w", "1000", "-n", "1000"]
    subprocess.run(load, check=True, stdout=subprocess.DEVNULL)
    # Then those that moved last are not all.
    time.sleep(12)
    a = Client(LINE)
    recent = [(f"recent{i}", a.report(f"recent{i}")) for i in range(100)]
    server = serve(herd, "B", "a.toml")
    ready = time.perf_counter()
    b = Client(LINE + 1)
    for client, expected in recent:
        b.wait_for(client, expected)
    print(f"newcomer: the last 100 that moved after {time.perf_counter() - ready:.3f} s")
    # Asking for the status costs a few milliseconds each time.
    meanwhile = lives(a, b, 0.25)
    while not link(herd, ADMIN + 1)["is_synced"]:
        pass
    print(f"newcomer: synced after {time.perf_counter() - ready:.3f} s, {clients} clients")
    print(f"live reports meanwhile: {meanwhile}; after: {lives(a, b, 2)}")
    return server


def break_of_ten_seconds(herd, relay):
    rate, seconds = 10_000, 26
    load = [herd, "load", f"127.0.0.1:{LINE}", "-r", str(rate), "-d", f"{seconds}s", "--clients", "100000", "-c", "4"]
    began, load = time.perf_counter(), subprocess.Popen(load, stdout=subprocess.DEVNULL)
    time.sleep(8)
    relay.cut()
    cut, copied = time.perf_counter() - began, link(herd, ADMIN + 1)["copied"]
    time.sleep(10)
    relay.is_cut, before = False, relay.bytes[1]
    load.wait()
    time.sleep(3)
    shipped, reports = relay.bytes[1] - before, rate * (seconds - cut)
    copied = link(herd, ADMIN + 1)["copied"] - copied
    print(f"break of 10 s: {shipped} bytes shipped for {reports:.0f} reports of 52, {shipped / reports / 52:.2f} of them")
    print(f"               of which copied by comparing: {copied} reports")


def main():
    herd = os.path.abspath(sys.argv[1])
    clients = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for name, peer in [("a", PEER), ("b", RELAY)]:
            with open(f"{name}.toml", "w") as file:
                file.write(HERD.format(peer=peer))
        relay, servers = Relay(), []
        try:
            servers.append(serve(herd, "A", "a.toml"))
            servers.append(newcomer(herd, clients))
            # From here on through the relay.
            servers[1].terminate()
            servers[1].wait()
            servers[1] = serve(herd, "B", "b.toml")
            while not link(herd, ADMIN + 1)["is_synced"]:
                time.sleep(0.1)
            before = list(relay.bytes)
            time.sleep(20)
            idle = [(after - before) / 20 for after, before in zip(relay.bytes, before)]
            print(f"an idle link: {idle[0]:.0f} and {idle[1]:.0f} bytes a second")
            break_of_ten_seconds(herd, relay)
        finally:
            for server in servers:
                server.terminate()
                server.wait()


main()
