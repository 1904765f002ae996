"""A herd server with Twisted: a LineReceiver per connection, a factory that holds what all of them know.

    herd.py NAME PORT [NEIGHBOUR_PORT...]

Lines are bytes throughout. Reports are flooded as AT lines over one connection to each neighbour, dialled again by a
ReconnectingClientFactory; there is no catch-up.
"""

import re
import sys
import time

from twisted.internet import reactor
from twisted.internet.protocol import Protocol, ReconnectingClientFactory, ServerFactory
from twisted.protocols.basic import LineReceiver

HOST = "127.0.0.1"
NS = 1_000_000_000
LOCATION = re.compile(rb"([+-][0-9]{1,2}(?:\.[0-9]+)?)([+-][0-9]{1,3}(?:\.[0-9]+)?)/?")
NUMBER = re.compile(rb"[0-9]+(?:\.[0-9]+)?")
COUNT = re.compile(rb"[0-9]+")
NO_PROVIDER = b'\n{"results": [], "status": "ZERO_RESULTS"}\n'


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


class Herd(ServerFactory):
    """What one server knows: its reports and its links."""

    def __init__(self, name):
        self.name = name.encode()
        self.reports = {}
        self.links = set()

    def buildProtocol(self, _address):
        return Client(self)

    def keep(self, client, time_ns, at):
        """Keeps and passes on what is news; what is known ends here, so a flood ends too."""
        known = self.reports.get(client)
        if known is not None and known[0] >= time_ns:
            return
        self.reports[client] = time_ns, at
        for link in self.links:
            link.write(at + b"\n")


class Client(LineReceiver):
    """One connection: a client's, or a neighbour's that sends AT lines."""

    delimiter = b"\n"
    MAX_LENGTH = 64 * 1024

    def __init__(self, herd):
        self.herd = herd

    def lineReceived(self, line):
        match line.split():
            case [b"IAMAT", client, location, sent_at]:
                reply = self.iamat(client, location, sent_at)
            case [b"WHATSAT", client, radius, bound]:
                reply = self.whatsat(client, radius, bound)
            case [b"AT", _, _, client, _, sent_at]:
                time_ns = nanoseconds(sent_at)
                if time_ns is not None:
                    self.herd.keep(client, time_ns, line.strip())
                return
            case _:
                reply = None
        self.sendLine(reply or b"? " + line.removesuffix(b"\r"))

    def iamat(self, client, location, sent_at):
        time_ns = nanoseconds(sent_at)
        if time_ns is None or not is_location(location):
            return None
        skew = time.time_ns() - time_ns
        sign = b"-" if skew < 0 else b"+"
        seconds, rest = divmod(abs(skew), NS)
        at = b"AT %b %b%d.%09d %b %b %b" % (self.herd.name, sign, seconds, rest, client, location, sent_at)
        self.herd.keep(client, time_ns, at)
        return at

    def whatsat(self, client, radius, bound):
        is_valid = NUMBER.fullmatch(radius) and COUNT.fullmatch(bound)
        known = self.herd.reports.get(client)
        if known is None or not is_valid or float(radius) > 50 or int(bound) > 20:
            return None
        return known[1] + NO_PROVIDER


class Link(Protocol):
    """A connection to a neighbour, for writing only: its own reports come over the one that it dialled."""

    def connectionMade(self):
        self.factory.resetDelay()
        self.factory.herd.links.add(self.transport)

    def connectionLost(self, _reason):
        self.factory.herd.links.discard(self.transport)


class Neighbour(ReconnectingClientFactory):
    protocol = Link
    initialDelay = 0.2
    maxDelay = 5
    noisy = False

    def __init__(self, herd):
        self.herd = herd


if __name__ == "__main__":
    _, name, port, *neighbours = sys.argv
    herd = Herd(name)
    listening = reactor.listenTCP(int(port), herd, interface=HOST, backlog=1024)
    for neighbour in neighbours:
        reactor.connectTCP(HOST, int(neighbour), Neighbour(herd))
    print(name, f"{HOST}:{listening.getHost().port}", flush=True)
    reactor.run()
