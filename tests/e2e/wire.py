"""wire.py NAMESPACE ADDRESS NAMESPACE ADDRESS LOSS MS SEED: a cable that loses and delays.

Joins two network namespaces (numbers of descriptors) by a tunnel device in each, called
by the address at its other end. LOSS is the part of the packets that is lost, by chance, MS how long
one is on its way, each way alike. For what sch_netem does, which not every kernel has.
Says "ready"; ends when its standard input does.
"""
import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import sys
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454ca, 1, 0x1000
PACKET_MAX = 65536
libc = ctypes.CDLL(None, use_errno=True)


def tunnel(namespace, name):
    if libc.setns(namespace, 0) == -1:
        sys.exit(f'setns: {os.strerror(ctypes.get_errno())}')
    try:
        fd = os.open('/dev/net/tun', os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.ioctl(fd, TUNSETIFF, struct.pack('16sH22x', name.encode(), IFF_TUN | IFF_NO_PI))
    except OSError as error:
        sys.exit(f'/dev/net/tun: {error.strerror}')
    return fd


def come(fd):
    """The packets that are there, and when they were."""
    while True:
        try:
            packet = os.read(fd, PACKET_MAX)
            yield time.monotonic(), packet
        except OSError:  # none left, or the device is not up yet
            return


def main(first, far, second, near, loss, delay_ms, seed):
    ends = [tunnel(int(first), far), tunnel(int(second), near)]
    chance, loss, delay = random.Random(int(seed)), float(loss), float(delay_ms) / 1000
    under_way, number = [], 0
    print('ready', flush=True)
    while True:
        wait = max(under_way[0][0] - time.monotonic(), 0) if under_way else None
        ready = select.select([*ends, 0], [], [], wait)[0]
        if 0 in ready:
            return
        for fd in ready:
            for now, packet in come(fd):
                number += 1
                if chance.random() >= loss:
                    heapq.heappush(under_way, (now + delay, number, ends[ends[0] == fd], packet))
        while under_way and under_way[0][0] <= time.monotonic():
            _, _, to, packet = heapq.heappop(under_way)
            try:
                os.write(to, packet)
            except OSError:
                pass  # as lost: the device is down


main(*sys.argv[1:])
