"""Where the daemon listens, and who may ask: LISTEN, UNIX sockets, control/verifyclients."""
import contextlib
import os
import select
import signal
import socket
import stat
import subprocess
import sys

import network
import pytest
from packets import INVALID, VALID, parse, question
from qmailhost import BUILD, PASSWD, Host, until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason='needs root: users and networks of its own')

ASSIGN = '=joe:joe:7001:7001:{qmail}/home/joe:::\n+:alias:7003:7003:{qmail}/alias:-::\n.\n'
STRANGER = 7009
JOE, NOBODY = b'joe@example.org', b'nobody@example.org'


def host_on(listen, assign=ASSIGN, **more):
    """listen may name {port}, {dir} and {other}, a second port."""
    host = Host(assign=assign, files={'home/joe/Maildir/new': ''}, **more)
    host.own(7001, 'home/joe')
    host.own(7003, 'alias')
    host.other = host.port + 1
    host.path = host.dir / 's'
    host.env['LISTEN'] = listen.format(port=host.port, other=host.other, dir=host.dir)
    return host


def family(ip):
    return socket.AF_INET6 if ':' in ip else socket.AF_INET


@contextlib.contextmanager
def client(to, source=None):
    """A socket that hears everybody; source: its own (ip, port)."""
    with socket.socket(family(to), socket.SOCK_DGRAM) as s:
        s.settimeout(20)
        if source:
            s.bind(source)
        yield s


def ask(ip, port, datagram=JOE + b'\0', source=None):
    """The answer, and where it came from."""
    with client(ip, source) as s:
        s.sendto(datagram, (ip, port))
        answer, came = s.recvfrom(65536)
        return answer, came[:2]


def local(path):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.settimeout(20)
    s.connect(str(path))
    return s


def ask_local(path, datagram=JOE + b'\0'):
    with local(path) as s:
        s.send(datagram)
        return s.recv(65536)


