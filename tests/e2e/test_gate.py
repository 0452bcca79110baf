"""qmail-verify-gate over real sockets, asking a real daemon.

Real Postfix, Exim, OpenSMTPD, qpsmtpd and Haraka ask it in tests/doors.
"""
import contextlib
import os
import pathlib
import resource
import signal
import socket
import subprocess
import tempfile

import pytest
from qmailhost import BUILD, Host, quiet_port, until

PROGRAM = BUILD / 'qmail-verify-gate'
USERS = '=joe:{user}:{uid}:{gid}:{qmail}/joe:::\n+list-:{user}:{uid}:{gid}:{qmail}/joe:-::\n.\n'


def netstring(text):
    data = text.encode() if isinstance(text, str) else text
    return b'%d:%s,' % (len(data), data)


def policy(recipient, **more):
    lines = {'request': 'smtpd_access_policy', 'protocol_state': 'RCPT', 'sender': 'a@b.example',
             'client_address': '192.0.2.7', 'recipient': recipient, **more}
    return ''.join(f'{name}={value}\n' for name, value in lines.items()).encode() + b'\n'


def line(recipient):
    return recipient.encode() + b'\n\n'


def http(status, body):
    return (f'HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n'
            f'Connection: keep-alive\r\n\r\n{body}').encode()


# protocol: a question about an address, and what is answered where it is valid, invalid, temporary
SPEAK = {
    'socketmap': (lambda a: netstring(f'recipients {a}'), b'11:OK dotqmail,', b'9:NOTFOUND ,',
                  netstring('TEMP qmail-verify cannot tell now')),
    'policy': (policy, b'action=DUNNO\n\n', b'action=550 5.1.1 sorry, no mailbox here by that name. (#5.1.1)\n\n',
               b'action=451 4.3.0 qv temporary failure (#4.3.0)\n\n'),
    'tcp_table': (lambda a: f'get {a}\n'.encode(), b'200 dotqmail\n', b'500 no%20mailbox%20here%20by%20that%20name\n',
                  b'400 qmail-verify%20cannot%20tell%20now\n'),
    'line': (line, b'valid\n', b'invalid\n', b'temporary\n'),
    'qd1': (lambda a: f'GET /qd1/deliverable?{a.replace("@", "%40")} HTTP/1.1\r\nHost: localhost\r\n\r\n'.encode(),
            http('200 OK', '241'), http('200 OK', '0'), http('503 Service Unavailable', '')),
}


@pytest.fixture
def host():
    """list-known@example.org is valid, list-unknown@example.org is not, joe-x is temporary: no alias user."""
    uid = os.getuid() or 7790
    with Host(control={'me': 'example.org\n', 'locals': 'example.org\n'},
              assign=USERS.replace('{user}', 'someone').replace('{uid}', str(uid)).replace('{gid}', str(os.getgid() or 2108)),
              files={'joe/.qmail-known': './Maildir/\n'}) as one:
        if os.getuid() == 0:
            one.own(uid, 'joe', 'joe/.qmail-known')
        yield one


VALID, INVALID = 'list-known@example.org', 'list-unknown@example.org'


def environment(host, more=''):
    return {'PATH': os.environ['PATH'], 'VERIFY': f'127.0.0.1:{host.port},STRICT{more}'}


def run(host, *arguments, say=b'', verify='', **options):
    return subprocess.run([PROGRAM, *arguments], input=say, capture_output=True, timeout=60,
                          env=options.pop('env', environment(host, verify)), **options)


class Gate:
    """One that listens: at a path, a port."""

    def __init__(self, host, *arguments, verify='', folder=None, env=None, preexec=None):
        self.process = subprocess.Popen([PROGRAM, *arguments], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                        env=env or environment(host, verify), preexec_fn=preexec)
        os.set_blocking(self.process.stderr.fileno(), False)
        self.log = ''

    def text(self):
        with contextlib.suppress(BlockingIOError):
            self.log += (self.process.stderr.read() or b'').decode()
        return self.log

    def logged(self, words):
        return until(f'"{words}" stands in the log', lambda: words in self.text() or self.process.poll() is not None) and \
            self.text()

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(timeout=60)

    def __enter__(self):
        self.logged('listening (')
        assert self.process.poll() is None, self.log
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stderr.close()


