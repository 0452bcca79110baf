"""flood.py FROM PORT TO RATE PID KEY: forged answers, RATE a second, until standard input ends.

From the address and port of a server, through a raw socket, to whichever ports in the
network of process PID, at address TO, are connected to that server at the moment, and are
read: whoever sends them knows all but what the datagrams have inside. Each says that an address is
invalid, in one of three ways: extended, with a random nonce; the same with a random code
by the key with this id; plain. Then says how many were sent, and in how many seconds.
"""
import ctypes
import os
import pathlib
import select
import socket
import struct
import sys
import time

import packets
import sealing

BLOCK, NO_MAILBOX, PORTS_SECONDS = 64, 16, 0.02
libc = ctypes.CDLL(None, use_errno=True)


class Part(ctypes.Structure):
    _fields_ = [('base', ctypes.c_void_p), ('length', ctypes.c_size_t)]


class Message(ctypes.Structure):
    _fields_ = [('name', ctypes.c_void_p), ('name_length', ctypes.c_uint), ('parts', ctypes.POINTER(Part)),
                ('n_parts', ctypes.c_size_t), ('control', ctypes.c_void_p), ('control_length', ctypes.c_size_t),
                ('flags', ctypes.c_int), ('sent', ctypes.c_uint), ('fill', ctypes.c_uint)]


def forged(number, key):
    plain = b'\xe1alias'
    if number % 3 == 0:
        return plain
    answer = plain + b'\0' + packets.MAGIC + os.urandom(16) + struct.pack('>H', NO_MAILBOX)
    return answer if number % 3 == 1 else answer + packets.field(sealing.MAC, os.urandom(sealing.SUM) + key)


class Block:
    """Datagrams that are sent by one call."""

    def __init__(self, port, key):
        self.bytes = [bytearray(struct.pack('>HHHH', port, 0, 8 + len(one), 0) + one)
                      for one in (forged(number, key) for number in range(BLOCK))]
        self.parts = (Part * BLOCK)()
        self.messages = (Message * BLOCK)()
        for number, one in enumerate(self.bytes):
            self.parts[number].base = ctypes.addressof((ctypes.c_char * len(one)).from_buffer(one))
            self.parts[number].length = len(one)
            self.messages[number].parts = ctypes.pointer(self.parts[number])
            self.messages[number].n_parts = 1

    def renew(self, ports, turn):
        """To these ports, with other nonces."""
        nonces = os.urandom(16 * BLOCK)
        for number, one in enumerate(self.bytes):
            struct.pack_into('>H', one, 2, ports[(turn + number) % len(ports)])
            if number % 3:
                one[23:39] = nonces[16 * number:16 * number + 16]

    def send(self, fd):
        return max(libc.sendmmsg(fd, self.messages, BLOCK, 0), 0)


def connected(pid, to, server, port):
    """Ports at an address that are connected to a server, in the process's network."""
    def shown(address, port):
        return f'{int.from_bytes(socket.inet_aton(address), sys.byteorder):08X}:{port:04X}'
    lines = [line.split() for line in pathlib.Path(f'/proc/{pid}/net/udp').read_text().split('\n')[1:-1]]
    there = [line for line in lines if line[1].startswith(shown(to, 0)[:9]) and line[2] == shown(server, port)]
    read = [line for line in there if line[-1] == '0']  # the others have lost some: nobody reads them any more
    return [int(line[1].split(':')[1], 16) for line in read or there]


def main(server, port, to, rate, pid, key):
    os.nice(-15)  # as if it were another machine, with a processor of its own
    block = Block(int(port), key.encode())
    sent = turn = 0
    ports, looked = [], 0
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP) as s:
        s.bind((server, 0))
        s.connect((to, 0))
        begun = time.monotonic()
        while not select.select([0], [], [], 0)[0]:
            now = time.monotonic()
            if now - looked > PORTS_SECONDS:
                ports, looked = connected(pid, to, server, int(port)), now
            if sent >= int(rate) * (now - begun) or not ports:
                time.sleep(0.0005)
                begun += (time.monotonic() - now) * (not ports)
                continue
            block.renew(ports, turn)
            turn += 1
            sent += block.send(s.fileno())
        print(sent, time.monotonic() - begun)


main(*sys.argv[1:])
