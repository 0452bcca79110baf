"""The demonstration: every step right, as root or not, and nothing left behind."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

import pytest
from mailhost import sanitizer_options
from qmailhost import ROOT, until

NOBODY = 65534
# The folder that a test gives to the demonstration is in the command line or
# the environment of all that it starts: nothing of that may be left.


class Demo:
    """A copy of what the demonstration needs, and a TMPDIR of its own."""

    def __init__(self, build, user=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='qmail-demo-test.'))
        self.folder.chmod(0o755)
        self.user = user
        shutil.copytree(ROOT / 'service', self.folder / 'service')
        for path in ('tests/newu.py', 'build/qmail-verify', 'build/qmail-smtpd', 'build/qmail-vrfy'):
            (self.folder / path).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / 'tests/newu.py', self.folder / 'tests')
        for program in ('qmail-verify', 'qmail-smtpd', 'qmail-vrfy'):
            shutil.copy(build / program, self.folder / 'build')
        self.temporary = self.folder / 'tmp'
        self.temporary.mkdir()
        if user is not None:
            os.chown(self.temporary, user, user)

    def start(self, **environment):
        command = ['sh', self.folder / 'service/demo', self.folder / 'build']
        if self.user is not None:
            command = ['setpriv', f'--reuid={self.user}', f'--regid={self.user}', '--clear-groups', *command]
        environment = {**os.environ, **sanitizer_options(), 'TMPDIR': str(self.temporary), 'KEEP': '', **environment}
        # under nohup SIGHUP is ignored, and would be by the demonstration, too
        return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, start_new_session=True,
                                preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL))

    def run(self, **environment):
        child = self.start(**environment)
        text, _ = child.communicate(timeout=120)
        return child.returncode, text

    def processes(self):
        """Those whose command line or environment names our folder."""
        found, own = [], str(os.getpid())
        for process in pathlib.Path('/proc').glob('[0-9]*'):
            try:
                text = (process / 'cmdline').read_bytes() + (process / 'environ').read_bytes()
                state = (process / 'stat').read_text().rsplit(')', 1)[1].split()[0]
            except OSError:
                continue
            if str(self.temporary).encode() in text and state != 'Z' and process.name != own:
                found.append(process.name)
        return found

    def nothing_left(self):
        until('all processes have ended', lambda: not self.processes())
        assert list(self.temporary.iterdir()) == []

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for process in self.processes():
            os.kill(int(process), signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture
def demo(build):
    with Demo(build) as d:
        yield d


def assert_right(status, text):
    assert status == 0 and 'FAILED' not in text, text
    assert re.search(r'^\d\d steps, all ok\.$', text, re.M), text
    assert '\033' not in text, 'colours, but not on a terminal'


def test_demo(demo):
    status, text = demo.run()
    assert_right(status, text)
    for shown in ('S: 550 sorry, no mailbox here by that name. (#5.1.1)', 'S: 554 sorry, invalid mailbox name(s). (#5.1.1)',
                  'log: qmail-verify: nobody-here@example.org denied.', 'Delivered-To: alice@example.org'):
        assert shown in text
    demo.nothing_left()


@pytest.mark.skipif(os.geteuid() != 0, reason='needs root, to become another user')
def test_demo_as_an_ordinary_user(build):
    with Demo(build, NOBODY) as demo:
        assert_right(*demo.run())
        demo.nothing_left()


@pytest.mark.skipif(os.geteuid() != 0, reason='needs root, to become another user')
def test_demo_shows_that_the_socket_is_not_for_everybody(build):
    """And tells where it is."""
    with Demo(build) as demo:
        status, text = demo.run()
        assert_right(status, text)
        assert re.search(r'^    drwxr-xr-x 0 0 \.\.\./verify$', text, re.M), text
        assert re.search(r'^    srw-rw---- 0 \d+ \.\.\./verify/socket$', text, re.M), text
        assert 'daemon connects: Permission denied' in text
        status, text = demo.run(SOCKETMODE='0666')
        assert status == 1 and re.search(r'^1 of \d\d steps FAILED\.$', text, re.M), text
        assert 'daemon connects: may ask' in text
        demo.nothing_left()


def test_demo_where_the_temporary_folder_is_too_long_for_a_socket(demo):
    long = demo.temporary / ('x' * 100)
    long.mkdir()
    status, text = demo.run(TMPDIR=str(long))
    assert_right(status, text)
    folder = re.search(r'^Below (\S+)', text, re.M)[1]
    assert not folder.startswith(str(demo.temporary)) and not os.path.exists(folder)
    assert list(long.iterdir()) == []


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_demo_interrupted_leaves_nothing(demo, number):
    child = demo.start()
    seen = ''
    while 'RCPT TO' not in seen:
        line = child.stdout.readline()
        assert line, seen
        seen += line
    os.killpg(child.pid, number)  # as a terminal does
    child.communicate(timeout=60)
    assert child.returncode == 128 + number
    demo.nothing_left()


def test_demo_keep_leaves_it_running_until_stopped(demo):
    status, text = demo.run(KEEP='1')
    assert_right(status, text)
    port = re.search(r'telnet 127\.0\.0\.1 (\d+)', text)[1]
    swaks = ['swaks', '--server', f'127.0.0.1:{port}', '-li', '127.0.0.1', '--helo', 'client.example.com',
             '--from', 'friend@example.com', '--to']
    for to, expected in (('alice@example.org', 0), ('nobody@example.org', 24)):
        done = subprocess.run([*swaks, to], capture_output=True, text=True, timeout=60)
        assert done.returncode == expected, done.stdout
    stop = re.search(r'^ +(sh \S+/stop)$', text, re.M)[1]
    subprocess.run(stop.split(), check=True, timeout=60)
    demo.nothing_left()


YES_MAN = '''#!/usr/bin/python3
import os, socket, sys
path = os.environ['LISTEN']
if os.path.exists(path):
    os.unlink(path)
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.bind(path)
os.chmod(path, 0o666)
s.listen()
while True:
    client, _ = s.accept()
    with client:
        question = client.recv(65536)
        if not question:
            continue
        address, extension = question.split(b'\\0', 1)
        client.send(b'\\xa0yes\\0' + extension[:24] + b'\\0\\5')
    print('qmail-verify:', address.decode(), 'permitted for yes.', file=sys.stderr, flush=True)
'''


def test_demo_tells_a_wrong_step(demo):
    """With a daemon that permits everything."""
    (demo.folder / 'build/qmail-verify').unlink()
    (demo.folder / 'build/qmail-verify').write_text(YES_MAN)
    (demo.folder / 'build/qmail-verify').chmod(0o755)
    status, text = demo.run()
    assert status == 1 and 'steps FAILED.' in text, text
    assert re.search(r'an unknown user +250 +FAILED', text), text
    demo.nothing_left()


def test_demo_tells_what_does_not_start(demo):
    (demo.folder / 'build/qmail-verify').write_text('#!/bin/sh\necho the reason why >&2\nsleep 1\nexit 111\n')
    status, text = demo.run()
    assert status == 1 and 'the reason why' in text, text
    demo.nothing_left()
