"""qmail-vrfy as it is run: its options, exit codes and output, against the real
daemon, against none, and against one that answers as 1.32 did."""
import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import termios
import threading
import time

import pytest
import qmailhost
from qmailhost import BUILD, DEADLINE, quiet_port, until

VRFY = str(BUILD / 'qmail-vrfy')
UID = 7100 if os.geteuid() == 0 else os.getuid()
LONG = 'l' * 255

ASSIGN = (f'=joe:joe:{UID}:{UID}:{{qmail}}/home/joe:::\n+joe-:joe:{UID}:{UID}:{{qmail}}/home/joe:-::\n'
          f'+l-:{LONG}:{UID}:{UID}:{{qmail}}/home/joe:-::\n'
          f'=odd:o\td\\d:{UID}:{UID}:{{qmail}}/home/joe:::\n'
          f'+gone-:gone:{UID}:{UID}:{{qmail}}/home/gone:-::\n+:alias:{UID}:{UID}:{{qmail}}/alias:-::\n.\n')
FILES = {'home/joe/.qmail-list': '&a@example.net\n', 'home/joe/.qmail-prog': '|program\n', 'alias/.keep': ''}
CONTROL = {'me': 'mail.example.org\n', 'locals': 'example.org\nmail.example.org\n'}

# address, the three other fields
ROWS = [
    ('joe@example.org', 'valid', 'default-delivery', 'joe'),
    ('joe-list@example.org', 'valid', 'dotqmail', 'joe'),
    ('joe-prog@example.org', 'unknown', 'program', 'joe'),
    ('joe-x@example.org', 'invalid', 'no-mailbox', 'joe'),
    ('a@elsewhere.example', 'remote', 'remote', ''),
    ('', 'valid', 'empty-local', ''),
    ('gone-x@example.org', 'temporary', 'home-unreachable', 'gone'),
    ('joe-a b\t@example.org', 'invalid', 'no-mailbox', 'joe'),
    ('l-x@example.org', 'invalid', 'no-mailbox', LONG),
    ('odd@example.org', 'valid', 'default-delivery', 'o\td\\d'),
    ('joe-é\\@example.org', 'invalid', 'no-mailbox', 'joe'),
    ('x' * 1003, 'unknown', 'too-long', ''),
    ('y' * 5000 + '@example.org', 'unknown', 'too-long', ''),
]


def shown(text):
    return ''.join('\\\\' if c == 92 else chr(c) if 0x21 <= c <= 0x7e else f'\\x{c:02x}' for c in text.encode())


def line(row):
    return '\t'.join([shown(row[0]), *row[1:3], shown(row[3])]) + '\n'


def code(rows):
    verdicts = {row[1] for row in rows}
    return 111 if 'temporary' in verdicts else 1 if 'invalid' in verdicts else 0


class Host(qmailhost.Host):
    """Listens on a UNIX socket, too: where qmail-vrfy asks by itself."""

    def __init__(self, **more):
        super().__init__(**{'control': CONTROL, 'assign': ASSIGN, 'files': FILES, **more})
        self.own(UID, 'home', 'alias')
        (self.dir / 'verify').mkdir()
        self.unix = f'{self.dir}/verify/socket'
        self.udp = f'127.0.0.1:{self.port}'
        self.env = {'LISTEN': f'{self.udp},{self.unix}', **self.env}

    def vrfy(self, *arguments, **more):
        return vrfy(*arguments, **{**more, 'env': {'QMAILDIR': str(self.dir), **more.get('env', {})}})


