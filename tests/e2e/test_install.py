"""README's chapter HOW TO INSTALL, typed as it stands, on a host of its own.

Each command of the chapter is run, in order, and each text that it shows is put where
the words before it say; then the services are stopped, killed and booted in every way
that an administrator knows, and mail is brought by swaks.
"""
import os
import re
import signal
import textwrap

import pytest
from privatehost import PrivateHost
from qmailhost import BUILD, ROOT, until

pytestmark = [pytest.mark.xdist_group('install'),
              pytest.mark.skipif(os.geteuid() != 0, reason='needs root, as installing does'),
              pytest.mark.skipif(BUILD != ROOT / 'build/plain', reason='installs what make builds: build/plain')]

UNKNOWN = '<** 550 sorry, no mailbox here by that name. (#5.1.1)'
COMMANDS = {'make', './qmail-verify', '/var/qmail/bin/qmail-verify-conf', '/var/qmail/bin/qmail-smtpd-conf', 'mkdir', 'ln', 'cat',
            'ls', 'tcprules', 'sed', 'svc', 'rm', '(cd'}
LOOKS = {'cat', 'ls'}  # what they show needs a moment to be there
SVC = '/var/qmail/supervise'


class Block:
    """An indented block: commands to be typed, or a text that is shown."""

    def __init__(self, text):
        self.text = textwrap.dedent(text)
        self.words = {line.split()[0] for line in re.sub(r'\\\n *', '', self.text).splitlines()}


def blocks():
    """Those of the chapter, in order."""
    chapter = re.search(r'^HOW TO INSTALL\n(.*?)^VERIFY\n\nNot set', (ROOT / 'README').read_text(), re.M | re.S)[1]
    found = re.findall(r'(?:^ {7}.*\n)+', chapter, re.M)
    assert len(found) > 15, 'README, HOW TO INSTALL: this test does not find the indented blocks any more'
    return [Block(text) for text in found]


class Chapter:
    """Types the blocks on a host."""

    def __init__(self, host):
        self.host, self.left = host, blocks()

    def type_until(self, words):
        """All blocks up to the one that has these words; what that one printed."""
        while self.left:
            block = self.left.pop(0)
            said = self.take(block)
            if words in block.text:
                return said
        raise AssertionError(f'README, HOW TO INSTALL, has no block with {words!r} any more, or before another one')

    def take(self, block):
        if block.words <= LOOKS:
            return self.look(block)
        if block.words <= COMMANDS:
            return self.host.run(f'set -e\n{block.text}', folder=str(ROOT))
        assert not block.words & COMMANDS, f'README: commands and other text in one block:\n{block.text}'
        self.show(block)
        return ''

    def look(self, block):
        """Again and again until there is what each of its lines looks at, and something in it."""
        def looked():
            said = [self.host.run(f'{line} 2>/dev/null', status=None) for line in block.text.splitlines()]
            return ''.join(said) if all(said) else None
        return until(f'this shows something:\n{block.text}', looked)

    def show(self, block):
        """Rules go into /etc/tcp.smtp, in the place of a line for the same clients; all else is for the reader."""
        if re.search(r'^\S*:allow', block.text, re.M):
            rules, file = block.text, self.host.within('/etc/tcp.smtp')
            if rules.startswith(':') and file.exists():
                rules = re.sub(r'^:allow.*\n', '', file.read_text(), flags=re.M) + rules
            self.host.write('/etc/tcp.smtp', rules)


@pytest.fixture(scope='module')
def installed(plain):
    """A host after the whole chapter but for its end, with what was seen on the way."""
    with PrivateHost() as host:
        host.write('/service/qmail-send/run', '#!/bin/sh\nexec sleep 1000000\n', 0o755)  # as svc -h expects it
        host.svscan()
        chapter = Chapter(host)
        host.settings = chapter.type_until('./qmail-verify -V')
        host.install_said = chapter.type_until('make install')
        host.looked = chapter.type_until('ls -l /var/qmail/verify')
        chapter.type_until('tcprules /etc/tcp.smtp.cdb')
        host.logged('qmail-smtpd', 'tcpserver: status: 0/20')
        host.observed = [host.swaks('nobody@example.org'), host.swaks('joe@example.org')]
        host.observed_lines = host.logged('qmail-smtpd', 'accepted all the same (OBSERVE), else 550')
        host.decisions = host.logged('qmail-verify', 'denied.')
        chapter.type_until(':allow,VERIFY="STRICT,')
        host.run('tcprules /etc/tcp.smtp.cdb /etc/tcp.smtp.tmp </etc/tcp.smtp')  # as above, it says
        chapter.type_until('svc -h /service/qmail-send /service/qmail-verify')
        until('qmail-verify has heard SIGHUP', lambda: len(host.lines('qmail-verify')) > 2)
        yield host


