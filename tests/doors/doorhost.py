"""A qmail host of a test's own with another SMTP server in front of it.

The server is a package that tests/packages doors has unpacked below build/doors/NAME, seen
by the host (tests/e2e/privatehost.py) as if it were installed: at the paths that its manual
and ours name. It has a network of its own too, so port 25 is free.

    with DoorHost('postfix') as host:
        host.verify()                                  # the daemon, at /var/qmail/verify/socket
        host.gate('socketmap=/run/gate')               # qmail-verify-gate
        with host.smtp() as s: s.mail('joe@example.org') -> ['250 2.1.5 Ok']
        host.verify_down(); ...; host.verify()

Known are joe@example.org and everybody@shop.example, unknown is anybody else @example.org.
"""
import contextlib
import ctypes
import os
import re
import shlex
import shutil
import signal
import socket

import pytest
from mailhost import Session
from privatehost import PrivateHost
from qmailhost import BUILD, ROOT, until

DOORS = ROOT / 'build/doors'
KNOWN, UNKNOWN = 'joe@example.org', 'nobody-here@example.org'
MANY = 'user@shop.example'  # whatever stands in front of the @
SOCKET = '/var/qmail/verify/socket'
VERIFY = f'STRICT,{SOCKET}'
CLONE_NEWNET = 0x40000000


def unpacked(name):
    """The folder of a server's packages; the test is skipped where it is not there."""
    if not (DOORS / name / 'complete').exists():
        pytest.skip(f'{name} is not below build/doors: run "sh tests/packages doors" on Debian')
    return DOORS / name


def page(section):
    """The literal displays of a section of qmail-verify-doors(7), one text each: settings as they are pasted."""
    text = (ROOT / 'man/qmail-verify-doors.7').read_text()
    start = text.index(f'\n.Sh {section}\n')
    end = text.find('\n.Sh ', start + 1)
    displays = re.findall(r'^\.Bd -literal.*\n((?:.*\n)*?)\.Ed$', text[start:end], re.M)
    return [re.sub(r'\\e', r'\\', display).replace('\\&', '') for display in displays]


