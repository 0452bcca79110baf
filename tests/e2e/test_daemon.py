"""The daemon on a small host of its own: the CVEs, faults, signals. Beside it: test_changes.py, test_security.py."""
import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile

import pytest
import qmailhost
from qmailhost import BUILD, PASSWD, ROOT, Host, until

DAEMON = str(BUILD / 'qmail-verify')
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason='needs root: users and namespaces of its own')

JOE, EVE = 7001, 7002
ASSIGN = ('=joe:joe:7001:7001:{qmail}/home/joe:::\n+joe-:joe:7001:7001:{qmail}/home/joe:-::\n'
          '+eve-:eve:7002:7002:{qmail}/home/eve:-::\n+:alias:7003:7003:{qmail}/alias:-::\n.\n')


def joes_host(**more):
    host = Host(assign=more.pop('assign', ASSIGN), files={'home/joe/.qmail-list': '&a@example.net\n',
                                                          'home/eve/.qmail-open': '&a@example.net\n',
                                                          'alias/.qmail-info': '&a@example.net\n'}, **more)
    host.own(JOE, 'home/joe')
    host.own(EVE, 'home/eve')
    host.own(7003, 'alias')
    return host


# ---- the ancestor's holes

@needs_root
def test_cve_2020_3811_an_address_without_domain_is_judged():
    """1.32 called every address without @ valid unless envnoathost was local."""
    with joes_host() as host:
        assert host.ask(b'joe') == (b'\x90joe', 'qmail-verify: joe permitted for joe. default-delivery '
                                    f'{host.dir}/home/joe')
        answer, line = host.ask(b'nobody')
        assert answer == b'\xe1alias' and 'nobody denied. no-mailbox' in line
    with joes_host(control={'me': 'example.org\n', 'envnoathost': 'elsewhere.example\n'}) as host:
        assert host.ask(b'nobody')[0] == b'\x10'


@needs_root
def test_cve_2020_3812_homes_are_entered_as_their_user_only():
    """1.32 stat'ed dot-qmail files as root, through links: any user could ask what exists."""
    host = joes_host()
    secret = host.dir / 'secret'
    secret.mkdir(mode=0o700)
    (secret / 'there').write_text('')
    for name in ('there', 'missing'):
        (host.dir / f'home/eve/.qmail-{name}').symlink_to(secret / name)
    (host.dir / 'home/joe').chmod(0o700)
    (host.dir / 'home/eve/.qmail-joe').symlink_to(host.dir / 'home/joe/.qmail-list')
    with host:
        lines = [host.ask(f'eve-{name}@example.org'.encode()) for name in ('there', 'missing', 'joe')]
        assert [answer for answer, _ in lines] == [None] * 3
        assert all('dotqmail-unreadable' in line and line.endswith(': Permission denied') for _, line in lines)
        assert host.ask(b'eve-open@example.org')[0] == b'\xa0eve'


@needs_root
def test_a_group_of_the_daemon_opens_nothing():
    """Only the user's own group counts: root's groups do not, nor the user's other ones."""
    host = joes_host()
    folder = host.dir / 'home/eve/.qmail-box'
    folder.mkdir()
    (folder / 'x').write_text('&a@example.net\n')
    os.chown(folder, 0, 0)
    folder.chmod(0o750)
    with host:
        answer, line = host.ask(b'eve-box/x@example.org')
        assert answer is None and 'dotqmail-unreadable' in line


# ---- 1.32's packets

@needs_root
def test_recorded_answers_of_1_32():
    """The small site of the recordings: byte for byte what 1.32 answered, but where it was wrong."""
    site = ROOT / 'tests/transcripts/recorded/base/verify-site'
    if not site.is_dir():
        pytest.fail('tests/transcripts/recorded/base/verify-site is missing')
    host = Host(control={f.name: f.read_text() for f in (site / 'control').iterdir()},
                passwd=PASSWD, assign=(site / 'assign').read_text().replace('/var/qmail', '{qmail}'),
                files={name: '' for name in (site / 'dot-qmail-files').read_text().split()})
    for home in ('home/alice', 'home/bob', 'home/virt'):
        (host.dir / home).mkdir(parents=True, exist_ok=True)
    host.own(1001, 'home')
    host.own(7790, 'alias')
    with host:
        for line in (site / 'answers').read_text().splitlines():
            if line.startswith('#'):
                continue
            question, expected = (bytes.fromhex(word.replace('-', '')) for word in line.split()[:2])
            address = question.rstrip(b'\0')
            if expected[0] >> 4 == 11:  # ENOTDIR, ENAMETOOLONG: 1.32 took every error but ENOENT for valid
                expected = b'\xc0bob' if address.startswith(b'bob-list-') else b'\xe1' + expected[1:]
            answer, said = host.ask(address)
            assert answer == expected, said