def serves(host):
    """One recipient is refused and one accepted, in sessions of their own."""
    refused, accepted = host.swaks('nobody@example.org'), host.swaks('joe@example.org')
    assert UNKNOWN in refused, refused
    assert re.search(r'^<-  250 ok \d+ qp \d+$', accepted, re.M), accepted


def answers(host):
    until('the daemon answers', lambda: host.run('/var/qmail/bin/qmail-vrfy joe@example.org >/dev/null 2>&1; echo $?') == '0\n')


def listens(host):
    until('tcpserver listens', lambda: '0:25' in host.run('ss -H -l -n -t'))


def later(host):
    """451 at RCPT while the daemon is down, and nothing is lost: the sender tries again."""
    said = host.swaks('joe@example.org')
    assert re.search(r'^<\*\* 451 ', said, re.M), said


# ---- the steps, as they came

def test_the_settings_agree(installed):
    assert 'qmail directory: /var/qmail\n' in installed.settings and 'break character: -\n' in installed.settings


def test_install_keeps_netqmails_server(installed):
    assert '/var/qmail/bin/qmail-smtpd.before-verify' in installed.install_said
    assert 'netqmail of before' in installed.within('/var/qmail/bin/qmail-smtpd.before-verify').read_text()


def test_the_look_shows_what_the_chapter_says(installed):
    assert 'Listening on socket: /var/qmail/verify/socket. Judging /var/qmail.' in installed.looked
    assert re.search(r'^srw-rw---- 1 root nofiles .* socket$', installed.looked, re.M), installed.looked
    assert re.search(r'Listening on socket: /var/qmail/verify/socket. Judging\s+/var/qmail.', (ROOT / 'README').read_text())


def test_observing_refuses_nothing_and_logs_what_it_would(installed):
    for said in installed.observed:
        assert re.search(r'^<-  250 ok \d+ qp \d+$', said, re.M), said
    [line] = installed.observed_lines
    assert 'verify: invalid nobody@example.org: no-mailbox: ' in line
    assert line.endswith('user alias, server /var/qmail/verify/socket')
    assert 'qmail-verify: nobody@example.org denied. no-mailbox /var/qmail/alias' in installed.decisions


def test_the_existing_hosts_rules_are_what_the_chapter_shows(installed):
    rules = installed.within('/etc/tcp.smtp').read_text()
    assert rules.startswith('127.:allow,RELAYCLIENT=""\n')
    assert rules.endswith('\n:allow,VERIFY="STRICT,/var/qmail/verify/socket"\n') and 'OBSERVE' not in rules
    assert installed.run('TCPREMOTEIP=198.51.100.1 tcprulescheck /etc/tcp.smtp.cdb') == \
        'rule :\nset environment variable VERIFY=STRICT,/var/qmail/verify/socket\nallow connection\n'


def test_no_other_network_is_listened_at(installed):
    """The daemon has its socket alone."""
    said = installed.run('ss -H -l -n -u; ss -H -l -n -t')
    assert re.findall(r'(\S+):(\d+) +\S+:\*', said) == [('0.0.0.0', '25')], said


# ---- a refused and an accepted recipient, whatever happens to the services

def test_it_serves(installed):
    serves(installed)
    assert 'joe@example.org' in installed.mails() and installed.mails().count('nobody@example.org') == 1  # observed


def test_a_relay_client_is_not_verified(installed):
    said = installed.swaks('nobody@elsewhere.example', source='127.0.0.1')
    assert re.search(r'^<-  250 ok \d+ qp \d+$', said, re.M), said


