"""The two carriers of parley for plaintext rooms, in Python.

Written from the protocol descriptions of the Go packages udp and tcp, and from
nothing else of theirs, so that a test with it is a test of the descriptions.
Only the standard library is used. Everything happens in the caller's thread:
poll() does what is due and returns the messages that have come.
"""

import os
import select
import socket
import struct
import time


class Refused(Exception):
    pass


class Lost(Exception):
    pass


# ---- TCP -----------------------------------------------------------------

PREAMBLE = b"\x89parley"
REASONS = {1: "version", 2: "mode", 3: "full", 4: "key"}


class TCP:
    def __init__(self, host, port, drop=0):
        self.stats = {"sent": 0, "received": 0}
        self.closed = False
        self.buffer = b""
        self.sock = socket.create_connection((host, port), timeout=10)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.sendall(PREAMBLE + bytes([1, 0]))
        answer = b""
        while len(answer) < 9:
            part = self.sock.recv(9 - len(answer))
            if not part:
                raise Refused("the host closed without a word")
            answer += part
        if answer[:7] != PREAMBLE:
            raise Refused("this is no parley host: %r" % answer)
        if answer[8] != 0:
            raise Refused(REASONS.get(answer[8], str(answer[8])))

    def send(self, message):
        self.sock.sendall(struct.pack(">I", len(message)) + message)
        self.stats["sent"] += 1

    def control(self, kind, data=bytes(8)):
        self.sock.sendall(struct.pack(">IB", 0, kind) + data)

    def poll(self, timeout):
        messages = self.frames()
        ready, _, _ = select.select([self.sock], [], [], 0 if messages else timeout)
        if ready:
            data = self.sock.recv(65536)
            if not data:
                if not self.closed:
                    raise Lost("the stream was cut off")
                return messages
            self.buffer += data
            messages += self.frames()
        return messages

    def frames(self):
        messages = []
        while len(self.buffer) >= 4:
            length = struct.unpack(">I", self.buffer[:4])[0]
            if length > 65536:
                raise Lost("a frame of %d bytes" % length)
            if length > 0:
                if len(self.buffer) < 4 + length:
                    break
                messages.append(self.buffer[4:4 + length])
                self.buffer = self.buffer[4 + length:]
                self.stats["received"] += 1
                continue
            if len(self.buffer) < 13:
                break
            kind, data = self.buffer[4], self.buffer[5:13]
            self.buffer = self.buffer[13:]
            if kind == 1:  # PING
                self.control(2, data)
            elif kind == 3 and not self.closed:  # BYE
                self.closed = True
                self.control(3)
        return messages

    def close(self):
        if not self.closed:
            self.closed = True
            self.control(3)
            end = time.monotonic() + 2
            try:
                while time.monotonic() < end:
                    self.sock.settimeout(2)
                    if not self.sock.recv(65536):
                        break
            except OSError:
                pass
        self.sock.close()


# ---- UDP -----------------------------------------------------------------

HELLO, RETRY, REFUSE, ACCEPT = 1, 2, 3, 4
VERSION, PLAINTEXT = 1, 2
FROM_MEMBER, FROM_HOST = 0x50, 0x52
AT_ONCE, SHORT = 0x04, 0x08  # more in the first byte
FULL = 1200  # bytes of a datagram that proves the path

PADDING, PING, ACK, CREDIT, CHALLENGE, RESPONSE, CLOSE = range(7)
MESSAGE, FRAGMENT, MESSAGE_UNORDERED, FRAGMENT_UNORDERED, BARE = range(0x10, 0x15)

CREDIT_FIRST = 262144
COST = 32  # of a message, beside its bytes


def crc_table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)
    return table


CRC_TABLE = crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def varint(n):
    for size, prefix in ((1, 0), (2, 1), (4, 2), (8, 3)):
        if n < 1 << (8 * size - 2):
            return (n | prefix << (8 * size - 2)).to_bytes(size, "big")
    raise ValueError(n)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def more(self):
        return self.at < len(self.data)

    def bytes(self, n):
        if self.at + n > len(self.data):
            raise ValueError("a frame is cut off")
        self.at += n
        return self.data[self.at - n:self.at]

    def byte(self):
        return self.bytes(1)[0]

    def varint(self):
        first = self.data[self.at]
        size = 1 << (first >> 6)
        return int.from_bytes(self.bytes(size), "big") & ((1 << (8 * size - 2)) - 1)


