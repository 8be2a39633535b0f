"""A member of a plaintext room, in Python.

    client.py udp|tcp HOST PORT NICK [DROP]

Lines of standard input are said, and what happens in the room is printed as
JSON lines. Three lines are orders: "/cut" says nothing more on the connection,
not even goodbye, and makes another; "/saycut TEXT" says TEXT and cuts before
the answer can have come; "/to NICK TEXT" whispers. The end of the input is the
end of the visit. With DROP, every so many-th datagram is lost on purpose.

Written from the protocol description of the Go package room, on the carriers of
carriers.py.
"""

import hashlib
import json
import os
import select
import sys
import time

import carriers

GOT_AFTER = 0.2  # seconds from something said to our saying that it has come


def show(event):
    print(json.dumps(event, ensure_ascii=False), flush=True)


class Member:
    def __init__(self, carrier, host, port, nick, drop):
        self.dial = lambda: (carriers.UDP if carrier == "udp" else carriers.TCP)(host, port, drop)
        self.nick, self.session, self.log, self.seq = nick, "", "", 0
        self.pending = []   # commands without an answer, in order
        self.got, self.got_due = 0, None
        self.people = {}
        self.stats = {}
        self.over = False
        self.sit()

    # Sitting down, for the first time or again.

    def sit(self):
        self.conn = self.dial()
        self.welcomed = False
        self.ask()
        end = time.monotonic() + 10
        while not self.welcomed and not self.over:
            if time.monotonic() > end:
                raise carriers.Lost("no welcome")
            self.step(0.1)

    def ask(self):
        join = {"type": "join", "v": 1, "nick": self.nick}
        if self.session:
            join.update(session=self.session, log=self.log, seq=self.seq)
        self.tell(join)

    def cut(self):
        self.count()
        self.conn.sock.close()
        self.sit()

    def count(self):
        for name, n in self.conn.stats.items():
            self.stats[name] = self.stats.get(name, 0) + n

    # Speaking.

    def tell(self, message):
        self.conn.send(json.dumps(message, ensure_ascii=False).encode())

    def command(self, kind, **fields):
        message = dict(fields, type=kind, id=os.urandom(16).hex())
        if self.got < self.seq:
            message["got"] = self.got = self.seq
            self.got_due = None
        self.pending.append(message)
        self.tell(message)

    # Hearing.

    def step(self, timeout):
        for data in self.conn.poll(timeout):
            self.hear(json.loads(data))
        if self.got_due and time.monotonic() >= self.got_due and self.welcomed:
            self.got, self.got_due = self.seq, None
            self.tell({"type": "got", "got": self.got})

    def hear(self, m):
        kind = m.get("type")
        if kind == "welcome":
            self.welcome(m)
        elif kind == "error":
            show(m)
            if not self.welcomed and m.get("code") in ("nick_taken", "nick_invalid") and m.get("suggest"):
                self.nick = m["suggest"]
                self.ask()
            else:
                self.over = True
        elif kind == "members":
            for person in m.get("members", []):
                self.people[person["nick"]] = person
            if not m.get("more"):
                show({"type": "members", "nicks": sorted(self.people)})
        elif kind in ("accepted", "failed"):
            for i, command in enumerate(self.pending):
                if command["id"] == m.get("id"):
                    del self.pending[i]
                    show({"type": kind, "text": command.get("text", ""), "seq": m.get("seq", 0), "code": m.get("code", "")})
                    break
        elif kind == "bye":
            show(m)
            self.over = True
        elif kind == "skip":
            self.expect(m["from_seq"])
            self.seq += m["count"]
            show(m)
        elif "seq" in m:
            self.expect(m["seq"])
            self.seq = m["seq"]
            if kind in ("message", "action", "whisper") and self.got_due is None:
                self.got_due = time.monotonic() + GOT_AFTER
            show(m)

    def expect(self, seq):
        """Every seq after the cursor comes once, as an event or in a skip."""
        if seq != self.seq + 1:
            show({"type": "violation", "text": "event %d after %d" % (seq, self.seq)})
            raise SystemExit(3)

    def welcome(self, m):
        seat = hashlib.sha256(b"parley seat 1\n" + bytes.fromhex(m["session"])).digest()[:16].hex()
        if seat != m["seat"]:
            show({"type": "violation", "text": "seat %s, by the description it is %s" % (m["seat"], seat)})
            raise SystemExit(3)
        self.welcomed = True
        resumed = self.session != ""
        if m["log"] != self.log or not resumed:
            self.seq = m.get("after", 0)
        self.nick, self.session, self.log = m["nick"], m["session"], m["log"]
        show({"type": "ready", "room": m["room"], "nick": self.nick, "seq": m.get("seq", 0),
              "secure": m.get("secure", False), "state": "resumed" if resumed and m.get("resumed") else "new"})
        for command in self.pending:  # whoever does not know says it again
            self.tell(command)

    def leave(self):
        while self.pending and not self.over:
            self.step(0.1)
        if not self.over:
            self.tell({"type": "leave", "text": "bye"})
            end = time.monotonic() + 2
            while not self.over and time.monotonic() < end:
                self.step(0.1)
        self.count()
        self.conn.close()
        show(dict(self.stats, type="stats"))


def main():
    carrier, host, port, nick = sys.argv[1:5]
    drop = int(sys.argv[5]) if len(sys.argv) > 5 else 0
    member = Member(carrier, host, int(port), nick, drop)
    typed = b""
    while not member.over:
        ready, _, _ = select.select([sys.stdin], [], [], 0)
        if ready:
            part = os.read(0, 65536)
            if not part:
                break
            typed += part
        while b"\n" in typed:
            line, typed = typed.split(b"\n", 1)
            order(member, line.decode())
        member.step(0.02)
    member.leave()


def order(member, line):
    if line == "/cut":
        member.cut()
    elif line.startswith("/saycut "):
        member.command("message", text=line[8:])
        member.cut()
    elif line.startswith("/to "):
        _, to, text = line.split(" ", 2)
        member.command("whisper", to=to, text=text)
    else:
        member.command("message", text=line)


main()
