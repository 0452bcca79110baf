"""Network namespaces as hosts, joined by cables.

A Place is a host's network; with place.here(): what the calling thread does is there, and
the processes that it starts stay there. cable() joins two of them by a pair of veth
devices, lossy() by a process that loses and delays what goes over it (wire.py).
"""
import contextlib
import ctypes
import itertools
import os
import pathlib
import subprocess
import sys

import network
import pytest

WIRE = pathlib.Path(__file__).with_name('wire.py')


class Place:
    def __init__(self):
        with network.own():
            self.fd = os.open('/proc/thread-self/ns/net', os.O_RDONLY | os.O_CLOEXEC)

    @contextlib.contextmanager
    def here(self):
        outside = os.open('/proc/thread-self/ns/net', os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.enter(self.fd)
            try:
                yield
            finally:
                self.enter(outside)
        finally:
            os.close(outside)

    @staticmethod
    def enter(namespace):
        assert network.libc.setns(namespace, network.CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())

    def ip(self, *words):
        with self.here():
            network.ip(*words)

    def close(self):
        os.close(self.fd)


class Cables:
    """Each has a network of two addresses of its own; its device is called by the address at the other end."""

    def __init__(self):
        self.number, self.places, self.wires = itertools.count(1), [], []

    def place(self):
        self.places.append(Place())
        return self.places[-1]

    def addresses(self):
        n = next(self.number)
        return f'198.18.{n}.1', f'198.18.{n}.2'

    def cable(self, one, other):
        """The addresses of one and the other."""
        near, far = self.addresses()
        with one.here():
            made = subprocess.run(['ip', 'link', 'add', far, 'type', 'veth', 'peer', 'name', near, 'netns',
                                   f'/proc/{os.getpid()}/fd/{other.fd}'], capture_output=True, text=True)
        if made.returncode:
            pytest.skip(f'no pair of veth devices to be had: {made.stderr.strip()}')
        return self.up(one, near, other, far)

    def lossy(self, one, other, loss=0.0, delay_ms=0, seed=0):
        near, far = self.addresses()
        wire = subprocess.Popen([sys.executable, WIRE, str(one.fd), far, str(other.fd), near, str(loss), str(delay_ms),
                                 str(seed)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                pass_fds=(one.fd, other.fd), text=True)
        self.wires.append(wire)
        if wire.stdout.readline() != 'ready\n':
            pytest.skip(f'no tunnel device to be had: {wire.stderr.read().strip()}')
        return self.up(one, near, other, far)

    @staticmethod
    def up(one, near, other, far):
        for place, own, peer in (one, near, far), (other, far, near):
            place.ip('address', 'add', own, 'peer', peer, 'dev', peer)
            place.ip('link', 'set', peer, 'up')
        return near, far

    def close(self):
        for wire in self.wires:
            with wire:
                wire.stdin.close()
        for place in self.places:
            place.close()


@contextlib.contextmanager
def cables():
    """Hosts and cables, taken away at the end."""
    if os.geteuid() != 0:
        pytest.skip('needs root: networks of its own')
    all_of_them = Cables()
    try:
        yield all_of_them
    finally:
        all_of_them.close()