def test_svc_t(installed):
    for name, program in (('qmail-verify', 'qmail-verify'), ('qmail-smtpd', 'tcpserver')):
        [before, *_] = installed.pids(program)
        installed.run(f'svc -t /service/{name}')
        until(f'another {program}', lambda: before not in installed.pids(program) != [])
    listens(installed)
    serves(installed)


def test_svc_d_is_451_until_svc_u(installed):
    installed.run('svc -d /service/qmail-verify')
    until('the daemon has ended', lambda: not installed.pids('qmail-verify'))
    later(installed)
    installed.run('svc -u /service/qmail-verify')
    answers(installed)
    serves(installed)
    installed.run('svc -d /service/qmail-smtpd')
    until('tcpserver has ended', lambda: not installed.pids('tcpserver'))
    assert 'Connection refused' in installed.swaks('joe@example.org')
    installed.run('svc -u /service/qmail-smtpd')
    listens(installed)
    serves(installed)


def test_kill_9_of_the_daemon(installed):
    [parent, *workers] = installed.pids('qmail-verify')
    installed.kill(signal.SIGKILL, parent)
    until('another daemon', lambda: len(installed.pids('qmail-verify')) > 1 and parent not in installed.pids('qmail-verify'))
    until('its workers are gone with it', lambda: not set(workers) & set(installed.pids('qmail-verify')))
    answers(installed)
    serves(installed)


def test_kill_9_of_all_workers(installed):
    [parent, *workers] = installed.pids('qmail-verify')
    assert len(workers) >= 2
    installed.kill(signal.SIGKILL, *workers)
    serves(installed)
    assert installed.pids('qmail-verify')[0] == parent


def test_kill_9_of_everything_that_supervise_runs(installed):
    pids = [*installed.pids('qmail-verify'), *installed.pids('tcpserver'), *installed.pids('multilog')]
    installed.kill(signal.SIGKILL, *pids)
    until('all run again', lambda: all(set(now := installed.pids(name)) - set(pids) and not set(now) & set(pids)
                                       for name in ('qmail-verify', 'tcpserver', 'multilog')))
    answers(installed)
    listens(installed)
    serves(installed)


def test_a_reboot(installed):
    """svscan and all below it end as at a power cut, and svscan starts again."""
    def left():
        return [pid for name in ('svscan', 'supervise', 'qmail-verify', 'tcpserver', 'multilog') for pid in installed.pids(name)]
    installed.kill(signal.SIGKILL, *left())
    until('all are gone', lambda: not left())
    assert installed.within('/var/qmail/verify/socket').is_socket(), 'left behind, as after a power cut'
    installed.services.wait()
    installed.svscan()
    answers(installed)
    listens(installed)
    serves(installed)


# ---- going back

def test_going_back(plain):
    """The last commands of the chapter: qmail has what it had, and goes on with it."""
    with PrivateHost() as host:
        host.svscan()
        look = 'cd /var/qmail && find bin boot control alias users -exec ls -ld --full-time {} + | sort; cat bin/qmail-smtpd'
        before = host.run(look)
        chapter = Chapter(host)
        chapter.type_until('ln -s /var/qmail/supervise/qmail-smtpd')
        answers(host)
        [last] = [block for block in chapter.left if 'make uninstall' in block.text]
        *ahead, uninstall = last.text.splitlines()
        assert uninstall == 'make uninstall'
        assert 'is running (process ' in host.run(uninstall, folder=str(ROOT), status=2)  # and refuses, as it says
        host.run('\n'.join(ahead), folder=str(ROOT))
        until('the daemon has ended', lambda: not host.pids('qmail-verify'))
        host.run(uninstall, folder=str(ROOT))
        assert re.sub(r'^(d.* )\S+ \S+ \S+ (\S+)$', r'\1\2', host.run(look), flags=re.M) == \
            re.sub(r'^(d.* )\S+ \S+ \S+ (\S+)$', r'\1\2', before, flags=re.M)  # but the times of folders
        assert not host.within('/var/qmail/verify').exists()
        listens(host)
        assert '220 netqmail of before' in host.swaks('joe@example.org')
