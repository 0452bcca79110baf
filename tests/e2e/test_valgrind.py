"""The programs under valgrind: no byte is used that nobody wrote, none read or written that is not theirs, none lost."""
import os
import re
import shutil
import signal
import subprocess

import namespaces
import pytest
from qmailhost import BUILD, Host
from test_security import QUESTIONS, STRANGERS, still_answers, varied_host

pytestmark = [pytest.mark.skipif(os.geteuid() != 0, reason='needs root: users of its own'),
              pytest.mark.skipif(not shutil.which('valgrind'), reason='valgrind is not installed')]

# Around each error, in the log of each process: one that does not end by itself has no last line to tell.
BEGIN, END = 'qmail-verify-error-begins', 'qmail-verify-error-ends'


def valgrind(logs):
    return ['valgrind', '--error-exitcode=99', '--leak-check=full', '--track-fds=no', '--vgdb=no', f'--error-markers={BEGIN},{END}',
            f'--log-file={logs}.%p']


def errors(folder, name):
    """What valgrind found, in whatever process; each log that was finished says how many errors there were."""
    logs = {path: path.read_text() for path in folder.glob(f'{name}.*')}
    assert any('ERROR SUMMARY: 0 errors' in text for text in logs.values()) or BEGIN in ''.join(logs.values()), logs
    found = [block for text in logs.values() for block in re.findall(rf'{BEGIN}.*?(?:{END}|\Z)', text, re.S)]
    counted = [line for text in logs.values() for line in re.findall(r'ERROR SUMMARY: (?!0 errors).*', text)]
    return found or counted


class Watched(Host):
    """Runs the daemon, and whatever it forks, under valgrind."""

    def command(self):
        tool = ' '.join(valgrind(self.dir / 'found'))
        # it does not let a program lower the number of its descriptors, but to what it is
        script = self.write('watched', f'#!/bin/sh\nulimit -n 256\nexec {tool} "{BUILD}/qmail-verify"\n')
        script.chmod(0o755)
        return [*super().command()[:-1], str(script)]


def test_the_daemon(plain):
    namespaces.need_mounts()
    with varied_host(Watched) as host:
        for address in [*STRANGERS, *(address for address, _ in QUESTIONS), bytes(range(1, 256)), b'x' * 1100, b'']:
            host.ask(address)
        for datagram in (b'', b'\0', b'joe\0more', b'y' * 65000, b'\0' * 65000):
            host.send(datagram).close()
        still_answers(host)
        host.control('virtualdomains', 'vpop.example:joe\n')
        host.control('verifypolicy', 'example.org:refuse-delete\nx:y\n')
        host.signal(signal.SIGHUP)
        host.logged('SIGHUP: control/locals')
        for address, _ in QUESTIONS:
            host.ask(address)
        host.write('users/cdb', b'\xff' * 3000)
        assert 'cdb-trouble' in host.ask(b'joe@example.org')[1]
        assert host.stop() == 0, errors(host.dir, 'found')
        assert not errors(host.dir, 'found')


SESSION = (b'HELO client.example.com\r\nMAIL FROM:<a@sender.example>\r\nRCPT TO:<joe-list@example.org>\r\n'
           b'RCPT TO:<none@example.org>\r\nRCPT TO:<x@elsewhere.example>\r\nRCPT TO:<' + b'r' * 890 + b'@example.org>\r\n'
           b'RCPT TO:<' + b'l' * 3000 + b'@example.org>\r\nDATA\r\nSubject: x\r\n\r\n..\r\n' + b'm' * 5000 + b'\r\n.\r\n'
           b'RSET\r\nEHLO client.example.com\r\nMAIL FROM:<>\r\nRCPT TO:<joe@example.org>\r\nRCPT TO:<@example.org>\r\n'
           b'DATA\r\nx\n.\r\nVRFY joe\r\nHELP\r\nNOOP\r\nRCPT\r\nMAIL\r\n' + b'u' * 5000 + b'\r\n\x1b\x00\xff\r\nQUIT\r\n')


def test_the_smtp_server(plain, tmp_path):
    """Linked once more, with the system's libraries: in a static program valgrind does not know malloc."""
    server = tmp_path / 'qmail-smtpd'
    libraries = [plain / f'lib{name}.a' for name in ('smtp', 'qmail', 'client')]
    subprocess.run(['g++', '-o', server, plain / 'qmail-smtpd.o', *libraries], check=True)
    queue = tmp_path / 'queue'
    queue.write_text('#!/bin/sh\ncat >/dev/null\ncat <&1 >/dev/null\n')
    queue.chmod(0o755)
    with varied_host(Host) as host:
        host.control('rcpthosts', 'example.org\n')
        for verify in ('', 'DEFER,', 'OBSERVE,'):
            env = {'PATH': '/usr/bin:/bin', 'QMAILDIR': str(host.dir), 'QMAILQUEUE': str(queue),
                   'VERIFY': f'{verify}127.0.0.1:{host.port}', 'TCPREMOTEIP': '192.0.2.7', 'TCPREMOTEHOST': 'c.example'}
            done = subprocess.run([*valgrind(host.dir / 'server'), server], input=SESSION, env=env, capture_output=True)
            assert not errors(host.dir, 'server')
            assert done.returncode == 1, 'a bare newline in a message ends the session'
            assert b'\r\n250 ok ' in done.stdout or verify == 'DEFER,', done.stdout
