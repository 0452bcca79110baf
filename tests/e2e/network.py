"""A network of a test's own: loopback and some addresses that nobody else can reach.

with network.own('192.0.2.1', '2001:db8::1'): what the test does and starts is in it.
No port there is taken by anybody else.
"""
import contextlib
import ctypes
import os
import socket
import subprocess

import pytest

CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


def ip(*words):
    subprocess.run(['ip', *words], check=True, stdout=subprocess.DEVNULL)


@contextlib.contextmanager
def own(*addresses):
    """The calling thread is in it, until the end; so are the processes that it starts."""
    outside = os.open('/proc/thread-self/ns/net', os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.unshare(CLONE_NEWNET) == -1:
            pytest.skip(f'no network of its own to be had: {os.strerror(ctypes.get_errno())}')
        try:
            ip('link', 'set', 'lo', 'up')
            for address in addresses:
                ip('address', 'add', address + ('/128' if ':' in address else '/32'), 'dev', 'lo')
            yield
        finally:
            assert libc.setns(outside, CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
    finally:
        os.close(outside)


def need_ipv6():
    """Skips the test where the kernel has no ::1. To be called within."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
            s.bind(('::1', 0))
    except OSError as error:
        pytest.skip(f'this kernel has no ::1: {error}')
