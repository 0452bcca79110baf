"""A bad network between qmail-smtpd and qmail-verify: a UDP proxy that spoils datagrams.

with Proxy(port, ('lost', 'forged'), seed=1) as proxy: clients ask 127.0.0.1:proxy.port

SHARE of the datagrams, questions and answers alike, have one of the kinds befall them;
which ones, the seed decides (and the order in which they come). proxy.count says how
many it were.

  lost       is not passed on
  doubled    is passed on twice
  delayed    comes up to DELAY seconds later
  reordered  comes behind the next one that goes the same way, or HELD seconds later
  truncated  ends somewhere before its end
  forged     a question is answered at once with false answers, from the server's own
             address, by one who has not seen the question's nonce, and by an echo
"""
import collections
import heapq
import os
import random
import selectors
import socket
import struct
import threading
import time

SHARE = 0.3
DELAY, HELD = 1.5, 0.4
KINDS = ('lost', 'doubled', 'delayed', 'reordered', 'truncated', 'forged')
MAGIC = b'qverify2'
NO_MAILBOX, DEFAULT_DELIVERY = (0xe1, 16), (0x90, 4)


class Way:
    """From one client to the server, or back: how a datagram leaves, and what waits to."""

    def __init__(self, send):
        self.send, self.held = send, []


class Proxy(threading.Thread):
    def __init__(self, server_port, kinds, seed=1):
        super().__init__(daemon=True)
        self.server_port, self.kinds, self.random = server_port, kinds, random.Random(seed)
        self.count = collections.Counter()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.bind(('127.0.0.1', 0))
        self.port = self.socket.getsockname()[1]
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.socket, selectors.EVENT_READ, self.question)
        self.wake, self.ended = socket.socketpair()
        self.selector.register(self.wake, selectors.EVENT_READ)
        self.clients, self.later, self.number = {}, [], 0

    # ---- a datagram's way

    def lot(self):
        kind = self.random.choice(self.kinds) if self.random.random() < SHARE else 'passed on'
        self.count[kind] += 1
        return kind

    def pass_on(self, datagram, way, kind):
        if kind == 'delayed':
            self.at(self.random.random() * DELAY, way.send, datagram)
        elif kind == 'reordered':
            way.held.append(datagram)
            self.at(HELD, self.release, way)
        elif kind != 'lost':
            if kind == 'truncated' and datagram:
                datagram = datagram[:self.random.randrange(len(datagram))]
            for _ in range(2 if kind == 'doubled' else 1):
                way.send(datagram)
            self.release(way)

    def release(self, way):
        held, way.held = way.held, []
        for datagram in held:
            way.send(datagram)

    def at(self, seconds, call, argument):
        self.number += 1
        heapq.heappush(self.later, (time.monotonic() + seconds, self.number, call, argument))

    # ---- both ends

    def question(self, _):
        datagram, client = self.socket.recvfrom(65536)
        if client not in self.clients:
            self.clients[client] = self.new_client(client)
        kind = self.lot()
        if kind == 'forged':
            for answer in self.false_answers(datagram):
                self.to_client(client, answer)
        self.pass_on(datagram, self.clients[client][0], kind)

    def new_client(self, client):
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.connect(('127.0.0.1', self.server_port))
        back = Way(lambda datagram: self.to_client(client, datagram))
        self.selector.register(server, selectors.EVENT_READ, lambda s: self.answer(s, back))
        return Way(lambda datagram: self.to_server(server, datagram)), server

    def answer(self, server, back):
        try:
            datagram = server.recv(65536)
        except ConnectionRefusedError:  # the client sees silence
            return
        self.pass_on(datagram, back, self.lot())

    def to_client(self, client, datagram):
        try:
            self.socket.sendto(datagram, client)
        except OSError:  # it has gone
            pass

    def to_server(self, server, datagram):
        try:
            server.send(datagram)
        except OSError:
            pass

    def false_answers(self, question):
        """Everything that may be believed, in either sense: one of them is false."""
        for status, reason in (NO_MAILBOX, DEFAULT_DELIVERY):
            plain = bytes([status]) + b'mallory'
            yield plain
            yield plain + b'\0' + MAGIC + os.urandom(16) + struct.pack('>H', reason)
            yield plain + b'\0' + MAGIC + bytes(16) + struct.pack('>H', reason)
            yield plain + b'\0' + MAGIC
        yield question
        yield b''
        yield self.random.randbytes(40)

    # ---- running

    def run(self):
        while True:
            now = time.monotonic()
            while self.later and self.later[0][0] <= now:
                _, _, call, argument = heapq.heappop(self.later)
                call(argument)
            wait = max(0, self.later[0][0] - now) if self.later else None
            for key, _ in self.selector.select(wait):
                if key.fileobj is self.wake:
                    return
                key.data(key.fileobj)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *error):
        self.ended.close()
        self.join()
        for s in (self.socket, self.wake, *(server for _, server in self.clients.values())):
            s.close()