class Link:
    def __init__(self, where):
        family = socket.AF_UNIX if isinstance(where, (str, pathlib.Path)) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(60)
        self.socket.connect(str(where) if family == socket.AF_UNIX else where)

    def say(self, data):
        self.socket.sendall(data)

    def hear(self, size):
        data = b''
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            if not piece:
                break
            data += piece
        return data

    def ask(self, question, answer):
        self.say(question)
        return self.hear(len(answer)) == answer

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.socket.close()


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory(prefix='gate.') as name:
        yield pathlib.Path(name)


# ---- standard input and output

@pytest.mark.parametrize('protocol', SPEAK)
def test_standard_input_and_output(host, protocol):
    ask, valid, invalid, temporary = SPEAK[protocol]
    done = run(host, protocol, say=ask(VALID) + ask(INVALID) + ask(VALID))
    assert (done.returncode, done.stdout) == (0, valid + invalid + valid), done.stderr
    assert f': refused {INVALID}: no-mailbox: ' in done.stderr.decode()
    assert done.stderr.count(b'\n') == 1
    host.write('users/cdb', 'damaged')
    done = run(host, protocol, say=ask(VALID))
    assert (done.returncode, done.stdout) == (0, temporary), done.stderr
    assert b'cdb-trouble' in done.stderr


def test_from_and_to_files(host, folder):
    (folder / 'in').write_bytes(line(VALID) * 300 + line(INVALID))
    with open(folder / 'in', 'rb') as source, open(folder / 'out', 'wb') as to:
        assert subprocess.run([PROGRAM, 'line'], stdin=source, stdout=to, env=environment(host), timeout=60,
                              stderr=subprocess.PIPE).returncode == 0
    assert (folder / 'out').read_bytes() == b'valid\n' * 300 + b'invalid\n'


def test_remote_addresses_are_accepted(host):
    done = run(host, 'socketmap', say=netstring('recipients x@elsewhere.example') + netstring('access x@elsewhere.example'))
    assert done.stdout == b'9:OK remote,9:NOTFOUND ,'


def test_what_is_too_long_is_left_to_qmail(host):
    done = run(host, '-v', 'line', say=line('x' * 1500 + '@example.org'))
    assert done.stdout == b'valid\n'
    assert b'too-long' in done.stderr


def test_the_daemon_hears_client_and_sender(host):
    host.control('verifypolicy', 'example.org:\n')
    done = run(host, '-v', 'policy', say=policy(VALID, client_address='2001:db8::7', sender=''))
    assert b'policy for 2001:db8::7: accepted ' in done.stderr


def test_who_reads_nothing_ends_it(host):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, 'wb') as to:
        done = subprocess.run([PROGRAM, 'line'], input=line(VALID), stdout=to, env=environment(host), timeout=60)
    assert done.returncode == 0


# ---- the policy of VERIFY