def as_stranger(code, *arguments):
    """Runs a piece of Python as a user whom the daemon does not know; what it prints."""
    done = subprocess.run(['setpriv', f'--reuid={STRANGER}', f'--regid={STRANGER}', '--clear-groups', sys.executable, '-c',
                           'import socket, sys\n' + code, *map(str, arguments)], cwd='/', capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def second(host, listen):
    """Another daemon for the same host: its exit code and its log."""
    done = subprocess.run([BUILD / 'qmail-verify'], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
                          env={**{k: v for k, v in os.environ.items() if k.endswith('SAN_OPTIONS')},
                               'PATH': '/usr/bin:/bin', 'QMAILDIR': str(host.dir), 'LISTEN': listen})
    return done.returncode, done.stderr


# ---- endpoints

def test_several_endpoints_at_once():
    with network.own(), host_on(' 127.0.0.1:{port}, 127.0.0.2:{other},{dir}/s') as host:
        for words in (f'Listening on address: 127.0.0.1, port {host.port}.',
                      f'Listening on address: 127.0.0.2, port {host.other}.',
                      f'Listening on socket: {host.path}.'):
            host.logged(words)
        assert ask('127.0.0.1', host.port)[0] == b'\x90joe'
        assert ask('127.0.0.2', host.other)[0] == b'\x90joe'
        assert ask_local(host.path) == b'\x90joe'
        answer = parse(ask_local(host.path, question(NOBODY)))
        assert (answer.result, answer.user) == (INVALID, b'alias')


def test_ipv6_beside_ipv4():
    with network.own('2001:db8::1'):
        network.need_ipv6()
        with host_on('0.0.0.0:{port},[::]:{port},[::1]:{other}') as host:
            for ip, port in (('127.0.0.1', host.port), ('::1', host.port), ('2001:db8::1', host.port),
                             ('::1', host.other)):
                assert ask(ip, port) == (b'\x90joe', (ip, port))


def test_answers_leave_from_the_address_that_was_asked():
    with network.own('192.0.2.1', '192.0.2.9'), host_on('0.0.0.0:{port}') as host:
        for ip in ('127.0.0.2', '127.0.0.1', '192.0.2.9', '192.0.2.1'):
            assert ask(ip, host.port) == (b'\x90joe', (ip, host.port))
            assert ask(ip, host.port, question(NOBODY))[1] == (ip, host.port)


def test_a_link_local_address_is_answered_on_its_interface():
    with network.own():
        network.need_ipv6()
        network.ip('link', 'add', 'qv0', 'type', 'veth', 'peer', 'name', 'qv1')
        network.ip('link', 'set', 'qv0', 'up')
        network.ip('link', 'set', 'qv1', 'up')
        network.ip('address', 'add', 'fe80::25/64', 'dev', 'qv0', 'nodad')
        with host_on('[::]:{port}') as host, client('::') as s:
            s.sendto(JOE + b'\0', ('fe80::25', host.port, 0, socket.if_nametoindex('qv0')))
            answer, (ip, port, _, scope) = s.recvfrom(4096)
            assert (answer, ip.partition('%')[0], port) == (b'\x90joe', 'fe80::25', host.port)
            assert scope == socket.if_nametoindex('qv0')


@pytest.mark.parametrize('listen, words', [
    ('127.0.0.1:{port},', 'nothing stands before or behind a comma'),
    ('127.0.0.1:{port},localhost:{port}', 'stands before it and is the same'),
    ('0.0.0.0:{port},127.0.0.1:{port}', 'stands before it and is the same, or has it within'),
    ('127.0.0.1:{port},mail.example', 'names are not looked up')])
def test_a_list_that_cannot_be_read_is_misuse(listen, words):
    host = host_on('')
    code, log = second(host, listen.format(port=host.port))
    assert code == 100 and 'LISTEN=' in log and words in log


def test_a_second_daemon_harms_nobody():
    """The same port, or the same path: it fails with a word, and leaves nothing behind."""
    with network.own(), host_on('127.0.0.1:{port},{dir}/s') as host:
        before = os.stat(host.path)
        for listen, words in ((f'127.0.0.1:{host.port}', 'Address already in use'),
                              (f'{host.path}', 'another program listens there; stop it, or name another path in LISTEN'),
                              (f'{host.dir}/t,127.0.0.1:{host.other},{host.path}', 'another program listens there')):
            code, log = second(host, listen)
            assert code == 111 and f'cannot listen on {listen.split(",")[-1]}: ' in log and words in log
        after = os.stat(host.path)
        assert (before.st_ino, before.st_mode) == (after.st_ino, after.st_mode)
        assert not (host.dir / 't').exists()
        assert ask('127.0.0.1', host.port)[0] == ask_local(host.path) == b'\x90joe'


# ---- the UNIX socket

def test_owner_group_and_mode_of_the_socket():
    passwd = PASSWD + 'qmaild:x:7791:2107::{qmail}:/bin/true\n'
    with host_on('127.0.0.1:{port},{dir}/s', passwd=passwd) as host:
        st = os.stat(host.path)
        assert stat.S_ISSOCK(st.st_mode)
        assert (st.st_uid, st.st_gid, st.st_mode & 0o7777) == (0, 2107, 0o660)
        ask_it = ('s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\ns.connect(sys.argv[1])\n'
                  's.send(b"joe@example.org\\0")\nprint(s.recv(100))')
        done = subprocess.run(['setpriv', '--reuid=7791', '--regid=2107', '--clear-groups', sys.executable, '-c',
                               'import socket, sys\n' + ask_it, str(host.path)], cwd='/', capture_output=True, text=True)
        assert done.stdout.strip() == str(b'\x90joe'), done.stderr


def test_another_user_cannot_ask_by_the_socket():
    with host_on('127.0.0.1:{port},{dir}/s') as host:
        assert as_stranger('s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n'
                           'try:\n  s.connect(sys.argv[1])\n  print("connected")\n'
                           'except OSError as error:\n  print(error.strerror)', host.path) == 'Permission denied'
        assert ask_local(host.path) == b'\x90joe'


def test_a_path_that_was_left_behind_is_used_again():
    with host_on('127.0.0.1:{port},{dir}/s') as host:
        before = os.stat(host.path)
        host.signal(signal.SIGKILL)
        host.process.wait()
        assert os.stat(host.path).st_ino == before.st_ino
        until('its workers have ended', lambda: refuses(host.path) and free(host.port))
        host.start()
        host.logged('Listening on socket')
        assert ask_local(host.path) == b'\x90joe'
        assert host.stop() == 0
        assert not host.path.exists(), 'its path is gone with it'


def refuses(path):
    try:
        local(path).close()
    except ConnectionRefusedError:
        return True
    return False


def free(port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.bind(('127.0.0.1', port))
        except OSError:
            return False
    return True


def test_what_is_no_socket_is_left_alone():
    host = host_on('')
    host.path.write_text('precious')
    code, log = second(host, str(host.path))
    assert code == 111 and "something else than a socket is there; remove it, or name another path in LISTEN" in log
    assert host.path.read_text() == 'precious'


def test_a_directory_where_others_write_is_warned_of():
    host = host_on('127.0.0.1:{port},{dir}/open/s')
    (host.dir / 'open').mkdir()
    (host.dir / 'open').chmod(0o777)
    with host:
        host.logged(f'others than root can write in {host.dir}/open')


def test_peers_that_do_not_play_by_the_rules():
    """Thousands that connect and go, that half go, that never read, that are killed: others are answered."""
    with host_on('127.0.0.1:{port},{dir}/s') as host:
        before = descriptors(host.process.pid)
        with local(host.path) as deaf:
            deaf.setblocking(False)
            with contextlib.suppress(OSError):  # full, then closed
                for _ in range(20000):
                    deaf.send(question(NOBODY))
            for n in range(3000):
                s = until('there is room for one more', lambda: connected(host.path))
                if n % 3 == 0:
                    s.send(b'' if n % 2 else JOE)
                if n % 5 == 0:
                    s.shutdown(socket.SHUT_WR)
                s.close()
            killed = subprocess.Popen([sys.executable, '-c', 'import socket, sys, time\nall = []\nfor n in range(100):\n'
                                       '  s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n  s.connect(sys.argv[1])\n'
                                       '  all.append(s)\nprint(flush=True)\ntime.sleep(1000)', host.path],
                                      stdout=subprocess.PIPE)
            killed.stdout.read(1)
            killed.kill()
            killed.wait()
            killed.stdout.close()
            assert ask_local(host.path) == b'\x90joe'
        until('all connections are gone', lambda: descriptors(host.process.pid) <= before)


def connected(path):
    """A connection, or None where nobody has been taken for too long: clients try again, too."""
    with contextlib.suppress(BlockingIOError):
        return local(path)
    return None


def descriptors(pid):
    return len(os.listdir(f'/proc/{pid}/fd'))


# ---- UDP: who may stand beside, who is not answered

@pytest.mark.parametrize('option', ['SO_REUSEADDR', 'SO_REUSEPORT'])
def test_another_user_cannot_bind_beside_the_daemon(option):
    code = (f's = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.setsockopt(socket.SOL_SOCKET, socket.{option}, 1)\n'
            'for ip in ("127.0.0.1", "0.0.0.0"):\n  try:\n    s.bind((ip, int(sys.argv[1])))\n    print("bound", ip)\n'
            '  except OSError as error:\n    print(error.strerror)')
    with network.own(), host_on('127.0.0.1:{port}') as host:
        assert as_stranger(code, host.port).split('\n') == ['Address already in use'] * 2


def test_plain_datagrams_from_verification_ports_are_dropped():
    """11113, and each port that is listened on; extended questions are no answers, and answered."""
    with network.own(), host_on('127.0.0.1:{port},127.0.0.1:{other}') as host:
        for port in (11113, host.port, host.other):
            with client('127.0.0.2', ('127.0.0.2', port)) as s:
                s.sendto(JOE + b'\0', ('127.0.0.1', host.other))
                host.logged(f"datagram from 127.0.0.2:{port} ignored: that is a verification server's port")
                s.sendto(question(JOE), ('127.0.0.1', host.other))
                assert parse(s.recv(4096)).result == VALID  # the first that came


# ---- control/verifyclients

def unanswered(host, ip, source, words):
    """A question to which there is no answer once the log has these words."""
    with client(ip, (source, 0)) as s:
        s.sendto(JOE + b'\0', (ip, host.port))
        host.logged(words)
        assert not select.select([s], [], [], 0)[0]


def test_without_verifyclients_everybody_is_answered_and_the_log_is_loud():
    with network.own('192.0.2.1', '192.0.2.9', '192.0.2.10'), host_on('127.0.0.1:{other},192.0.2.1:{port}') as host:
        host.logged(f'LISTEN: 192.0.2.1:{host.port} is not a loopback address, and there is no control/verifyclients')
        assert f'127.0.0.1:{host.other} is not' not in host.text()
        for source in ('192.0.2.9', '192.0.2.10', '192.0.2.9'):
            assert ask('192.0.2.1', host.port, source=(source, 0))[0] == b'\x90joe'
            host.logged(f'{source} asks from beyond this host, and there is no control/verifyclients')
        assert host.text().count('192.0.2.9 asks from beyond') <= 2, 'once a minute of each worker'


def test_verifyclients_says_who_is_answered():
    control = {'me': 'example.org\n', 'verifyclients': '# mx\n192.0.2.8/31\n2001:db8:9::/48\n'}
    with network.own('192.0.2.1', '192.0.2.9', '192.0.2.10', '2001:db8::1', '2001:db8:9::9', '2001:db8:8::9'):
        network.need_ipv6()
        with host_on('0.0.0.0:{port},[::]:{port}', control=control) as host:
            assert 'not a loopback address' not in host.text()
            assert ask('192.0.2.1', host.port, source=('192.0.2.9', 0))[0] == b'\x90joe'
            assert ask('2001:db8::1', host.port, source=('2001:db8:9::9', 0))[0] == b'\x90joe'
            assert ask('127.0.0.1', host.port)[0] == ask('::1', host.port)[0] == b'\x90joe', 'loopback needs no line'
            for ip, source in (('192.0.2.1', '192.0.2.10'), ('2001:db8::1', '2001:db8:8::9')):
                unanswered(host, ip, source, f'datagram from {source} ignored: it is not in control/verifyclients')
            assert 'asks from beyond' not in host.text()

            host.control('verifyclients', '192.0.2.10\n')
            host.logged('control/verifyclients has changed: taken over')
            assert ask('192.0.2.1', host.port, source=('192.0.2.10', 0))[0] == b'\x90joe'
            unanswered(host, '192.0.2.1', '192.0.2.9', 'datagram from 192.0.2.9 ignored: it is not in control/verifyclients')


def test_an_empty_verifyclients_lets_nobody_in():
    control = {'me': 'example.org\n', 'verifyclients': '192.0.2.9/24\n'}
    with network.own('192.0.2.1', '192.0.2.9'), host_on('0.0.0.0:{port}', control=control) as host:
        host.logged('control/verifyclients line 1: "192.0.2.9/24": there are bits set behind the prefix; until this is mended '
                    'it lets nobody in')
        unanswered(host, '192.0.2.1', '192.0.2.9', 'datagram from 192.0.2.9 ignored')
        assert ask('127.0.0.1', host.port)[0] == b'\x90joe'


# ---- how long answers are

def test_answers_are_bounded():
    """At most 33 bytes to a plain question, at most twice an extended one."""
    user = 'u' * 250
    with host_on('127.0.0.1:{port},{dir}/s', assign=f'=joe:{user}:7001:7001:{{qmail}}/home/joe:::\n.\n') as host:
        for answer_to in (lambda q: ask('127.0.0.1', host.port, q)[0], lambda q: ask_local(host.path, q)):
            for plain in (b'joe', JOE, JOE + b'\0', JOE + b'\0' + b'x' * 500):
                assert answer_to(plain) == b'\x90' + user[:32].encode()
            for asked in (question(b'joe'), question(JOE), question(JOE, '2001:db8::1')):
                answer = answer_to(asked)
                assert 28 <= len(answer) <= 2 * len(asked)
                assert user.startswith(parse(answer).user.decode())
            long = question(JOE) + b'\x63\0\xc8' + b'x' * 200
            assert user.encode() in answer_to(long), 'with room for it, the whole user'