class DoorHost(PrivateHost):
    def __init__(self, name):
        """name: the server's folder below build/doors; empty: none of them, this host's programs."""
        super().__init__(packages=unpacked(name) if name else '')

    # ---- laying out

    def lay_out(self):
        super().lay_out()
        self.write('/var/qmail/control/rcpthosts', 'example.org\nshop.example\n')
        self.write('/var/qmail/control/virtualdomains', 'shop.example:joe-shop\n')
        self.write('/home/joe/.qmail-shop-default', './Maildir/\n', owner=7801)
        self.within('/var/qmail/verify').mkdir(exist_ok=True)
        for program in ('qmail-verify', 'qmail-verify-gate', 'qmail-vrfy'):
            shutil.copy(BUILD / program, self.within('/var/qmail/bin'))

    def users(self, **ids):
        """Adds users, each with a group of its name and number."""
        self.names('passwd', [f'{name}:x:{number}:{number}::/nonexistent:/bin/false' for name, number in ids.items()])
        self.names('group', [f'{name}:x:{number}:' for name, number in ids.items()])

    # ---- running

    def __exit__(self, *error):
        logs = ''
        if error and error[0] is None:
            logs = ''.join(path.read_text('latin-1') for path in self.within('/var/log').glob('*') if path.is_file())
        super().__exit__(*error)
        found = re.search(r'.*(?:Sanitizer|runtime error)(?:.*\n){,40}', logs)
        assert not found, found[0]

    def launch(self, name, *words, env=None):
        """A program of the host that goes on; what it says is in log(name)."""
        self.within('/var/log').mkdir(exist_ok=True)
        options = {k: v for k, v in os.environ.items() if k.endswith('SAN_OPTIONS')}
        settings = [f'{key}={value}' for key, value in {**options, **(env or {})}.items()]
        return self.start('sh', '-c', f'exec env "$@" >>/var/log/{name} 2>&1', 'sh', *settings, *words)

    def log(self, name):
        path = self.within(f'/var/log/{name}')
        return path.read_text('latin-1') if path.exists() else ''

    def logged(self, name, words, times=1):
        """Waits until it stands there so many times."""
        try:
            until(f'{words!r} is in the log', lambda: self.log(name).count(words) >= times)
        except AssertionError as error:
            raise AssertionError(f'{error}: {self.log(name)[-3000:]}') from None

    def end(self, name):
        """SIGTERM to the oldest of the host's processes of this name; back when there are none."""
        self.kill(signal.SIGTERM, *self.pids(name[:15])[:1])
        until(f'{name} has ended', lambda: not self.pids(name[:15]))

    def verify(self, **env):
        """Starts the daemon, at SOCKET; those in the group nofiles may ask it."""
        before = self.log('qmail-verify').count('Listening')
        self.launch('qmail-verify', '/var/qmail/bin/qmail-verify', env={'LISTEN': SOCKET, **env})
        self.logged('qmail-verify', 'Listening', before + 1)

    def verify_down(self):
        self.end('qmail-verify')

    def decisions(self):
        """How many recipients the daemon has judged."""
        return len(re.findall(r'^qmail-verify: \S* (?:permitted for|denied\.|not answered for) ', self.log('qmail-verify'), re.M))

    def gate(self, *places, verify=VERIFY):
        """qmail-verify-gate with these PROTOCOL=WHERE, as qmaild; once it listens."""
        before = self.log('gate').count('listening (')
        self.launch('gate', '/var/qmail/bin/qmail-verify-gate', '-v', *places,
                    env={'VERIFY': verify, 'UID': '7791', 'GID': '2108'})
        self.logged('gate', 'listening (', before + 1)

    def gate_service(self, script, more=''):
        """The gate by a run script that a page gives; more: items behind those of VERIFY."""
        assert script.count(',STRICT ') == 1
        script = script.replace(',STRICT ', f',STRICT{more} ')
        if 'sanitize' in BUILD.name:  # which wants more memory, and its options
            script = re.sub(r'softlimit -d \d+ ', '', script).replace('env - ', 'env ')
        self.write('/service/gate/run', script, 0o755)
        before = self.log('gate').count('listening (')
        self.launch('gate', '/service/gate/run')
        self.logged('gate', 'listening (', before + 1)

    def gate_down(self):
        self.end('qmail-verify-gate')

    # ---- its network

    @contextlib.contextmanager
    def network(self):
        """Sockets that are made within are the host's."""
        libc = ctypes.CDLL(None, use_errno=True)

        def enter(fd):
            if libc.setns(fd, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), 'setns')
        with open('/proc/self/ns/net') as ours, open(f'/proc/{self.pid}/ns/net') as its:
            enter(its.fileno())
            try:
                yield
            finally:
                enter(ours.fileno())

    def listens(self, port):
        """Does anybody take connections at this port?"""
        with self.network(), socket.socket() as s:
            return s.connect_ex(('127.0.0.1', port)) == 0

    def smtp(self, port=25, source='198.51.100.1'):
        """A session from another host, with the greeting read."""
        with self.network():
            return Session(port, source)

    def answers(self, *recipients, port=25):
        """The first three digits of the reply to each, in a session of their own."""
        with self.smtp(port) as s:
            return [reply[:3] for reply in s.mail(*recipients)]

    def smtp_source(self, *words):
        """Postfix's, as packed with it; what it said, '' when all went well."""
        source = DOORS / 'postfix/usr'
        libraries = ':'.join([f'{source}/lib/postfix', *map(str, (source / 'lib').glob('*-linux-gnu'))])
        unpacked('postfix')
        return self.run(f'LD_LIBRARY_PATH={libraries} {source}/sbin/smtp-source {shlex.join(words)}', status=None)

    # ---- what holds with every server

    def shows_an_outage(self):
        """Nobody is refused, or accepted, while the daemon is down; then all is as before."""
        self.verify_down()
        assert self.answers(KNOWN, UNKNOWN) == ['451', '451']
        self.verify()
        until('it is asked again', lambda: self.answers(KNOWN) == ['250'])
        assert self.answers(UNKNOWN, KNOWN) == ['550', '250']

    def takes_many(self, at):
        """2,000 recipients, of whom each is judged; in one session, since what two ask together is asked once."""
        before = self.decisions()
        assert self.smtp_source('-m', '2', '-s', '1', '-r', '1000', '-t', MANY, at) == ''
        until('they are logged', lambda: self.decisions() - before >= 2000)
        assert self.decisions() - before == 2000