@needs_root
def test_the_nul_and_what_follows_it_are_optional():
    with joes_host() as host:
        for datagram in (b'joe@example.org', b'joe@example.org\0', b'joe@example.org\0\x01more\0'):
            with host.send(datagram) as s:
                s.settimeout(10)
                assert s.recv(4096) == b'\x90joe'


@needs_root
def test_a_reply_has_at_most_33_bytes():
    user = 'u' * 40
    with joes_host(assign=f'=joe:{user}:7001:7001:{{qmail}}/home/joe:::\n.\n') as host:
        answer, line = host.ask(b'joe@example.org')
        assert answer == b'\x90' + b'u' * 32 and f'for {user}.' in line


@needs_root
def test_hostile_datagrams_do_no_harm():
    with joes_host() as host:
        for address in (bytes(range(1, 256)), b'a\nqmail-verify: x permitted for root.@example.org', b'@' * 900,
                        b'-' * 900 + b'@example.org', b'%' * 500, b'/' * 900, b'\x1b[2Jx@example.org'):
            answer, line = host.ask(address)
            assert answer is not None
            assert line.isascii() and line.isprintable()
        answer, line = host.ask(b'x' * 60000 + b'@example.org')
        assert answer == b'\xf0' and 'too-long' in line
        host.send(b'').close()
        host.logged(' ignored: it is empty')
        assert host.ask(b'joe@example.org')[0] == b'\x90joe'
        assert len(max(host.text().split('\n'), key=len)) <= 4096


