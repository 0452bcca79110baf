"""A small qmail host of a test's own, with the real daemon running on it.

with Host(...) as host: host.ask(b'joe@example.org') -> (answer or None, log line).
Silence is not waited for: once the daemon has logged its decision, the answer is
there or will never come.
"""
import os
import pathlib
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import namespaces

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get('BUILD', ROOT / 'build/plain')).resolve()
sys.path.insert(0, str(ROOT / 'tests'))
import newu  # noqa: E402

DECISION = re.compile(r'^qmail-verify: \S* (permitted for|denied\.|not answered for) ')
DEADLINE = 20

# The users that netqmail's installation makes, as far as a verdict needs them.
PASSWD = ('root:x:0:0::/root:/bin/sh\nalias:x:7790:2108::{qmail}/alias:/bin/true\n'
          'qmailp:x:7792:2108::{qmail}:/bin/true\n')
GROUP = 'root:x:0:\nqmail:x:2107:\nnofiles:x:2108:\n'


def until(what, condition):
    end = time.monotonic() + DEADLINE
    while not (value := condition()):
        assert time.monotonic() < end, f'waited {DEADLINE} s in vain until {what}'
        time.sleep(0.005)
    return value


def preload(library):
    """LD_PRELOAD for the programs of this build: a sanitizer's library has to come first."""
    first = []
    if 'sanitize' in BUILD.name:
        first = [subprocess.run(['gcc', '-print-file-name=libasan.so'], check=True, capture_output=True,
                                text=True).stdout.strip()]
    return ':'.join([*first, str(library)])


def quiet_port():
    """A port free for UDP and TCP that the kernel gives to nobody by itself."""
    while True:
        port = random.randrange(10240, 32000)
        try:
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                with socket.socket(socket.AF_INET, kind) as s:
                    s.bind(('127.0.0.1', port))
        except OSError:
            continue
        return port


class Host:
    def __init__(self, control=None, assign=None, passwd=None, files=None, env=None, uid=None, nsswitch=None):
        """files: path below the qmail directory -> content; owners are set by own()."""
        if passwd is not None or nsswitch is not None:
            namespaces.need_mounts()
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix='qmailhost.'))
        self.dir.chmod(0o755)
        self.port = quiet_port()
        self.env, self.uid, self.process = env or {}, uid, None
        self.names = {'passwd': passwd, 'group': GROUP if passwd is not None else None, 'nsswitch.conf': nsswitch}
        if passwd is not None and nsswitch is None:
            self.names['nsswitch.conf'] = 'passwd: files\ngroup: files\n'
        for folder in ('control', 'users', 'alias'):
            (self.dir / folder).mkdir()
        for name, text in (control or {'me': 'example.org\n'}).items():
            self.control(name, text)
        for path, text in (files or {}).items():
            self.write(path, text)
        if assign is not None:
            self.assign(assign)

    # ---- laying out

    def fill(self, text):
        return text.replace('{qmail}', str(self.dir)) if isinstance(text, str) else text

    def write(self, path, text):
        target = self.dir / path
        target.parent.mkdir(parents=True, exist_ok=True)
        text = self.fill(text)
        target.write_bytes(text.encode('latin-1') if isinstance(text, str) else text)
        return target

    def control(self, name, text):
        """Replaced as an editor does it: written beside its place, then renamed."""
        new = self.write('control/.new', text)
        new.rename(self.dir / 'control' / name)

    def assign(self, text):
        records = newu.records(self.fill(text).encode('latin-1'))
        self.write('users/cdb.tmp', newu.cdb(records)).rename(self.dir / 'users/cdb')

    def name_file(self, name):
        return self.dir / ('etc.' + name)

    def own(self, uid, *paths):
        for path in paths:
            for place in (self.dir / path, *(self.dir / path).rglob('*')):
                os.lchown(place, uid, uid)

    # ---- running

    def in_place(self, *command):
        """The command's words for a process that sees this host's passwd, group and nsswitch.conf."""
        binds = []
        for name, text in self.names.items():
            if text is not None:
                if not self.name_file(name).exists():
                    self.name_file(name).write_text(self.fill(text))
                binds.append(f'mount --bind "{self.name_file(name)}" /etc/{name}')
        if not binds:
            return list(command)
        script = ' && '.join(['mount --make-rprivate /', *binds, 'exec "$0" "$@"'])
        return ['unshare', '-m', 'sh', '-c', script, *command]

    def command(self):
        daemon = str(BUILD / 'qmail-verify')
        command = self.in_place(daemon)
        if self.uid is not None and command == [daemon]:  # a copy: others may not be let into the build folder
            daemon = str(shutil.copy(daemon, self.dir))
            return ['setpriv', f'--reuid={self.uid}', f'--regid={self.uid}', '--clear-groups', daemon]
        return command

    def start(self):
        self.log = open(self.dir / 'log', 'ab')
        self.seen = os.path.getsize(self.dir / 'log')
        env = {'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'QMAILDIR': str(self.dir),
               'LISTEN': f'127.0.0.1:{self.port}', 'WORKERS': '1', **self.env}  # one: log lines in order
        env = {**env, **{k: v for k, v in os.environ.items() if k.endswith('SAN_OPTIONS')}}
        self.process = subprocess.Popen(self.command(), cwd='/', stdin=subprocess.DEVNULL, stderr=self.log, env=env)
        until('the daemon listens', lambda: self.died() or 'Listening' in self.text())
        assert not self.died(), self.text()
        return self

    def died(self):
        return self.process.poll() is not None

    def text(self):
        """What was logged since the daemon was started."""
        with open(self.dir / 'log', 'rb') as f:
            f.seek(self.seen)
            return f.read().decode('latin-1')

    def decisions(self):
        return [line for line in self.text().split('\n')[:-1] if DECISION.match(line)]

    def logged(self, words):
        return until(f'{words!r} is logged; log: {self.text()[-500:]}', lambda: words in self.text())

    def send(self, datagram):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.connect(('127.0.0.1', self.port))
        s.send(datagram)
        return s

    def ask(self, address, extension=b''):
        before = len(self.decisions())
        with self.send(address + b'\0' + extension) as s:
            until(f'{address!r} is decided', lambda: self.died() or len(self.decisions()) > before)
            assert not self.died(), self.text()
            there, _, _ = select.select([s], [], [], 0)
            return (s.recv(4096) if there else None), self.decisions()[before]

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self):
        """SIGTERM; the exit status."""
        if self.process is None:
            return None
        if not self.died():
            self.signal(signal.SIGTERM)
        return self.process.wait(DEADLINE)

    def __enter__(self):
        return self.start()

    def __exit__(self, *error):
        try:
            status = self.stop()
            assert error[0] is not None or status == 0, f'exit status {status}: {self.text()}'
        finally:
            if self.process and not self.died():
                self.process.kill()
            self.log.close()
            shutil.rmtree(self.dir, ignore_errors=True)