def silent():
    """A server that hears and says nothing."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(('127.0.0.1', 0))
    return s


@pytest.mark.parametrize('protocol', SPEAK)
def test_the_daemon_is_down(host, protocol):
    ask, valid, invalid, temporary = SPEAK[protocol]
    host.stop()
    done = run(host, protocol, say=ask(VALID) * 3)
    assert done.stdout == temporary * 3
    assert b'VERIFY: 127.0.0.1:%d does not answer: set aside' % host.port in done.stderr
    assert done.stderr.count(b'no verification server answers') == 3


def test_open_accepts_while_no_server_answers(host):
    with silent() as server:
        env = {'VERIFY': f'OPEN,127.0.0.1:{server.getsockname()[1]}'}
        done = run(host, 'line', say=line(VALID), env=env)
    assert done.stdout == b'valid\n'
    assert b'accepted unverified (OPEN)' in done.stderr


def test_open_does_not_accept_what_a_server_says_is_temporary(host):
    host.write('users/cdb', 'damaged')
    assert run(host, 'line', say=line(VALID), verify=',OPEN').stdout == b'temporary\n'


def test_observe_accepts_and_tells(host):
    done = run(host, 'line', say=line(INVALID), verify=',OBSERVE')
    assert done.stdout == b'valid\n'
    assert f'line: invalid {INVALID}: no-mailbox: '.encode() in done.stderr
    assert b'; accepted all the same (OBSERVE), else 550' in done.stderr
    host.stop()
    done = run(host, 'line', say=line(INVALID), verify=',OBSERVE')
    assert done.stdout == b'valid\n'
    assert b'(OBSERVE), else 451' in done.stderr


def test_the_next_server_is_asked(host):
    with silent() as server:
        env = {'VERIFY': f'127.0.0.1:{server.getsockname()[1]},127.0.0.1:{host.port}'}
        assert run(host, 'line', say=line(VALID) + line(INVALID), env=env).stdout == b'valid\ninvalid\n'


def plain_server(host, answer):
    """A 1.32 daemon: answers without a nonce. Returns the process."""
    script = ('import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.bind(("127.0.0.1", 0))\n'
              'print(s.getsockname()[1], flush=True)\nwhile True:\n q, a = s.recvfrom(9000)\n s.sendto(%r, a)\n' % answer)
    return subprocess.Popen(['/usr/bin/python3', '-c', script], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize('words, answer, heard', [
    ('', b'\xa0joe', b'valid\n'), ('', b'\xe1', b'invalid\n'), (',STRICT', b'\xe1', b'temporary\n'), ('', b'\x81', b'temporary\n')])
def test_a_server_of_old(host, words, answer, heard):
    """Its failed look-ups (position 8) are none of its answers, and STRICT takes none of them."""
    server = plain_server(host, answer)
    try:
        env = {'VERIFY': f'127.0.0.1:{int(server.stdout.readline())}{words}'}
        assert run(host, 'line', say=line(INVALID), env=env).stdout == heard
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def test_words_of_verify_that_are_for_an_smtp_server(host):
    done = run(host, 'line', say=line(VALID), verify=',DEFER,MAXBAD=3,nonsense')
    assert done.stdout == b'valid\n'
    for words in (b'note: DEFER in VERIFY', b'note: MAXBAD in VERIFY', b'nonsense'):
        assert words in done.stderr


# ---- listening

@pytest.mark.parametrize('protocol', SPEAK)
def test_it_listens(host, folder, protocol):
    ask, valid, invalid, temporary = SPEAK[protocol]
    port = quiet_port()
    with Gate(host, f'{protocol}={folder}/s', f'{protocol}=:{port}') as gate:
        assert f'({protocol}={folder}/s, {protocol}=:{port}), asking 127.0.0.1:{host.port}' in gate.text()
        for where in (folder / 's', ('127.0.0.1', port)):
            with Link(where) as link:
                for _ in range(3):
                    assert link.ask(ask(VALID), valid)
                    assert link.ask(ask(INVALID), invalid)
        assert gate.stop() == 0
        assert not (folder / 's').exists()
        assert 'stopped.' in gate.text()


def test_many_questions_in_flight_keep_their_order(host, folder):
    ask, valid, invalid, _ = SPEAK['socketmap']
    with Gate(host, f'socketmap={folder}/s') as gate, Link(folder / 's') as link:
        for _ in range(10):
            link.say((ask(VALID) + ask(INVALID) * 2) * 100)
            assert link.hear(100 * len(valid + invalid * 2)) == (valid + invalid * 2) * 100
        assert gate.process.poll() is None


def test_many_connections(host, folder):
    ask, valid, invalid, _ = SPEAK['policy']
    with Gate(host, f'policy={folder}/s'), contextlib.ExitStack() as stack:
        links = [stack.enter_context(Link(folder / 's')) for _ in range(200)]
        for link in links:
            link.say(ask(VALID) + ask(INVALID))
        for link in links:
            assert link.hear(len(valid + invalid)) == valid + invalid


def test_the_daemon_comes_back(host, folder):
    ask, valid, invalid, temporary = SPEAK['tcp_table']
    with Gate(host, f'tcp_table={folder}/s') as gate, Link(folder / 's') as link:
        assert link.ask(ask(VALID), valid)
        host.stop()
        assert link.ask(ask(INVALID), temporary)
        host.start()

        def again():
            link.say(ask(VALID))
            return link.hear(4) == b'200 ' and link.hear(len(valid) - 4) or not link.hear(len(temporary) - 4)
        until('it is asked again', again)
        assert link.ask(ask(INVALID), invalid)
        gate.logged('answers again')


def test_one_who_does_not_read_keeps_nobody_waiting(host, folder):
    ask, valid, *_ = SPEAK['line']
    with Gate(host, f'line={folder}/s'), Link(folder / 's') as deaf, Link(folder / 's') as link:
        deaf.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            for _ in range(100000):
                deaf.socket.send(ask(VALID) * 100)
        assert link.ask(ask(VALID), valid)


def test_what_is_not_understood_ends_that_connection_alone(host, folder):
    ask, valid, *_ = SPEAK['socketmap']
    with Gate(host, f'socketmap={folder}/s') as gate, Link(folder / 's') as bad, Link(folder / 's') as link:
        bad.say(b'GET / HTTP/1.0\r\n\r\n')
        assert bad.hear(1) == b''
        assert link.ask(ask(VALID), valid)
        gate.logged('socketmap: what came is not a netstring')


def test_connections_beyond_the_limit_wait(host, folder):
    ask, valid, *_ = SPEAK['line']
    with Gate(host, '-c', '2', f'line={folder}/s') as gate:
        with Link(folder / 's') as one, Link(folder / 's') as two:
            assert one.ask(ask(VALID), valid) and two.ask(ask(VALID), valid)
            third = Link(folder / 's')
            third.say(ask(VALID))
            gate.logged('there are 2 connections (-c): others wait')
            assert two.ask(ask(VALID), valid)
        with third:
            assert third.hear(len(valid)) == valid


def test_too_few_descriptors(host, folder):
    ask, valid, *_ = SPEAK['line']

    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))
    with Gate(host, f'line={folder}/s', preexec=few) as gate:
        links = [Link(folder / 's') for _ in range(12)]
        gate.logged('connections wait: no more can be taken')
        waiting = links[6:]
        for link in links[:6]:
            link.socket.close()
        for link in waiting:
            link.say(ask(VALID))
            assert link.hear(len(valid)) == valid
            link.socket.close()


def test_told_to_end_it_answers_what_it_has(host, folder):
    with silent() as server:
        env = {'VERIFY': f'127.0.0.1:{server.getsockname()[1]}'}
        with Gate(host, f'line={folder}/s', env=env) as gate, Link(folder / 's') as link, Link(folder / 's') as idle:
            link.say(line(VALID))
            server.settimeout(60)
            server.recv(9000)
            gate.process.send_signal(signal.SIGTERM)
            assert link.hear(100) == b'temporary\n'
            assert idle.hear(1) == b''
            assert gate.process.wait(timeout=60) == 0


# ---- paths

def test_a_path_left_behind_is_taken(host, folder):
    with Gate(host, f'line={folder}/s') as gate:
        gate.stop(signal.SIGKILL)
    assert (folder / 's').exists()
    with Gate(host, f'line={folder}/s'), Link(folder / 's') as link:
        assert link.ask(line(VALID), b'valid\n')


def test_a_path_that_is_taken_is_left_alone(host, folder):
    with Gate(host, f'line={folder}/s'):
        second = run(host, f'policy={folder}/s')
        assert second.returncode == 111
        assert b'another program listens there; stop it, or name another path in the command line' in second.stderr
        with Link(folder / 's') as link:
            assert link.ask(line(VALID), b'valid\n')
    (folder / 'file').write_text('kept')
    assert run(host, f'policy={folder}/file').returncode == 111
    assert (folder / 'file').read_text() == 'kept'


@pytest.mark.parametrize('option, mode', [((), 0o666), (('-m', '0600'), 0o600), (('-m', '660'), 0o660)])
def test_the_mode_of_a_path(host, folder, option, mode):
    with Gate(host, *option, f'line={folder}/s'):
        assert (folder / 's').stat().st_mode & 0o7777 == mode


def test_a_directory_of_all_is_warned_of(host, folder):
    folder.chmod(0o777)
    with Gate(host, f'line={folder}/s') as gate:
        gate.logged('could answer in its place')


def test_an_address_beyond_this_host_is_warned_of(host):
    with Gate(host, f'line=0.0.0.0:{quiet_port()}') as gate:
        gate.logged('can try out names')


@pytest.mark.skipif(os.getuid() != 0, reason='only root can give up root')
def test_root_is_given_up(host, folder):
    folder.chmod(0o755)
    env = {**environment(host), 'UID': '7790', 'GID': '2108'}
    with Gate(host, f'line={folder}/s', env=env) as gate, Link(folder / 's') as link:
        status = pathlib.Path(f'/proc/{gate.process.pid}/status').read_text()
        assert 'Uid:\t7790\t7790\t7790\t7790\n' in status
        assert 'Gid:\t2108\t2108\t2108\t2108\n' in status
        assert 'Groups:\t2108 \n' in status
        assert link.ask(line(VALID), b'valid\n')


@pytest.mark.skipif(os.getuid() != 0, reason='only root is told that it need not be')
def test_root_that_is_not_given_up_is_warned_of(host, folder):
    with Gate(host, f'line={folder}/s') as gate:
        gate.logged('runs as root, which it has no use for')
    env = {**environment(host), 'UID': 'joe', 'GID': '1'}
    assert run(host, f'line={folder}/s', env=env).returncode == 100
    assert not (folder / 's').exists()


# ---- the command line

@pytest.mark.parametrize('arguments, words', [
    ((), 'name a protocol'),
    (('smtp',), 'there is no protocol "smtp"'),
    (('smtp=:25',), 'there is no protocol "smtp"'),
    (('line', 'policy=:25'), 'does not go with PROTOCOL alone'),
    (('line', 'line'), 'does not go with PROTOCOL alone'),
    (('line=',), 'nothing stands after the equals sign'),
    (('line=host.example:25',), 'give ip:port, :port, [ipv6]:port or /path/of/socket'),
    (('line=127.0.0.1',), 'give a port'),
    (('line=:70000',), 'give ip:port'),
    (('line=/' + 'x' * 200,), 'give ip:port'),
    (('-m', '999', 'line=/x'), '-m: give mode bits'),
    (('-c', '0', 'line=/x'), '-c: give a number'),
    (('-c',), 'unknown option'),
    (('-q', 'line'), 'unknown option'),
])
def test_misuse(host, arguments, words):
    done = run(host, *arguments)
    assert (done.returncode, done.stdout) == (100, b'')
    assert words in done.stderr.decode() and done.stderr.decode().startswith('qmail-verify-gate: ')


def test_a_server_that_cannot_be_asked(host):
    done = run(host, 'line', env={'VERIFY': 'mail.example.org:25'})
    assert done.returncode == 100
    assert b'VERIFY names a server that cannot be asked: "mail.example.org:25"' in done.stderr


def test_help_and_version(host):
    done = run(host, '-h')
    assert done.returncode == 0 and all(name.encode() in done.stdout for name in SPEAK)
    assert run(host, '-V').stdout.startswith(b'qmail-verify-gate ')