def vrfy(*arguments, env=None, input=b'', **more):
    """What it printed, as text, and its exit status."""
    variables = {'PATH': '/usr/bin:/bin', **{k: v for k, v in os.environ.items() if k.endswith('SAN_OPTIONS')}, **(env or {})}
    done = subprocess.run([VRFY, *arguments], env=variables, timeout=120,
                          **{'input': input, 'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE, **more})
    done.out, done.err = ((text or b'').decode('latin-1') for text in (done.stdout, done.stderr))
    return done


@pytest.fixture(scope='module')
def host(build):
    with Host() as host:
        yield host


def ways(host):
    return {'-n': ['-n'], 'by UDP': ['-s', host.udp], 'over the UNIX socket': ['-s', host.unix]}


# ---- verdicts

@pytest.mark.parametrize('way', ['-n', 'by UDP', 'over the UNIX socket'])
def test_lines_are_the_same_whoever_judges(host, way):
    options = ways(host)[way]
    expected = ''.join(map(line, ROWS))
    done = host.vrfy(*options, '--', *(row[0] for row in ROWS))
    assert (done.out, done.returncode) == (expected, 111), done.err
    text = '\r\n'.join(row[0] for row in ROWS).encode()
    for done in (host.vrfy(*options, '-f', '-', input=text),
                 host.vrfy(*options, '-f', str(host.write('list', text)))):
        assert (done.out, done.returncode) == (expected, 111), done.err


def test_exit_codes(host):
    for rows in (ROWS[:3], ROWS[:4], ROWS[3:4], ROWS[3:7], ROWS[6:7], ROWS[4:5]):
        for options in ways(host).values():
            done = host.vrfy(*options, *(row[0] for row in rows))
            assert done.returncode == code(rows), (rows, options)


def test_it_says_why_it_could_not_tell(host):
    done = host.vrfy('-n', 'gone-x@example.org')
    assert done.err.splitlines()[-1] == (f'qmail-vrfy: gone-x@example.org: the home directory cannot be entered: '
                                         f'{host.dir}/home/gone: No such file or directory')
    done = host.vrfy('-s', host.udp, 'gone-x@example.org')
    assert done.err == 'qmail-vrfy: gone-x@example.org: the home directory cannot be entered\n'


def test_the_daemons_socket_is_asked_by_default(host):
    before = len(host.decisions())
    done = host.vrfy('joe@example.org')
    assert (done.out, done.err, done.returncode) == (line(ROWS[0]), '', 0)
    until('it is logged', lambda: len(host.decisions()) > before)
    assert host.vrfy('joe@example.org', env={'VERIFY': f'DEFER,OBSERVE,{host.udp}'}).returncode == 0
    assert host.vrfy('joe@example.org', env={'VERIFY': ''}).returncode == 0


def test_json(host):
    for options in ways(host).values():
        done = host.vrfy(*options, '-j', '--', *(row[0] for row in ROWS))
        assert done.returncode == 111
        objects = [json.loads(one) for one in done.stdout.decode().splitlines()]
        assert [(o['address'], o['verdict'], o['reason'], o['user']) for o in objects] == ROWS
        assert [o['position'] for o in objects][:4] == [9, 10, 10, 14]
        assert [o['address'] for o in objects if 'trouble' in o] == ['gone-x@example.org']
        assert 'the home directory cannot be entered' in objects[6]['trouble']


def test_the_sender_reaches_the_judge(build):
    """By the only verdict that depends on it."""
    files = {'home/joe/.qmail-ez': '|ezmlm-reject /ez\n|ezmlm-send /ez\n', 'bin/ezmlm-reject': '\x7fELF',
             'bin/ezmlm-send': '\x7fELF'}
    with Host(control={**CONTROL, 'verifypolicy': ':refuse-null\n'}, files={**FILES, **files}) as host:
        for program in (host.dir / 'bin').iterdir():
            program.chmod(0o755)
        for options in ways(host).values():
            said = {sender: host.vrfy(*options, *sender, 'joe-ez@example.org').out.split('\t')[2]
                    for sender in ((), ('--sender=a@b',), ('--sender=',))}
            assert said[()] == said[('--sender=a@b',)] != said[('--sender=',)] == 'ezmlm-null-sender', said


def test_control_files_that_cannot_be_read(build, tmp_path):
    done = vrfy('-n', 'a@b', 'c@d', env={'QMAILDIR': str(tmp_path)})
    assert done.returncode == 111 and done.out == 'a@b\ttemporary\tcontrol-trouble\t\nc@d\ttemporary\tcontrol-trouble\t\n'
    assert 'control/me' in done.err
    done = vrfy('-n', 'a@b', env={'QMAILDIR': f'{tmp_path}/none'})
    assert done.returncode == 111 and not done.out
    assert f'cannot enter the qmail directory {tmp_path}/none: No such file or directory' in done.err


def as_another(uid, host, *arguments):
    program = shutil.copy(VRFY, host.dir)  # others may not be let into the build folder
    own = {'QMAILDIR': str(host.dir), 'PATH': '/usr/bin', **{k: v for k, v in os.environ.items() if k.endswith('SAN_OPTIONS')}}
    return subprocess.run(['setpriv', f'--reuid={uid}', f'--regid={uid}', '--clear-groups', program, *arguments], env=own,
                          capture_output=True, text=True)


@pytest.mark.skipif(os.geteuid() != 0, reason='needs root: to become somebody else')
def test_another_user_judges_his_own_homes_alone(host):
    for uid, verdict in ((UID, 'valid'), (65534, 'temporary')):
        done = as_another(uid, host, '-n', 'joe-list@example.org', 'a@elsewhere.example')
        assert [one.split('\t')[1] for one in done.stdout.splitlines()] == [verdict, 'remote'], done.stderr
        assert done.stderr.count('not run by root') == 1


# ---- why (tests/explain has the steps to each reason)

def test_why_tells_what_the_daemon_does_not_know_yet(build):
    with Host() as host:
        host.control('locals', 'example.org\nmail.example.org\nnew.example\n')
        done = host.vrfy('-v', '-s', host.udp, 'joe@new.example')
        assert '\n  the daemon says remote: remote (' in done.out and 'send SIGHUP' in done.out, done.out
        assert done.out.splitlines()[-1] == 'joe@new.example\tremote\tremote\t'
        assert done.returncode == 0
        host.signal(signal.SIGHUP)
        host.logged('SIGHUP: control/locals')
        done = host.vrfy('-v', '-s', host.udp, 'joe@new.example')
        assert 'the daemon says' not in done.out
        assert done.out.splitlines()[-1] == 'joe@new.example\tvalid\tdefault-delivery\tjoe'


def test_why_of_a_daemon_of_1_32(host):
    with Old(0) as old:
        done = host.vrfy('-v', '-s', old.server, 'joe-list@example.org', 'joe-x@example.org')
        results = [one for one in done.out.splitlines() if not one.startswith(' ')]
        assert results == ['joe-list@example.org\tvalid\tdot-qmail\tjoe', 'joe-x@example.org\tvalid\tdot-qmail\tjoe']
        assert done.out.count('the daemon says valid') == 1, done.out
        assert 'here it is invalid: no-mailbox' in done.out


@pytest.mark.skipif(os.geteuid() != 0, reason='needs root: to become somebody else')
def test_why_for_who_is_not_root(host):
    done = as_another(65534, host, '-n', '-v', 'joe-list@example.org')
    assert done.stderr.count('not run by root') == 1
    assert 'temporary: identity-trouble' in done.stdout and done.returncode == 111, done.stdout
    assert '451' in done.stdout.splitlines()[-2]
    done = as_another(UID, host, '-n', '-v', 'joe-list@example.org')
    assert f'{host.dir}/home/joe/.qmail-list line 1: &a@example.net: a forward' in done.stdout and done.returncode == 0


# ---- misuse

@pytest.mark.parametrize('arguments', [[], ['-n'], ['-x', 'a'], ['--nonsense', 'a'], ['-f'], ['-f', 'x', 'a'], ['-n', '-s', ':', 'a'],
                                       ['-s', 'host.example', 'a'], ['-s', 'nowhere', 'a'], ['--help=x']])
def test_misuse(build, arguments):
    done = vrfy(*arguments)
    assert (done.returncode, done.out) == (100, '')
    assert re.fullmatch(r'qmail-vrfy: .*\nqmail-vrfy: see qmail-vrfy --help\n', done.err), done.err


def test_help_and_version(build):
    done = vrfy('--help')
    assert done.returncode == 0 and done.out.startswith('usage: qmail-vrfy ') and not done.err
    ours, daemons = vrfy('-V'), subprocess.run([BUILD / 'qmail-verify', '-V'], capture_output=True, text=True)
    assert ours.returncode == 0 and ours.out == daemons.stdout.replace('qmail-verify ', 'qmail-vrfy ', 1)


def test_an_address_that_begins_with_a_dash(host):
    done = host.vrfy('-n', '--', '-n@elsewhere.example', '--help')
    assert [one.split('\t')[0] for one in done.out.splitlines()] == ['-n@elsewhere.example', '--help']


def test_files_that_cannot_be_read(host):
    for name, why in (('/nonexistent/list', 'cannot open /nonexistent/list: No such file'), ('/', 'cannot read /: Is a directory')):
        done = host.vrfy('-n', '-f', name)
        assert done.returncode == 111 and not done.out and f'qmail-vrfy: {why}' in done.err


def test_a_line_that_is_no_address_does_not_stop_the_others(host):
    text = b'joe@example.org\nbad\0one\n' + b'z' * 70000 + b'\n#joe@elsewhere.example'
    for options in ways(host).values():
        done = host.vrfy(*options, '-f', '-', input=text)
        fields = [one.split('\t') for one in done.out.splitlines()]
        assert [one[1] for one in fields] == ['valid', 'temporary', 'temporary', 'remote'] and done.returncode == 111
        assert fields[1][0] == 'bad\\x00one' and fields[3][0] == '#joe@elsewhere.example'
        assert 'standard input, line 2: there is a NUL in it' in done.err and 'standard input, line 3: longer' in done.err


# ---- a new key

KEY = re.compile(r'([\w.-]{1,32}):([0-9a-f]{32})\n')


def test_genkey_makes_a_line_that_is_always_another(build):
    before = time.strftime('k%Y%m%d', time.gmtime())
    keys = [vrfy('--genkey') for _ in range(3)]
    days = {before, time.strftime('k%Y%m%d', time.gmtime())}
    for done in keys:
        assert (done.returncode, done.err) == (0, '') and KEY.fullmatch(done.out)[1] in days
    assert len({KEY.fullmatch(done.out)[2] for done in keys}) == 3
    for key_id in ('hub-1', 'x' * 32, 'A.b_c'):
        assert KEY.fullmatch(vrfy('--genkey', key_id).out)[1] == key_id


def test_genkey_is_asked_for_what_makes_no_sense(build):
    for arguments in (['a b'], ['x' * 33], [''], ['a:b'], ['a', 'b'], ['-n'], ['-s', ':'], ['-j', 'a'], ['-f', 'x'], ['--lint']):
        done = vrfy('--genkey', *arguments)
        assert (done.returncode, done.out) == (100, ''), arguments


def test_genkey_gives_advice_to_people_only(build):
    main, side = pty.openpty()
    done = subprocess.run([VRFY, '--genkey'], stdin=subprocess.DEVNULL, stdout=side, stderr=subprocess.PIPE, text=True)
    os.close(side)
    shown = b''
    while not shown.endswith(b'\n'):
        shown += os.read(main, 1024)
    os.close(main)
    assert done.returncode == 0 and KEY.fullmatch(shown.decode().replace('\r', ''))
    assert 'control/verifykeys' in done.stderr and '0600' in done.stderr
    assert KEY.fullmatch(shown.decode().replace('\r', ''))[2] not in done.stderr


def test_genkey_on_a_full_disk(build):
    with open('/dev/full', 'w') as full:
        assert vrfy('--genkey', stdout=full).returncode == 111


# ---- standard output

@pytest.mark.parametrize('arguments', [['-f', '-'], ['-V'], ['--help']])
def test_a_full_disk_is_an_error(host, arguments):
    with open('/dev/full', 'w') as full:
        done = host.vrfy('-n', *arguments, input=b'a@elsewhere.example\n' * 100000, stdout=full)
    assert done.returncode == 111
    assert 'a@elsewhere' not in done.err and (arguments[0] != '-f' or 'No space left on device' in done.err)


def test_output_that_is_closed_is_an_error(host):
    for options in ways(host).values():
        done = host.vrfy(*options, 'joe@example.org', preexec_fn=lambda: os.close(1), stdout=None)
        assert done.returncode == 111 and 'cannot write to standard output: Bad file descriptor' in done.err
        reader, writer = os.pipe()
        os.close(reader)
        done = host.vrfy(*options, 'joe@example.org', stdout=writer)
        os.close(writer)
        assert done.returncode == 111 and 'cannot write to standard output: Broken pipe' in done.err


def test_nothing_goes_into_the_sockets_where_descriptors_are_closed(host):
    def close_all():
        for fd in (0, 1, 2):
            os.close(fd)
    for options in ways(host).values():
        done = host.vrfy(*options, 'joe@example.org', preexec_fn=close_all, input=None, stdin=subprocess.DEVNULL,
                         stdout=None, stderr=None)
        assert done.returncode == 111


# ---- lists

def numbered(n):
    return ''.join(f'u{i}@elsewhere.example\n' for i in range(n)).encode()


def test_many_lines_keep_their_order(host):
    expected = ''.join(f'u{i}@elsewhere.example\tremote\tremote\t\n' for i in range(30000))
    for options in ways(host).values():
        done = host.vrfy(*options, '-f', '-', input=numbered(30000))
        assert done.returncode == 0 and done.out == expected
        assert re.fullmatch(r'qmail-vrfy: 30000 addresses: 0 valid, 30000 remote, 0 unknown, 0 invalid, 0 temporary; '
                            r'[\d.]+ s, \d+ a second\n', done.err), done.err


@pytest.mark.parametrize('way', ['-n', 'by UDP', 'over the UNIX socket'])
def test_a_pipe_is_answered_line_by_line(host, way):
    process = subprocess.Popen([VRFY, *ways(host)[way], '-f', '-'], env={'QMAILDIR': str(host.dir)}, bufsize=0,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for row in (ROWS[0], ROWS[3], ROWS[4]):
        process.stdin.write(row[0].encode() + b'\n')
        assert select.select([process.stdout], [], [], DEADLINE)[0], 'no answer before the next line'
        assert os.read(process.stdout.fileno(), 4096).decode() == line(row)
    process.stdin.close()
    assert process.wait(DEADLINE) == 1
    process.stdout.close()
    process.stderr.close()


def on_a_terminal(command, env, columns=80):
    """What a program writes to standard error, which is a terminal; and its exit status."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack('HHHH', 24, columns, 0, 0))
    process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=its)
    os.close(its)
    text = b''
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the last one has closed it
            piece = b''
        if not piece:
            break
        text += piece
    os.close(ours)
    return text.decode(), process.wait(DEADLINE)


class Slow(threading.Thread):
    """A daemon that takes its time: answers so many questions a second, in extended packets."""

    def __init__(self, rate):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(('127.0.0.1', quiet_port()))
        self.server = '127.0.0.1:%d' % self.socket.getsockname()[1]
        self.rate = rate

    def run(self):
        while True:
            question, client = self.socket.recvfrom(65536)
            if question == b'end':
                return
            nonce = question.split(b'\0', 1)[1][8:24]
            time.sleep(1 / self.rate)  # this is what it is about: a list that takes a while
            self.socket.sendto(b'\x10\0qverify2' + nonce + b'\0\1', client)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b'end', ('127.0.0.1', int(self.server.split(':')[1])))
        self.join()
        self.socket.close()


def test_a_progress_bar_on_a_terminal_alone(build, tmp_path):
    (tmp_path / 'list').write_bytes(numbered(600))
    with Slow(500) as slow:
        command = [VRFY, '-s', slow.server, '-f', str(tmp_path / 'list')]
        text, status = on_a_terminal(command, {})
        assert status == 0, text
        drawn = re.findall(r'\r\x1b\[K(\[#*\.*\] \d+% \d+ addresses, \d+/s, \d+:\d\d left)', text)
        assert 2 <= len(drawn) <= 60, text  # a few times a second
        shares = [int(re.search(r'(\d+)%', one)[1]) for one in drawn]
        assert shares == sorted(shares) and 0 <= shares[0] < shares[-1] <= 100
        assert re.fullmatch(r'.*\r\x1b\[Kqmail-vrfy: 600 addresses: .*\r\n', text, re.S), 'the bar stays behind the summary'
        narrow, _ = on_a_terminal(command, {}, columns=20)
        assert all(len(one) < 20 for one in re.findall(r'\r\x1b\[K(\[[^\r]*)', narrow))
        done = vrfy(*command[1:])
        assert '\r' not in done.err and '\x1b' not in done.err and done.err.count('\n') == 1


# ---- daemons that are not there, and others

def test_a_daemon_that_is_down(build, tmp_path):
    for server, why in ((f'127.0.0.1:{quiet_port()}', 'connection refused'), (f'{tmp_path}/none', 'No such file or directory')):
        begun = time.monotonic()
        done = vrfy('-s', server, '-f', '-', input=numbered(100000))
        assert time.monotonic() - begun < 60  # each of them for 2.2 s: two days
        assert done.returncode == 111 and done.out.count('\ttemporary\tnone\t\n') == 100000
        assert f'qmail-vrfy: u0@elsewhere.example: {server}: {why}\n' in done.err
        assert re.search(rf'^qmail-vrfy: \d+ more: not asked, as nobody answers: {server}: {why}$', done.err, re.M), done.err
        assert len(done.err.splitlines()) < 30


def test_the_daemon_goes_and_comes_back(build):
    """In the middle of a list, as when it is installed anew."""
    with Host() as host:
        for server in (host.udp, host.unix):
            process = subprocess.Popen([VRFY, '-s', server, '-f', '-'], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE)
            process.stdin.write(b'joe@example.org\n')
            process.stdin.flush()
            assert process.stdout.readline().decode() == line(ROWS[0])
            assert host.stop() == 0
            process.stdin.write(b'joe@example.org\n' * 500)
            process.stdin.flush()
            host.start()
            out, err = process.communicate(timeout=DEADLINE)
            assert out.decode() == line(ROWS[0]) * 500, err
            assert process.returncode == 0


class Old(Slow):
    """As 1.32 answers: plain, valid for joe, else invalid."""

    def run(self):
        while True:
            question, client = self.socket.recvfrom(65536)
            if question == b'end':
                return
            self.socket.sendto(b'\xa0joe' if question.startswith(b'joe') else b'\xe1alias', client)


def test_a_daemon_of_1_32(build):
    with Old(0) as old:
        rows = [(f'joe{i}@example.org', 'valid', 'dot-qmail', 'joe') if i % 3 else
                (f'x{i}@example.org', 'invalid', 'no-mailbox', 'alias') for i in range(1000)]
        done = vrfy('-s', old.server, '-f', '-', input='\n'.join(row[0] for row in rows).encode())
        assert (done.out, done.returncode) == (''.join(map(line, rows)), 1), done.err
        done = vrfy('-s', f'STRICT,{old.server}', 'joe@example.org')
        assert done.returncode == 111 and 'plain answer ignored (STRICT)' in done.err


def test_it_ends_when_it_is_told_to(host):
    process = subprocess.Popen([VRFY, '-n', '-f', '-'], env={'QMAILDIR': str(host.dir)}, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdin.write(b'joe@example.org\n')
    process.stdin.flush()
    assert process.stdout.readline().decode() == line(ROWS[0])
    process.send_signal(signal.SIGTERM)
    assert process.wait(DEADLINE) == -signal.SIGTERM
    for pipe in (process.stdin, process.stdout, process.stderr):
        pipe.close()


# ---- completion

def completed(*words, cwd=None):
    """What bash would propose for the last of these words."""
    script = ('source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _qmail_vrfy "$1"; '
              'printf "%s\\n" "${COMPREPLY[@]}"')
    done = subprocess.run(['bash', '-c', script, qmailhost.ROOT / 'service/completion/qmail-vrfy.bash', VRFY, *words],
                          capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return set(done.stdout.split())


def test_completion_knows_the_options(build, tmp_path):
    assert {'-f', '-j', '-n', '-s', '-V', '--sender='} <= completed('-')
    assert completed('--gen') == {'--genkey'}
    assert completed('--se') >= {'--sender='} and '-f' not in completed('--se')
    (tmp_path / 'list').touch()
    assert completed('-f', 'l', cwd=tmp_path) == completed('-nf', '', cwd=tmp_path) == {'list'}
    assert completed('joe', cwd=tmp_path) == set()
