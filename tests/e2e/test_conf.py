"""qmail-verify-conf and qmail-smtpd-conf on a host of their own: what they say and make, and how it runs.

What is in each file, and that nothing is left behind, has tests/unit/conf_test.cpp.
"""
import os
import re

import pytest
from privatehost import PrivateHost
from qmailhost import BUILD, ROOT, until

pytestmark = [pytest.mark.xdist_group('install'),
              pytest.mark.skipif(os.geteuid() != 0, reason='needs root, as installing does'),
              pytest.mark.skipif(BUILD != ROOT / 'build/plain', reason='installs what make builds: build/plain')]

BIN, PLACE = '/var/qmail/bin', '/var/qmail/supervise'
DEFERRED = '<** 554 sorry, invalid mailbox name(s). (#5.1.1)'


@pytest.fixture
def host(plain):
    with PrivateHost() as one:
        one.run(f'make install && mkdir {PLACE}', folder=str(ROOT))
        yield one


def listens(host):
    until('tcpserver listens', lambda: ':25' in host.run('ss -H -l -n -t'))


def test_what_they_say_and_exit_with(host):
    before = host.run(f'find {PLACE} /var/qmail/verify')
    for command, status, words in (
            ('qmail-verify-conf', 100, 'qmail-verify-conf: usage: qmail-verify-conf LOGACCT /service-directory [IP]\n'),
            ('qmail-verify-conf qmaill relative', 100, 'qmail-verify-conf: usage: '),
            ('qmail-verify-conf nobody-here /a', 111, 'qmail-verify-conf: fatal: unknown account nobody-here: '),
            ("qmail-verify-conf '\x1b[2J' /a", 111, 'unknown account \\x1b[2J: '),
            (f'qmail-verify-conf qmaill {PLACE}/', 111, f'qmail-verify-conf: fatal: {PLACE} exists already: '),
            (f'qmail-verify-conf qmaill {PLACE}/a 1.2.3', 100, 'qmail-verify-conf: fatal: IP 1.2.3: '),
            ('qmail-smtpd-conf', 100,
             'qmail-smtpd-conf: usage: qmail-smtpd-conf [-d | -o] ACCT LOGACCT /service-directory IP\n'),
            (f'qmail-smtpd-conf -x qmaild qmaill {PLACE}/a 0', 100, 'qmail-smtpd-conf: usage: '),
            (f'qmail-smtpd-conf qmaild qmaill {PLACE} 0', 111, f'qmail-smtpd-conf: fatal: {PLACE} exists already: '),
            (f'qmail-smtpd-conf root qmaill {PLACE}/a 0', 100, 'must not be run by root'),
            (f'env PATH=/ {BIN}/qmail-smtpd-conf qmaild qmaill {PLACE}/a 0', 111, 'cannot run tcprules of ucspi-tcp'),
            (f'setpriv --reuid 7801 --clear-groups {BIN}/qmail-verify-conf qmaill {PLACE}/a', 111, 'Permission denied'),
            (f'chmod 777 /var/qmail/verify; {BIN}/qmail-verify-conf qmaill {PLACE}/a', 111, 'chmod it to 755')):
        said = host.run(command if ' /' in command and BIN in command else f'{BIN}/{command}', status=status)
        assert words in said and said.count('\n') == 1 and said[:-1].isprintable(), said
    assert host.run(f'find {PLACE} /var/qmail/verify') == before


def test_without_rcpthosts_nobody_may_relay(host):
    host.run('rm /var/qmail/control/rcpthosts; echo 3 >/var/qmail/control/concurrencyincoming')
    said = host.run(f'{BIN}/qmail-smtpd-conf -d qmaild qmaill {PLACE}/smtp 192.0.2.25')
    assert 'It will not start before there is /var/qmail/control/rcpthosts' in said
    host.run(f'{BIN}/qmail-verify-conf qmaill {PLACE}/verify 127.0.0.1:1013')
    host.run(f'ln -s {PLACE}/* /service')
    host.svscan()
    [line] = host.logged('smtp', 'control/rcpthosts is not there')
    until('it has taken itself down', lambda: ': down ' in host.run('svstat /service/smtp'))
    host.write('/var/qmail/control/rcpthosts', 'example.org\n')
    assert line.endswith(f'svc -u {PLACE}/smtp')
    host.run('svc -u /service/smtp')
    host.logged('smtp', 'tcpserver: status: 0/3')
    listens(host)
    until('the daemon answers at its port', lambda: host.run(
        f'{BIN}/qmail-vrfy -s 127.0.0.1:1013 joe@example.org >/dev/null 2>&1; echo $?') == '0\n')
    assert DEFERRED in host.swaks('nobody@example.org')
    assert re.search(r'^<-  250 ok \d+ qp \d+$', host.swaks('joe@example.org'), re.M)
    host.run(f"sed -i 's/\"DEFER,/\"/' {PLACE}/smtp/tcp && make -C {PLACE}/smtp")
    assert '<** 550 sorry, no mailbox here' in host.swaks('nobody@example.org')


def test_what_it_says_about_another_group_helps(host):
    host.run(f'{BIN}/qmail-verify-conf qmaill {PLACE}/verify')
    said = host.run(f'chown -R joe /var/mailbox; {BIN}/qmail-smtpd-conf joe qmaill {PLACE}/smtp 0')
    assert "write the number 7801\ninto env/SOCKETGROUP of the daemon's service directory, then svc -t there." in said
    host.run(f'ln -s {PLACE}/* /service')
    host.svscan()
    host.logged('verify', 'Listening')
    listens(host)
    assert re.search(r'^<\*\* 451 ', host.swaks('joe@example.org'), re.M)
    host.logged('smtp', 'Permission denied')
    host.run(f'echo 7801 >{PLACE}/verify/env/SOCKETGROUP && svc -t {PLACE}/verify')
    until('the socket is joe\'s group\'s', lambda: host.run('stat -c %g /var/qmail/verify/socket', status=None) == '7801\n')
    until('joe is accepted', lambda: re.search(r'^<-  250 ok \d+ qp \d+$', host.swaks('joe@example.org'), re.M))
