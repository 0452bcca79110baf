"""control/verifylimits: SMTP clients that only try out names, as the daemon treats them.

What depends on minutes and hours is tested with a clock of its own in tests/unit/limits_test.cpp.
"""
import os
import signal
import socket
import subprocess

import pytest
from packets import INVALID, TEMPORARY, VALID, parse, question
from qmailhost import BUILD, Host

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason='needs root: users of its own')

ASSIGN = '=joe:joe:7001:7001:{qmail}/home/joe:::\n+:alias:7003:7003:{qmail}/alias:-::\n.\n'
LIMITED = 56
BAD, GOOD = b'nobody@example.org', b'joe@example.org'
A, B = '192.0.2.9', '198.51.100.7'


class Limited(Host):
    def __init__(self, limits):
        control = {'me': 'example.org\n', 'rcpthosts': 'example.org\n'}
        if limits is not None:
            control['verifylimits'] = limits
        super().__init__(assign=ASSIGN, files={'home/joe/Maildir/new': ''}, control=control)
        self.own(7001, 'home/joe')
        self.own(7003, 'alias')
        self.path = self.dir / 's'
        self.env['LISTEN'] = f'127.0.0.1:{self.port},{self.path}'

    def __enter__(self):
        self.start()
        self.logged('Listening on socket')
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(20)
        self.socket.connect(str(self.path))
        return self

    def __exit__(self, *error):
        self.socket.close()
        super().__exit__(*error)

    def about(self, address, client):
        self.socket.send(question(address, client))
        return parse(self.socket.recv(4096))

    def bad(self, client, n):
        """How many of so many questions about addresses that do not exist were answered."""
        answers = [self.about(BAD, client) for _ in range(n)]
        assert {a.result for a in answers} <= {INVALID, TEMPORARY}
        assert all(a.reason == LIMITED for a in answers if a.result == TEMPORARY)
        return sum(a.result == INVALID for a in answers)

    def good(self, client, n=1):
        return sum(self.about(GOOD, client).result == VALID for _ in range(n))


def test_off_unless_configured():
    with Limited(None) as host:
        assert host.bad(A, 300) == 300
        assert host.good(A) == 1


def test_over_the_limit_nothing_is_told():
    with Limited('badperminute:5\n') as host:
        assert host.bad(A, 20) == 6
        limited = host.about(GOOD, A)
        assert (limited.result, limited.reason) == (TEMPORARY, LIMITED), 'for every address'
        assert host.about(b'x@elsewhere.example', A).result == TEMPORARY
        host.logged(f'SMTP client {A} asked 6 times in a minute for addresses that do not exist (badperminute:5): answered '
                    '"temporary" from now on, for 10 minutes.')
        host.logged(f'qmail-verify: {GOOD.decode()} not answered for UNKNOWN. limited {A}')
        assert host.good(B) == 1, 'others are'
        assert host.text().count('for 10 minutes') == 1


def test_the_limit_of_an_hour():
    with Limited('badperhour:7\n') as host:
        assert host.bad(A, 20) == 8
        host.logged(f'SMTP client {A} asked 8 times in an hour for addresses that do not exist (badperhour:7)')


def test_only_if_more_than_half_were_invalid():
    with Limited('badperminute:5\n') as host:
        assert host.good(A, 30) == 30
        assert host.bad(A, 30) == 30
        assert host.bad(A, 5) == 1
        assert host.good(A) == 0


def test_one_client_is_an_ipv4_address_or_64_bits_of_ipv6():
    with Limited('badperminute:3\n') as host:
        assert sum(host.bad(f'2001:db8:0:1::{n}', 1) for n in range(10)) == 4
        assert host.good('2001:db8:0:2::1') == 1
        assert host.bad(A, 2) + host.bad(f'::ffff:{A}', 8) == 4
        assert host.good('192.0.2.8') == 1
        host.logged('SMTP client 2001:db8:0:1::/64 asked 4 times')


def test_the_exempt_are_neither_counted_nor_limited():
    with Limited('badperminute:3\nexempt:192.0.2.0/24\nexempt:2001:db8::/32\n') as host:
        assert host.bad(A, 100) == 100
        assert host.bad('2001:db8::1', 100) == 100
        assert host.bad(B, 100) == 4


def test_questions_without_a_client_are_not_counted():
    with Limited('badperminute:3\n') as host:
        assert host.bad(None, 50) == 50
        for _ in range(50):
            host.socket.send(BAD + b'\0')
            assert host.socket.recv(4096) == b'\xe1alias'


def test_udp_never_counts_and_is_never_limited():
    """Anybody on the host could name a big sender's address."""
    with Limited('badperminute:3\n') as host:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(20)
            s.connect(('127.0.0.1', host.port))

            def by_udp(address):
                s.send(question(address, A))
                return parse(s.recv(4096)).result

            assert [by_udp(BAD) for _ in range(50)] == [INVALID] * 50
            assert host.good(A) == 1
            assert host.bad(A, 10) == 4
            assert by_udp(GOOD) == VALID


def test_a_change_counts_and_who_would_not_be_limited_is_answered_again():
    with Limited('badperminute:3\n') as host:
        assert host.bad(A, 10) == host.bad(B, 10) == 4
        host.control('verifylimits', f'badperminute:3\nexempt:{A}\n')
        host.logged('control/verifylimits has changed: taken over')
        host.logged(f'SMTP client {A} is answered as before again')
        assert host.good(A) == 1 and host.good(B) == 0
        (host.dir / 'control/verifylimits').unlink()
        host.signal(signal.SIGHUP)
        host.logged(f'SMTP client {B} is answered as before again')
        assert host.bad(B, 50) == 50


def test_a_line_that_cannot_be_read_changes_nothing():
    with Limited('badperminute:3\nbadperminute:many\n') as host:
        host.logged('control/verifylimits line 2: "badperminute:many" changes nothing: write a number')
        assert host.bad(A, 10) == 4


def smtpd(host, *addresses):
    """The codes that a client from A hears for its recipients."""
    env = {'PATH': '/usr/bin:/bin', 'QMAILDIR': str(host.dir), 'QMAILQUEUE': '/bin/false', 'VERIFY': str(host.path),
           'TCPREMOTEIP': A, **{k: v for k, v in os.environ.items() if k.endswith('SAN_OPTIONS')}}
    commands = b'HELO x\r\nMAIL FROM:<>\r\n' + b''.join(b'RCPT TO:<' + a + b'>\r\n' for a in addresses) + b'QUIT\r\n'
    done = subprocess.run([BUILD / 'qmail-smtpd'], input=commands, capture_output=True, env=env, timeout=120)
    return [int(line[:3]) for line in done.stdout.split(b'\r\n')[3:-2]]


def test_what_an_smtp_client_hears():
    with Limited('badperminute:5\n') as host:
        assert smtpd(host, GOOD, *[BAD] * 10, GOOD) == [250] + [550] * 6 + [451] * 5
        assert smtpd(host, GOOD) == [451], 'in its next session, too'