class Lane:
    """The messages of one lane that come in."""

    def __init__(self, ordered):
        self.ordered, self.next = ordered, 0
        self.parts = {}  # message number -> [bytearray, bytearray of what is there]
        self.done = set()

    def part(self, number, total, offset, data):
        """Takes a part, returns the messages that are due."""
        if number in self.done or self.ordered and number < self.next:
            return []
        whole, there = self.parts.setdefault(number, (bytearray(total), bytearray(total)))
        whole[offset:offset + len(data)] = data
        there[offset:offset + len(data)] = b"\1" * len(data)
        if self.ordered:
            due = []
            while self.next in self.parts and all(self.parts[self.next][1]):
                due.append(bytes(self.parts.pop(self.next)[0]))
                self.next += 1
            return due
        if all(there):
            self.done.add(number)
            return [bytes(self.parts.pop(number)[0])]
        return []


class UDP:
    RESEND = 0.1  # seconds without an answer; more patient than need be

    def __init__(self, host, port, drop=0):
        """Drop is for tests: every so many-th packet, sent or received, is lost."""
        family, kind, _, _, addr = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        self.sock = socket.socket(family, kind)
        self.sock.connect(addr)
        self.drop, self.passed = 0, 0
        self.id = os.urandom(8)
        self.stats = {"sent": 0, "received": 0, "acked": 0, "resent": 0, "repeated": 0, "dropped": 0, "corrupt": 0}
        self.closed = False

        self.next_packet = 0
        self.flying = {}      # packet number -> (time sent, frames)
        self.largest_acked = -1
        self.path_proven = False
        self.queue = []       # frames to send
        self.next_message = 0
        self.credit_there, self.begun, self.held = CREDIT_FIRST, 0, []

        self.seen = set()     # packet numbers received
        self.taken, self.credit_here = 0, CREDIT_FIRST
        self.lanes = {MESSAGE: Lane(True), MESSAGE_UNORDERED: Lane(False)}
        self.heard = time.monotonic()

        self.shake()
        self.drop = drop
        self.queue.append(bytes([PING]))
        self.flush()

    def shake(self):
        token, wait, end = bytes(20), 0.05, time.monotonic() + 10
        while time.monotonic() < end:
            hello = bytes([HELLO, VERSION, PLAINTEXT]) + self.id + token
            self.sock.send(hello.ljust(FULL, b"\0"))
            ready, _, _ = select.select([self.sock], [], [], wait)
            wait = min(2 * wait, 0.8)
            if not ready:
                continue
            answer = self.sock.recv(2048)
            if answer[1:9] != self.id:
                continue
            if answer[0] == RETRY and len(answer) == 29:
                token, wait = answer[9:29], 0.05
            elif answer[0] == REFUSE and len(answer) == 10:
                raise Refused(REASONS.get(answer[9], str(answer[9])))
            elif answer[0] == ACCEPT and len(answer) == FULL and token != bytes(20):
                return
        raise Lost("no answer")

    # Sending.

    def send(self, message):
        self.held.append(message)
        self.begin()
        self.flush()

    def begin(self):
        while self.held and self.begun + len(self.held[0]) + COST <= self.credit_there:
            message = self.held.pop(0)
            self.begun += len(message) + COST
            number = varint(self.next_message)
            self.next_message += 1
            if len(message) <= 1000:
                self.queue.append(bytes([MESSAGE]) + number + varint(2 * len(message)) + message)
                continue
            for offset in range(0, len(message), 1000):
                part = message[offset:offset + 1000]
                self.queue.append(bytes([FRAGMENT]) + number + varint(len(message)) + varint(offset) +
                                  varint(len(part)) + part)

    def flush(self):
        while self.queue:
            frames, size = [], 0
            while self.queue and (not frames or size + len(self.queue[0]) <= 1100):
                frames.append(self.queue.pop(0))
                size += len(frames[-1])
            self.packet(frames)

    def packet(self, frames, asks=True):
        number = self.next_packet
        self.next_packet += 1
        packet = bytes([FROM_MEMBER]) + self.id + struct.pack(">I", number & 0xFFFFFFFF) + b"".join(frames)
        if asks:
            self.flying[number] = (time.monotonic(), frames)
            if not self.path_proven:
                packet = packet.ljust(FULL - 4, bytes([PADDING]))
        packet += struct.pack(">I", crc32c(packet + struct.pack(">I", number >> 8 & 0xFFFFFFFF)))
        self.stats["sent"] += 1
        if not self.unlucky():
            try:
                self.sock.send(packet)
            except ConnectionRefusedError:
                pass  # nobody listens just now; what matters is sent again

    def unlucky(self):
        self.passed += 1
        if self.drop and self.passed % self.drop == 0:
            self.stats["dropped"] += 1
            return True
        return False

    def lose(self, number):
        _, frames = self.flying.pop(number)
        again = [f for f in frames if f[0] not in (CREDIT, PING)] or [bytes([PING])]
        self.stats["resent"] += 1
        self.queue = again + self.queue

    # Receiving.

    def poll(self, timeout):
        messages, end = [], time.monotonic() + timeout
        while not self.closed:
            now = time.monotonic()
            for number in [n for n, (sent, _) in self.flying.items() if now - sent > self.RESEND]:
                self.lose(number)
            self.flush()
            if now - self.heard > 30:
                raise Lost("silent for 30 s")
            wait = 0 if messages else max(0, min(end - now, self.RESEND / 2))
            ready, _, _ = select.select([self.sock], [], [], wait)
            if ready:
                messages += self.datagram()
            elif messages or time.monotonic() >= end:
                break
        return messages

    def datagram(self):
        try:
            data = self.sock.recv(65536)
        except ConnectionRefusedError:
            return []
        if len(data) < 15 or data[0] & ~(AT_ONCE | SHORT) != FROM_HOST or data[1:9] != self.id or self.unlucky():
            return []
        header = 10 if data[0] & SHORT else 13
        wrap = 1 << 8 * (header - 9)
        low = int.from_bytes(data[9:header], "big")
        expected = max(self.seen, default=-1) + 1
        number = expected + (low - expected + wrap // 2) % wrap - wrap // 2
        if number < 0:
            number += wrap
        if crc32c(data[:-4] + struct.pack(">I", number >> 8 & 0xFFFFFFFF)) != struct.unpack(">I", data[-4:])[0]:
            self.stats["corrupt"] += 1
            return []
        self.heard = time.monotonic()
        self.stats["received"] += 1
        if number in self.seen:
            self.stats["repeated"] += 1
            return []
        self.seen.add(number)
        messages, asks = self.frames(Reader(data[header:-4]))
        for message in messages:
            self.taken += len(message) + COST
        if self.credit_here - self.taken < CREDIT_FIRST // 2:
            self.credit_here = self.taken + CREDIT_FIRST
            self.queue.append(bytes([CREDIT]) + varint(self.credit_here))
        if asks:
            self.packet([self.ack()], asks=False)
        return messages

    def ack(self):
        ranges = []  # from the largest down: [low, high]
        for number in sorted(self.seen, reverse=True)[:10000]:
            if ranges and ranges[-1][0] == number + 1:
                ranges[-1][0] = number
            else:
                ranges.append([number, number])
        ranges = ranges[:33]
        frame = bytes([ACK]) + varint(ranges[0][1]) + varint(0) + varint(len(ranges) - 1) + \
            varint(ranges[0][1] - ranges[0][0])
        for above, here in zip(ranges, ranges[1:]):
            frame += varint(above[0] - here[1] - 2) + varint(here[1] - here[0])
        return frame

    def frames(self, r):
        messages, asks = [], False
        while r.more():
            kind = r.byte()
            asks = asks or kind not in (PADDING, ACK)
            if kind in (PADDING, PING):
                pass
            elif kind == ACK:
                self.acked(r)
            elif kind == CREDIT:
                self.credit_there = max(self.credit_there, r.varint())
                self.begin()
            elif kind == CHALLENGE:
                self.queue.append(bytes([RESPONSE]) + r.bytes(8))
            elif kind == RESPONSE:
                r.bytes(8)
            elif kind == CLOSE:
                self.closed = True
                r.byte()
            elif kind in (MESSAGE, MESSAGE_UNORDERED):
                number = r.varint()
                more = True
                while more:
                    length = r.varint()
                    more = length & 1
                    data = r.bytes(length >> 1)
                    messages += self.lanes[kind].part(number, len(data), 0, data)
                    number += 1
            elif kind in (FRAGMENT, FRAGMENT_UNORDERED):
                number, total, offset = r.varint(), r.varint(), r.varint()
                messages += self.lanes[kind - 1].part(number, total, offset, r.bytes(r.varint()))
            elif kind == BARE:
                messages.append(r.bytes(r.varint()))
            else:
                raise Lost("a frame of type 0x%02x" % kind)
        return messages, asks

    def acked(self, r):
        high, _, count, first = r.varint(), r.varint(), r.varint(), r.varint()
        ranges = [(high - first, high)]
        self.largest_acked = max(self.largest_acked, high)
        for _ in range(count):
            high = ranges[-1][0] - r.varint() - 2
            ranges.append((high - r.varint(), high))
        for low, high in ranges:
            for number in [n for n in self.flying if low <= n <= high]:
                del self.flying[number]
                self.stats["acked"] += 1
                self.path_proven = True
        for number in [n for n in self.flying if n + 3 <= self.largest_acked]:
            self.lose(number)

    def close(self):
        end = time.monotonic() + 2
        while (self.flying or self.queue or self.held) and not self.closed and time.monotonic() < end:
            self.poll(0.05)
        if not self.closed:
            self.queue.append(bytes([CLOSE, 0]))
            self.flush()
            while self.flying and time.monotonic() < end:
                self.poll(0.05)
        self.sock.close()