def thrown_back(host, port, datagram):
    """Asks from a port where everything that comes is thrown back, as an echo service does; how often it went round."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(('127.0.0.2', port))
        s.sendto(datagram, ('127.0.0.1', host.port))
        rounds = 0
        while 'ignored' not in host.text() and rounds < 100:
            if select.select([s], [], [], 0.01)[0]:
                s.sendto(s.recv(4096), ('127.0.0.1', host.port))
                rounds += 1
        return rounds


@needs_root
def test_datagrams_from_a_verification_port_are_ignored():
    """A plain answer is a valid plain question: two daemons would talk for ever."""
    with joes_host() as host:
        assert thrown_back(host, host.port, b'\xa0joe') == 0
        host.logged(f"datagram from 127.0.0.2:{host.port} ignored: that is a verification server's port")


@needs_root
def test_datagrams_from_the_ports_of_services_are_ignored():
    with joes_host() as host:
        assert thrown_back(host, 7, b'joe@example.org\0') == 0
        host.logged('datagram from 127.0.0.2:7 ignored: no client asks from a port below 1024')


@needs_root
@pytest.mark.parametrize('address', [b'joe@example.org', b'none@example.org', b'eve-open@example.org', b'@example.org',
                                     b'x@elsewhere.example', b'joe-any@example.org', b'joe-open@example.org'])
def test_answers_that_are_thrown_back_are_ignored(address):
    """An echo service on any port, asked by a forged source: the loop ends with the first answer."""
    host = joes_host()
    host.write('home/joe/.qmail-any-default', '')
    host.write('home/joe/.qmail-default', '')
    with host:
        assert thrown_back(host, 0, address + b'\0') == 1
        host.logged('ignored: it is an answer, not a question')


# ---- passwd and NSS

NSS_ERRORS = ['ENOENT', 'ESRCH', 'EBADF', 'EPERM', 'EIO', 'ETIMEDOUT', 'ECONNREFUSED', 'EMFILE']


@pytest.fixture(scope='module')
def nss_module(tmp_path_factory):
    """A folder with libnss_qvtest.so.2: fails as the file named in QVTEST_NSS says."""
    folder = tmp_path_factory.mktemp('nss')
    subprocess.run(['gcc', '-shared', '-fPIC', '-o', str(folder / 'libnss_qvtest.so.2'),
                    str(ROOT / 'tests/nss/nss_qvtest.c')], check=True)
    (folder / 'libnss_qvnobody.so.2').symlink_to('libnss_qvtest.so.2')
    return folder


def nss_host(module, how, sources='files qvtest'):
    host = Host(passwd=PASSWD + 'joe:x:7001:7001::{qmail}/home/joe:/bin/sh\n', nsswitch=f'passwd: {sources}\ngroup: files\n',
                env={'LD_LIBRARY_PATH': str(module), 'QVTEST_NSS': '/nonexistent'})
    host.env['QVTEST_NSS'] = str(host.write('how', how))
    (host.dir / 'home/joe').mkdir(parents=True)
    host.own(7001, 'home/joe')
    host.own(7790, 'alias')
    return host


@needs_root
@pytest.mark.parametrize('status', ['UNAVAIL', 'TRYAGAIN'])
@pytest.mark.parametrize('error', NSS_ERRORS)
def test_a_failed_passwd_lookup_is_no_answer(nss_module, status, error):
    """Only 0 with a null result means "no such user": modules return all of these when their server is away."""
    import errno
    with nss_host(nss_module, f'{status} {getattr(errno, error)}\n') as host:
        answer, line = host.ask(b'someone@example.org')
        assert answer is None and ' passwd-trouble someone: ' in line
        host.write('how', 'NOTFOUND 0\n')
        answer, line = host.ask(b'someone@example.org')
        assert answer == b'\xe1alias', line


@needs_root
@pytest.mark.parametrize('sources', ['files qvtest qvnobody', 'qvtest files qvnobody', 'files nothere qvtest qvnobody',
                                     'qvtest [NOTFOUND=return] files', 'files qvnobody qvtest [UNAVAIL=continue] qvnobody'])
@pytest.mark.parametrize('status', ['UNAVAIL 2', 'TRYAGAIN 11'])
def test_a_source_of_passwd_that_fails_is_not_hidden_by_those_behind_it(nss_module, status, sources):
    """By default glibc passes it over, and says what the last one says."""
    with nss_host(nss_module, status + '\n', sources) as host:
        answer, line = host.ask(b'someone@example.org')
        assert answer is None and ' passwd-trouble someone: ' in line
        assert host.ask(b'joe@example.org')[0] == b'\x90joe'  # whoever is found is found
        host.write('how', 'NOTFOUND 0\n')
        answer, line = host.ask(b'someone@example.org')
        assert answer == b'\xe1alias', line


@needs_root
def test_a_source_that_is_not_reached_may_fail(nss_module):
    with nss_host(nss_module, 'UNAVAIL 2\n', 'files qvnobody [NOTFOUND=return] qvtest qvnobody') as host:
        assert host.ask(b'someone@example.org')[0] == b'\xe1alias'


@needs_root
def test_a_slow_source_of_passwd_keeps_no_other_question_waiting(nss_module):
    """What only getpwnam_r can tell is asked by slow workers; there is one other worker here."""
    def answer(to, seconds):
        to.settimeout(seconds)
        return to.recv(100)

    with nss_host(nss_module, 'NOTFOUND 0 400\n') as host:
        slow = []
        for i in range(20):
            slow.append(host.send(b'nobody%d@example.org' % i))
            with host.send(b'x@elsewhere.example') as remote, host.send(b'joe@example.org') as joe:
                assert answer(remote, 0.4) == b'\x10'
                assert answer(joe, 0.4) == b'\x90joe'
        for one in slow:
            with one:
                assert answer(one, 10) == b'\xe1alias'


@needs_root
def test_what_a_source_of_passwd_said_is_good_for_a_second(nss_module):
    with nss_host(nss_module, 'NOTFOUND 0\n') as host:
        asked = host.write('how.asked', '')
        asked.chmod(0o666)
        for _ in range(200):
            assert host.ask(b'someone@example.org')[0] == b'\xe1alias'
        assert 0 < asked.stat().st_size < 100
        host.write('how', 'UNAVAIL 5\n')
        # a failure is never kept, nor hidden for longer than that
        until('the failure shows', lambda: host.ask(b'someone@example.org')[0] is None)
        host.write('how', 'NOTFOUND 0\n')
        assert host.ask(b'someone@example.org')[0] == b'\xe1alias'


@needs_root
def test_without_qmailp_no_passwd_home_is_judged():
    passwd = 'alias:x:7790:2108::{qmail}/alias:/bin/true\njoe:x:7001:7001::{qmail}/home/joe:/bin/sh\n'
    with Host(passwd=passwd) as host:
        answer, line = host.ask(b'joe@example.org')
        assert answer is None and 'home-stat-trouble' in line


# ---- users/cdb

@needs_root
def test_users_cdb_counts_at_once_and_its_damage_is_survived():
    with joes_host() as host:
        whole = (host.dir / 'users/cdb').read_bytes()
        for damage in (b'', whole[:1000], whole[:2100], b'\xff' * 5000, b'\0' * 2048):
            host.write('users/cdb', damage)
            answer, line = host.ask(b'joe@example.org')
            assert answer is None and 'cdb-trouble users/cdb' in line
            assert host.ask(b'x@elsewhere.example')[0] == b'\x10'
        (host.dir / 'users/cdb').unlink()
        (host.dir / 'users/cdb').mkdir()
        assert 'cdb-trouble' in host.ask(b'joe@example.org')[1]
        (host.dir / 'users/cdb').rmdir()
        host.assign(ASSIGN)
        assert host.ask(b'joe@example.org')[0] == b'\x90joe'
        host.assign(ASSIGN.replace('+:', '=late:late:7001:7001:{qmail}/home/joe:::\n+:'))
        assert host.ask(b'late@example.org')[0] == b'\x90late'


# ---- control files

@needs_root
def test_control_files_that_cannot_be_read_make_no_answer_and_are_awaited():
    with joes_host(control={'rcpthosts': ''}) as host:
        answer, line = host.ask(b'joe@example.org')
        assert answer is None and 'control-trouble' in line
        host.logged('neither control/me nor control/locals exists')
        host.control('me', 'example.org\n')
        host.logged('control files can be read again')
        assert host.ask(b'joe@example.org')[0] == b'\x90joe'
        assert host.text().count('neither control/me') == 1


@needs_root
def test_sighup_with_an_unreadable_file_changes_nothing():
    with joes_host() as host:
        (host.dir / 'control/locals').mkdir()
        host.signal(signal.SIGHUP)
        host.logged('control/locals cannot be read: Is a directory; what was read before stays in force')
        assert host.ask(b'joe@example.org')[0] == b'\x90joe'
        assert host.ask(b'none@example.org')[0] == b'\xe1alias'


# ---- signals, start, rights

@needs_root
def test_sigterm_answers_what_is_in_the_socket():
    with joes_host() as host:
        host.signal(signal.SIGSTOP)
        asked = [host.send(b'joe@example.org\0') for _ in range(100)]
        host.signal(signal.SIGTERM)
        host.signal(signal.SIGCONT)
        assert host.process.wait(20) == 0
        for s in asked:
            s.settimeout(10)
            assert s.recv(100) == b'\x90joe'
            s.close()
        assert host.text().endswith('qmail-verify: SIGTERM: done.\n')


@needs_root
def test_a_log_that_nobody_reads_does_not_stop_the_answers():
    host = joes_host()
    with host:
        pass
    host = joes_host()
    reader, writer = os.pipe()
    process = subprocess.Popen([DAEMON], stderr=writer, env={'QMAILDIR': str(host.dir),
                                                             'LISTEN': f'127.0.0.1:{host.port}'})
    try:
        assert b'Listening' in os.read(reader, 200)
        for _ in range(2000):
            with host.send(b'joe@example.org\0') as s:
                s.settimeout(10)
                assert s.recv(100) == b'\x90joe'
        text = b''
        while b'dropped' not in text and b'lost' not in text:
            text += os.read(reader, 65536)
            with host.send(b'joe@example.org\0') as s:
                s.settimeout(10)
                s.recv(100)
    finally:
        process.terminate()
        assert process.wait(20) == 0
        os.close(reader)
        os.close(writer)
        shutil.rmtree(host.dir)


def run(*arguments, **env):
    return subprocess.run([DAEMON, *arguments], env={'PATH': '/bin', **env}, capture_output=True, text=True,
                          timeout=20)


def test_misuse_is_100_with_a_word():
    wrong = run('-x')
    assert wrong.returncode == 100 and 'usage: qmail-verify [-V]' in wrong.stderr
    for listen in ('localhostess', '1.2.3', '1.2.3.4:0', '1.2.3.4:70000', ':x', '::1'):
        wrong = run(QMAILDIR='/', LISTEN=listen)
        assert wrong.returncode == 100, listen
        assert f'LISTEN={listen}: ' in wrong.stderr


def test_a_taken_port_and_a_missing_directory_are_111():
    wrong = run(QMAILDIR='/nonexistent/qmail')
    assert wrong.returncode == 111 and '/nonexistent/qmail: No such file or directory' in wrong.stderr
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(('127.0.0.1', 0))
        wrong = run(QMAILDIR='/', LISTEN='127.0.0.1:%d' % s.getsockname()[1])
    assert wrong.returncode == 111 and 'cannot listen on 127.0.0.1:' in wrong.stderr


def test_the_settings_are_shown():
    shown = run('-V')
    assert shown.returncode == 0 and shown.stderr == ''
    assert 'break character: -\n' in shown.stdout and 'forbidden mode bits: 002\n' in shown.stdout


@needs_root
def test_without_root_only_own_homes_are_judged():
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        no_dir = subprocess.run(['setpriv', '--reuid=7001', '--regid=7001', '--clear-groups',
                                 shutil.copy(DAEMON, folder)], env={}, capture_output=True, text=True, timeout=20)
    assert no_dir.returncode == 100 and 'set QMAILDIR' in no_dir.stderr
    with joes_host(uid=JOE) as host:
        assert host.ask(b'joe@example.org')[0] == b'\x90joe'
        assert host.ask(b'joe-none@example.org')[0] == b'\xe1joe'
        answer, line = host.ask(b'eve-open@example.org')
        assert answer is None and 'identity-trouble' in line
