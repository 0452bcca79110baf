"""The gate by itself, on a host like those that the other tests have: what they build upon."""
import socket

import pytest
from doorhost import KNOWN, MANY, UNKNOWN, DoorHost
from qmailhost import until


@pytest.fixture(scope='module')
def host():
    with DoorHost('') as host:
        host.verify()
        host.gate('line=127.0.0.1:2525')
        yield host


def ask(host, address):
    with host.network():
        s = socket.create_connection(('127.0.0.1', 2525), 30)
    with s:
        s.sendall(f'{address}\n\n'.encode())
        return s.makefile().readline().strip()


def test_addresses(host):
    assert [ask(host, address) for address in (KNOWN, UNKNOWN, MANY)] == ['valid', 'invalid', 'valid']


def test_daemon_down_and_back(host):
    host.verify_down()
    assert [ask(host, address) for address in (KNOWN, UNKNOWN)] == ['temporary', 'temporary']
    host.verify()
    until('it is asked again', lambda: ask(host, KNOWN) == 'valid')
    assert ask(host, UNKNOWN) == 'invalid'
