"""The rows of TABLE, in its order: what happens there, and that it passes."""
import concurrent.futures
import contextlib
import errno
import os
import shutil
import signal
import subprocess
import threading
import time

import namespaces
import pytest
from faulthost import (ASSIGN, FAULT, INVALID, ROOT_RUN, SOAK, VALID, Client, FaultHost, children, descriptors, limit, table,
                       verify)
from mailhost import CONTROL, GID, UID
from proxy import KINDS, Proxy
from qmailhost import until

JOE, NOBODY, ADDRESSES = VALID[0], INVALID[0], VALID + INVALID
needs_root = pytest.mark.skipif(not ROOT_RUN, reason='needs root: users of its own')
needs_mounts = pytest.mark.skipif(bool(namespaces.trouble()), reason='needs root, and a root directory that is a '
                                  f'mount point ({namespaces.trouble()})')


def usual(seen, host):
    """Once a fault is over: what is always answered."""
    codes = seen.ask(host, JOE, NOBODY)
    assert (codes[JOE], codes[NOBODY]) == ('250', '550'), codes


def eventually(seen, host):
    """The same where the fault takes a moment to end."""
    until('the fault is over', lambda: seen.ask(host, JOE)[JOE] == '250')
    usual(seen, host)


@contextlib.contextmanager
def again_and_again(work, pause=0.001):
    """Does work(n) for n = 0, 1, ... beside the body; gives how often it was done."""
    done, over = [], threading.Event()

    def loop():
        while not over.wait(pause):
            work(len(done))
            done.append(1)

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        beside = pool.submit(loop)
        try:
            yield lambda: len(done)
        finally:
            over.set()
        beside.result()


# ---- the table and the tools

def test_every_row_has_a_test(request):
    if request.config.option.keyword or any('::' in name for name in request.config.args):
        pytest.skip('only some tests were asked for')
    tests = {item.name.removeprefix('test_') for item in request.session.items if 'seen' in item.fixturenames}
    assert set(table()) == tests


# What may be interrupted, fail for want of something, or wait for a file server.
FALLIBLE = """open openat open64 openat64 __open_2 __openat_2 fopen fopen64 freopen opendir fdopendir stat lstat fstatat
    statx access faccessat chdir fchdir readlink readlinkat read pread pread64 readv preadv __read_chk __pread_chk
    write writev pwrite pwritev2 send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg __recv_chk
    __recvfrom_chk accept accept4 socket socketpair pipe pipe2 dup dup2 eventfd epoll_create1 signalfd timerfd_create
    poll ppoll __poll_chk __ppoll_chk select pselect epoll_wait epoll_pwait wait wait4 waitid waitpid
    nanosleep clock_nanosleep usleep sleep fork vfork posix_spawn clone malloc calloc realloc reallocarray
    aligned_alloc posix_memalign mmap time gettimeofday clock_gettime getline fgets fread""".split()


def imports(program):
    text = subprocess.run(['nm', '--dynamic', '--undefined-only', program], check=True, capture_output=True, text=True)
    return {line.split()[-1].split('@')[0] for line in text.stdout.splitlines()}


def test_shim_stands_before_every_call(tools, plain):
    """What the daemon calls and may fail, shim.c makes fail."""
    text = subprocess.run(['nm', '--dynamic', '--defined-only', tools / 'shim.so'], check=True, capture_output=True,
                          text=True).stdout
    ours = {line.split()[-1] for line in text.splitlines()}
    assert imports(plain / 'qmail-verify') & set(FALLIBLE) - ours == set()


# ---- the daemon goes and comes

over = pytest.mark.parametrize('over', ['udp', pytest.param('unix', marks=needs_mounts)])


@over
def test_daemon_killed(tools, seen, over):
    with FaultHost(tools, over=over) as host, Client(host) as session:
        seen.host(host)
        session.mail()
        for _ in range(20 if SOAK else 2):
            host.kill()
            seen.rcpt(session, NOBODY)
            seen.rcpt(session, JOE)
            host.answers()
            assert seen.rcpt(session, JOE) == '250', 'the session goes on, and the daemon is asked again'
            assert seen.rcpt(session, NOBODY) == '550'
        session.say('RSET')
        with again_and_again(lambda _: host.kill(), pause=0.5) as killed:
            while killed() < (100 if SOAK else 2):
                seen.many(host, 20, *VALID[:3], *INVALID[:3])


@over
def test_daemon_stopped(tools, seen, over):
    with FaultHost(tools, over=over) as host, Client(host) as session:
        seen.host(host)
        session.mail()
        with host.stopped():
            assert seen.rcpt(session, NOBODY) == '451'
            assert seen.rcpt(session, JOE) == '451'
        for _ in range(3):  # the answers to the questions before are late, and are not taken for these
            assert seen.rcpt(session, JOE) == '250'
            assert seen.rcpt(session, NOBODY) == '550'
        seen.send(host)


@over
def test_workers_killed(tools, seen, over):
    with FaultHost(tools, over=over) as host:
        def kill(_):
            with contextlib.suppress(ProcessLookupError):
                os.kill(host.workers()[0], signal.SIGKILL)

        with again_and_again(kill, pause=0.1) as killed:
            while killed() < (200 if SOAK else 5):
                seen.many(host, 20, *VALID[:3], *INVALID[:3])
        host.verify.logged('ended by signal 9: another one takes its place')
        eventually(seen, host)


@over
def test_worker_stopped(tools, seen, over):
    with FaultHost(tools, over=over) as host:
        for pid in host.workers():
            os.kill(pid, signal.SIGSTOP)
            seen.many(host, 100 if SOAK else 8, *VALID, *INVALID)
        host.verify.logged('a worker was stopped by a signal: another one takes its place')
        usual(seen, host)


def test_workers_cannot_be_had(tools, seen):
    with FaultHost(tools, shim=True) as host:
        workers = host.workers()
        with host.fault('fork', str(errno.EAGAIN)):
            for pid in workers:
                os.kill(pid, signal.SIGKILL)
            host.verify.logged('cannot fork a worker')
            assert set(seen.ask(host, JOE, NOBODY).values()) == {'451'}
        eventually(seen, host)


# ---- homes

@over
def test_home_hangs(tools, seen, over):
    """Two homes, entered again and again; whoever lives elsewhere does not notice."""
    with FaultHost(tools, shim=True, over=over) as host:
        there, others = [a for a in ADDRESSES if 'shop' in a], [a for a in ADDRESSES if 'shop' not in a]
        with host.fault('door', '0 {qmail}/home/shop'):
            def ask(n):
                codes = seen.ask(host, *others, message=False) if n % 2 else seen.ask(host, *there)
                assert n % 2 or set(codes.values()) == {'451'}
                assert not n % 2 or '451' not in codes.values()

            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                list(pool.map(ask, range(2000 if SOAK else 100)))
            host.verify.logged(f'{host.dir}/home/shop')
        until('the home is entered again', lambda: seen.ask(host, *there)[there[0]] == '250')
        usual(seen, host)


# ---- the network

@pytest.mark.parametrize('kind', [*KINDS, 'all'])
def test_datagrams(tools, seen, kind):
    kinds = KINDS if kind == 'all' else (kind,)
    for seed in range(1, 6 if SOAK else 2):
        with FaultHost(tools) as host, Proxy(host.port, kinds, seed) as proxy:
            host.rules(verify(f'127.0.0.1:{proxy.port}'))
            seen.many(host, 200 if SOAK else 16, *VALID[:4], *INVALID[:4], threads=16)
        assert all(proxy.count[k] for k in kinds), proxy.count


# ---- the queue

QUEUE = {
    0: '250 ok',
    11: '554 envelope address too long for qq (#5.1.3)', 115: '554 envelope address too long for qq (#5.1.3)',
    31: '554 mail server permanently rejected message (#5.3.0)',
    51: '451 qq out of memory (#4.3.0)', 52: '451 qq timeout (#4.3.0)',
    53: '451 qq write error or disk full (#4.3.0)', 54: '451 qq read error (#4.3.0)',
    55: '451 qq unable to read configuration (#4.3.0)',
    56: '451 qq trouble making network connection (#4.3.0)', 61: '451 qq trouble in home directory (#4.3.0)',
    **{code: '451 qq trouble creating files in queue (#4.3.0)' for code in (62, 63, 64, 65, 66)},
    71: '451 mail server temporarily rejected message (#4.3.0)',
    72: '451 connection to mail server timed out (#4.4.1)', 73: '451 connection to mail server rejected (#4.4.1)',
    74: '451 communication with mail server failed (#4.4.2)',
    81: '451 qq internal bug (#4.3.0)', 91: '451 qq internal bug (#4.3.0)', 120: '451 unable to exec qq (#4.3.0)',
    **{code: '554 qq permanent problem (#5.3.0)' for code in range(11, 41) if code not in (11, 31)},
}


def test_queue_full(tools, seen):
    rules = {'127.0.0.1': verify()['127.0.0.1'], '127.0.0.2': 'UNREAD="53"', '127.0.0.3': 'UNREAD="0"'}
    with FaultHost(tools, rules=rules) as host, Client(host) as session:
        seen.host(host)
        session.say('HELO client.example.com')
        for code in range(256):
            session.say(f'MAIL FROM:<exit-{code}-x@example.com>')
            assert seen.rcpt(session, JOE) == '250'
            reply = seen.message(session)
            assert reply.startswith(QUEUE.get(code, '451 qq temporary problem (#4.3.0)')), (code, reply)
        assert seen.ask(host, JOE, sender='crash-x@example.com')['message'] == '451 qq crashed (#4.3.0)'


def test_queue_ends_early(tools, seen):
    """Without reading what it is given: where it says 0 all the same, that is no success."""
    rules = {'127.0.0.1': verify()['127.0.0.1'], '127.0.0.2': 'UNREAD="53"', '127.0.0.3': 'UNREAD="0"'}
    with FaultHost(tools, rules=rules) as host:
        seen.host(host)
        for source, expected in (('127.0.0.2', QUEUE[53]), ('127.0.0.3', QUEUE[54]), ('127.0.0.1', QUEUE[0])):
            with Client(host, source) as session:
                session.mail()
                seen.rcpt(session, JOE)
                assert seen.message(session, 'x' * 70 * 20000).startswith(expected), source


def test_queue_missing(tools, seen):
    with FaultHost(tools) as host:
        program = host.dir / 'bin/fault-queue'
        program.rename(host.dir / 'bin/away')
        assert seen.ask(host, JOE, NOBODY)['message'] == QUEUE[120]
        program.write_text('no program')
        assert seen.ask(host, JOE, NOBODY)['message'] == QUEUE[120]
        (host.dir / 'bin/away').rename(program)
        usual(seen, host)


# ---- the disk

def space(host, folder, size):
    """Gives a small file system of the host's another size."""
    subprocess.run(['nsenter', '-m', '-t', str(host.process.pid), 'mount', '-o', f'remount,size={size}',
                    str(folder)], check=True)


@needs_mounts
def test_disk_full_queue(tools, seen):
    mounts = ['mount -t tmpfs -o size=256k,mode=1777 tmpfs {qmail}/record',
              'mkdir -m 1777 {qmail}/record/tmp {qmail}/record/new']
    with FaultHost(tools, mounts=mounts) as host:
        def one():
            with Client(host) as session:
                session.mail()
                assert seen.rcpt(session, NOBODY) == '550'
                assert seen.rcpt(session, JOE) == '250'
                return seen.message(session, 'x' * 30000)

        seen.host(host)
        replies = [one() for _ in range(12)]
        assert replies[0].startswith('250 ok') and replies[-1] == QUEUE[53], replies
        assert [path.name for path in host.inside(host.record / 'tmp').iterdir()] == []
        space(host, host.record, '4m')
        assert one().startswith('250 ok')


@needs_mounts
def test_disk_full_log(tools, seen):
    """multilog waits for room, the pipes fill up; nobody waits for multilog."""
    services = ('qmail-verify', 'qmail-smtpd')
    mounts = [f'mount -t tmpfs -o size=64k,uid={UID},gid={GID} tmpfs {{qmail}}/service/{name}/log/main'
              for name in services]
    with FaultHost(tools, mounts=mounts) as host, Client(host) as session:
        folders = {name: host.dir / f'service/{name}/log/main' for name in services}
        seen.host(host)
        session.mail()
        for _ in range(800):
            reply = session.say(f'RCPT TO:<nobody-{"x" * 300}@example.org>')
            assert seen.note('invalid', reply) == '550'
        assert seen.rcpt(session, JOE) == '250'
        assert seen.message(session).startswith('250 ok ')
        for name, folder in folders.items():
            assert os.statvfs(host.inside(folder)).f_bavail == 0, f'{name}: the disk is not full'
            space(host, folder, '8m')

        def told(folder):
            session.mail(JOE)  # each tells with its next line how many were lost
            return any(b'dropped' in path.read_bytes() for path in host.inside(folder).iterdir())

        for name, folder in folders.items():
            until(f'{name} says how many lines were lost', lambda: told(folder))
        usual(seen, host)


# ---- users/cdb

def test_cdb_third_read_fails(tools, seen):
    with FaultHost(tools, shim=True) as host:
        with host.fault('map', str(errno.ENODEV)), host.fault('read', f'{errno.EIO} users/cdb 3'):
            os.utime(host.dir / 'users/cdb')  # what is mapped already needs no reads
            for address in (JOE, NOBODY, 'joe-list-a@example.org'):
                assert seen.ask(host, address)[address] == '451'
        eventually(seen, host)


def test_cdb_truncated(tools, seen):
    with FaultHost(tools) as host:
        cdb = host.dir / 'users/cdb'
        whole = cdb.read_bytes()
        step = 1 if SOAK else 97
        for length in [*range(0, len(whole), step), len(whole) - 1]:
            cdb.write_bytes(whole[:length])
            codes = seen.ask(host, VALID[1], JOE, NOBODY, message=False)
            assert codes[JOE] in ('250', '451') and codes[NOBODY] in ('550', '451'), (length, codes)
        cdb.write_bytes(whole)
        eventually(seen, host)


def test_cdb_damaged(tools, seen):
    with FaultHost(tools) as host:
        cdb = host.dir / 'users/cdb'
        whole = cdb.read_bytes()
        for damage in (b'\0' * 2048, b'\xff' * 5000, b'\0' * len(whole), whole[:100] + b'\xff' * 1948 + whole[2048:],
                       b'\0' * 2048 + whole[2048:], os.urandom(2048) + whole[2048:]):
            cdb.write_bytes(damage)
            assert set(seen.ask(host, JOE, NOBODY, message=False).values()) <= {'451'}, damage[:20]
        cdb.unlink()
        cdb.mkdir()
        assert set(seen.ask(host, JOE, NOBODY).values()) == {'451'}
        cdb.rmdir()
        cdb.write_bytes(whole)
        eventually(seen, host)


def test_cdb_written_in_place(tools, seen):
    """As no qmail-newu does it, but somebody's cp: over the file that is being read, in pieces."""
    with FaultHost(tools) as host:
        cdb = host.dir / 'users/cdb'
        whole = cdb.read_bytes()

        def overwrite(n):
            with open(cdb, 'wb', buffering=0) as file:
                if n % 2:  # the header last, as the maker of a cdb writes it
                    file.write(b'\0' * 2048)
                    for at in range(2048, len(whole), 100):
                        file.write(whole[at:at + 100])
                    os.pwrite(file.fileno(), whole[:2048], 0)
                else:
                    for at in range(0, len(whole), 100):
                        file.write(whole[at:at + 100])

        with again_and_again(overwrite, pause=0.002):
            seen.load(host, 20000 if SOAK else 2000)
        eventually(seen, host)


PASSWD = (f'root:x:0:0::/root:/bin/sh\nalias:x:{UID}:{GID}::{{qmail}}/alias:/bin/true\n'
          f'qmailp:x:7792:2108::{{qmail}}:/bin/true\nshop:x:{UID}:{GID}::{{qmail}}/home/shop:/bin/true\n'
          + ''.join(f'{name}:x:{UID}:{GID}::{{qmail}}/home/joe:/bin/sh\n' for name in ('joe', 'amy', 'paul', 'queen')))


@needs_mounts
def test_cdb_missing(tools, seen):
    """qmail-lspawn goes on to passwd, then: so that is what counts."""
    host = FaultHost(tools)
    host.etc(PASSWD.replace('amy', 'someone'))
    with host:
        (host.dir / 'users/cdb').rename(host.dir / 'users/away')
        usual(seen, host)
        amy = VALID[1]
        assert seen.note('invalid', seen_of(host, amy)) == '550', 'qmail would bounce it, too'
        (host.dir / 'users/away').rename(host.dir / 'users/cdb')
        assert seen.ask(host, amy)[amy] == '250'


def seen_of(host, address):
    """The reply to one recipient, not counted."""
    with Client(host) as session:
        return session.mail(address)[0]


@needs_mounts
def test_cdb_rebuilt(tools, seen):
    renames = 1000
    with FaultHost(tools) as host:
        small = (host.dir / 'users/cdb').read_bytes()
        host.assign(host_assign(1000))
        versions = [(host.dir / 'users/cdb').read_bytes(), small]

        def rebuild(n):
            host.write('users/cdb.tmp', versions[n % 2]).rename(host.dir / 'users/cdb')

        with again_and_again(rebuild) as rebuilt:
            seen.load(host, 10000 if SOAK else 2000, while_=lambda: rebuilt() < renames)
            assert rebuilt() >= renames


def host_assign(more):
    """The usual assignments, behind others: everything stands elsewhere in the cdb."""
    return ''.join(f'=user{n}:user{n}:{UID}:{GID}:{{qmail}}/home/joe:::\n' for n in range(more)) + ASSIGN


# ---- passwd

@needs_mounts
def test_passwd_replaced(tools, seen):
    host = FaultHost(tools, assign=None)
    host.etc(PASSWD)
    with host:
        others = ''.join(f'user{n}:x:{10000 + n}:{GID}::/nonexistent:/bin/sh\n' for n in range(200))
        versions = [host.fill(PASSWD), others + host.fill(PASSWD)]

        def replace(n):
            host.write('etc/passwd.new', versions[n % 2]).rename(host.dir / 'etc/passwd')

        with again_and_again(replace) as replaced:
            seen.load(host, 10000 if SOAK else 2000, while_=lambda: replaced() < 300)
            assert replaced() >= 300


@pytest.fixture(scope='module')
def nss_module(tmp_path_factory):
    """libnss_qvtest.so.2: fails as the file named in QVTEST_NSS says."""
    library = tmp_path_factory.mktemp('nss') / 'libnss_qvtest.so.2'
    subprocess.run(['cc', '-shared', '-fPIC', '-o', library, FAULT.parent / 'nss/nss_qvtest.c'], check=True)
    return library


@needs_mounts
def test_passwd_errors(tools, seen, nss_module):
    host = FaultHost(tools, assign=None,
                     daemon_env={'LD_LIBRARY_PATH': '{qmail}/bin', 'QVTEST_NSS': '{qmail}/how'})
    shutil.copy(nss_module, host.dir / 'bin')
    host.etc(PASSWD)
    host.write('etc/nsswitch.conf', 'passwd: files qvtest\ngroup: files\n')
    host.write('how', 'NOTFOUND 0\n')
    with host:
        usual(seen, host)
        host.write('how', f'UNAVAIL {errno.EIO}\n')
        # what the source said is good for a second
        until('the failure shows', lambda: seen.ask(host, NOBODY)[NOBODY] == '451')
        for status in ('UNAVAIL', 'TRYAGAIN'):
            for error in ('EIO', 'ECONNREFUSED', 'ENOENT', 'ESRCH', 'EMFILE', 'EAGAIN', 'ENOMEM', 'ETIMEDOUT'):
                host.write('how', f'{status} {getattr(errno, error)}\n')
                assert seen.ask(host, NOBODY)[NOBODY] == '451', (status, error)
        host.write('how', 'NOTFOUND 0\n')
        eventually(seen, host)


# ---- control files

def break_directory(path):
    path.mkdir()


def break_huge(path):
    with open(path, 'wb') as file:
        file.truncate(300 << 20)


def break_loop(path):
    path.symlink_to(path.name)


@contextlib.contextmanager
def broken(host, name, how):
    """A control file that cannot be read, for the body's time."""
    path, away = host.dir / 'control' / name, host.dir / 'away' / name
    away.parent.mkdir(exist_ok=True)
    there = path.exists()
    if there:
        path.rename(away)
    how(path)
    try:
        yield
    finally:
        path.rmdir() if path.is_dir() else path.unlink()
        if there:
            away.rename(path)


ALL_CONTROL = {**CONTROL, 'envnoathost': 'example.org\n', 'percenthack': 'hack.example\n',
               'verifypolicy': 'shop.example:\n'}


def test_control_unreadable_at_hangup(tools, seen):
    with FaultHost(tools, control=ALL_CONTROL) as host:
        times = 0
        for name in ('locals', 'virtualdomains'):
            for how in (break_directory, break_huge, break_loop):
                with broken(host, name, how):
                    times += 1
                    host.verify.svc('-h')
                    host.verify.logged('; what was read before stays in force', times)
                    seen.send(host, *VALID, *INVALID)
        host.verify.svc('-h')
        host.verify.logged('SIGHUP: control/locals and control/virtualdomains read again')
        usual(seen, host)
        assert len(host.verify.logged('cannot be read: ')) == times


def test_control_unreadable(tools, seen):
    """All of them at once, on a host each: a change has to stand for ten seconds."""
    with contextlib.ExitStack() as stack:
        names = ('me', 'envnoathost', 'percenthack', 'locals', 'virtualdomains')
        hosts = {name: stack.enter_context(FaultHost(tools, control=ALL_CONTROL).apart()) for name in names}
        with contextlib.ExitStack() as breakage:
            for name, host in hosts.items():
                breakage.enter_context(broken(host, name, break_directory))
            for name, host in hosts.items():
                host.verify.logged(f'control/{name} cannot be read: Is a directory; what was read before stays in force')
                seen.send(host, *VALID, *INVALID)
        for name, host in hosts.items():
            host.verify.logged('control files can be read again')
            seen.send(host, *VALID, *INVALID)
            assert len(host.verify.logged('cannot be read')) == 1, 'a line for each change, not for each second'


def test_control_policy_unreadable(tools, seen):
    with FaultHost(tools, control=ALL_CONTROL) as host:
        for times, how in enumerate((break_directory, break_huge) if SOAK else (break_directory,), 1):
            with broken(host, 'verifypolicy', how):
                host.verify.logged('control/verifypolicy cannot be read: ', times)
                seen.send(host, *VALID, *INVALID)
            host.verify.logged('control/verifypolicy can be read again', times)
            usual(seen, host)


def test_control_unreadable_at_start(tools, seen):
    with FaultHost(tools).apart() as host:
        with broken(host, 'me', break_directory):
            host.verify.svc('-t')
            host.verify.logged('control/me cannot be read: Is a directory; every question is answered "temporary"')
            assert set(seen.ask(host, JOE, NOBODY).values()) == {'451'}
        host.verify.logged('control files can be read again')
        eventually(seen, host)


def test_control_of_smtpd_unreadable(tools, seen):
    """Each session reads them: one that begins meanwhile hears 421, and no other."""
    names = ('me', 'smtpgreeting', 'localiphost', 'timeoutsmtpd', 'databytes', 'badmailfrom', 'rcpthosts',
             'morercpthosts.cdb')
    with FaultHost(tools) as host:
        for name in names:
            for how in (break_directory, break_loop) + ((break_huge,) if name == 'rcpthosts' or SOAK else ()):
                if name == 'morercpthosts.cdb' and how is break_huge:
                    continue  # of a database only what is looked for is read
                with Client(host) as session:
                    session.mail()
                    with broken(host, name, how):
                        codes = seen.ask(host, JOE, NOBODY)
                        if (name, how) == ('morercpthosts.cdb', break_directory):
                            continue  # it can be opened, and is not asked about a domain that rcpthosts has
                        assert set(codes.values()) == {'421'}, (name, how, codes)
                        assert seen.rcpt(session, JOE) == '250'
                        assert seen.rcpt(session, NOBODY) == '550'
        usual(seen, host)


# ---- what the system lacks

def test_descriptors_short(tools, seen, plain):
    """A limit for the daemon that runs, as low as what it has open. (The sanitizers need some of their own.)"""
    with FaultHost(tools) as host:
        before = {pid: limit(pid, 'nofile', descriptors(pid)) for pid in host.family()}
        assert set(seen.ask(host, JOE, NOBODY).values()) == {'451'}
        for pid, number in before.items():
            limit(pid, 'nofile', number)
        eventually(seen, host)


@pytest.mark.parametrize('path', ['users/cdb', 'home/joe/.', '*'])
def test_system_out_of_files(tools, seen, path):
    with FaultHost(tools, shim=True) as host:
        with host.fault('open', f'{errno.ENFILE} {path}'):
            assert seen.ask(host, 'joe-none@example.org')['joe-none@example.org'] == '451'
            assert seen.ask(host, 'joe-list-a@example.org')['joe-list-a@example.org'] == '451'
        eventually(seen, host)


def test_memory_short(tools, seen, plain):
    with FaultHost(tools, shim=True) as host:
        with host.fault('memory'):
            for _ in range(3):
                assert set(seen.ask(host, JOE, NOBODY, message=False).values()) == {'451'}
        eventually(seen, host)


def test_calls_interrupted(tools, seen):
    with FaultHost(tools, shim=True) as host:
        with host.fault('eintr'):
            seen.many(host, 100 if SOAK else 10, *VALID, *INVALID)
        eventually(seen, host)


@pytest.mark.parametrize('call', ['send', 'recv'])
def test_datagrams_fail(tools, seen, call):
    """One session, which gets less patient: the daemon is silent."""
    with FaultHost(tools, shim=True) as host, Client(host) as session:
        seen.host(host)
        session.mail()
        for error in (errno.EPERM, errno.ENOBUFS, errno.ENOMEM, errno.ENETDOWN)[:None if SOAK else 2]:
            with host.fault(call, str(error)):
                assert seen.rcpt(session, JOE) == '451'
                assert seen.rcpt(session, NOBODY) == '451'
                host.verify.logged(f': {os.strerror(error)}')
        until('the fault is over', lambda: seen.rcpt(session, JOE) == '250')
        usual(seen, host)


def smtpd_of(host):
    """The one qmail-smtpd that runs."""
    until('one qmail-smtpd runs', lambda: len(children(host.smtpd.pid())) == 1)
    return children(host.smtpd.pid())[0]


def test_smtpd_short_of_descriptors(tools, seen, plain):
    with FaultHost(tools) as host, Client(host) as session:
        seen.host(host)
        session.mail()
        pid = smtpd_of(host)
        before = limit(pid, 'nofile', descriptors(pid))
        assert seen.rcpt(session, JOE) == '451'
        assert seen.rcpt(session, NOBODY) == '451'
        limit(pid, 'nofile', before)
        assert seen.rcpt(session, JOE) == '250'
        assert seen.rcpt(session, NOBODY) == '550'
        limit(pid, 'nofile', descriptors(pid))
        assert seen.message(session) == '451 qqt failure (#4.3.0)'
        limit(pid, 'nofile', before)
        session.mail()
        assert seen.rcpt(session, JOE) == '250'
        assert seen.message(session).startswith('250 ok ')


@needs_root
def test_smtpd_short_of_processes(tools, seen):
    with FaultHost(tools) as host, Client(host) as session:
        seen.host(host)
        session.mail()
        pid = smtpd_of(host)
        before = limit(pid, 'nproc', 1)
        assert seen.rcpt(session, NOBODY) == '550'
        assert seen.rcpt(session, JOE) == '250'
        assert seen.message(session) == '451 qqt failure (#4.3.0)'
        limit(pid, 'nproc', before)
        session.mail()
        assert seen.rcpt(session, JOE) == '250'
        assert seen.message(session).startswith('250 ok ')


# ---- many at once

@over
def test_sessions(tools, seen, over):
    """All of them open at the same time."""
    number = 200 if SOAK else 100
    together = threading.Barrier(number, timeout=120)

    def client(n):
        valid, invalid = VALID[n % len(VALID)], INVALID[n % len(INVALID)]
        with Client(host) as session:
            session.mail()
            together.wait()
            assert seen.rcpt(session, invalid) == '550'
            assert seen.rcpt(session, valid) == '250'
            assert seen.rcpt(session, invalid) == '550'
            together.wait()
            assert seen.message(session).startswith('250 ok ')
            assert session.say('QUIT').startswith('221')

    with FaultHost(tools, over=over, concurrency=200) as host, concurrent.futures.ThreadPoolExecutor(number) as pool:
        seen.host(host)
        list(pool.map(client, range(number)))


# ---- the clock

YEAR = 365 * 86400


def test_clock_jumps(tools, seen, dynamic_smtpd):
    """The wall clock of both programs, while they wait for each other."""
    preload = {'LD_PRELOAD': '{qmail}/bin/fault-shim.so', 'FAULTS': '{qmail}/faults'}
    with FaultHost(tools, shim=True, smtpd=dynamic_smtpd, smtpd_env=preload) as host:
        with Client(host) as session:
            seen.host(host)
            session.mail()
            for jump in (10 * YEAR, -10 * YEAR, 0):
                with again_and_again(lambda n: host.fault_on('clock', f'{(-1) ** n * jump}'), pause=0.01):
                    assert seen.rcpt(session, JOE) == '250'
                    assert seen.rcpt(session, NOBODY) == '550'
            with host.stopped(), again_and_again(lambda n: host.fault_on('clock', f'{(-1) ** n * YEAR}'), pause=0.01):
                began = time.monotonic()
                assert seen.rcpt(session, JOE) == '451'
                assert 4.9 <= time.monotonic() - began < 15, 'it waits as long as it should'
            host.fault_on('clock', str(YEAR))
            assert seen.rcpt(session, JOE) == '250'
            reply = seen.message(session)
            assert int(reply.split()[2]) > time.time() + YEAR / 2, 'the clock that jumped is the one that is used'


def test_clock_of_files(tools, seen):
    """A file that came with an older date, or one of the future, has changed all the same."""
    with FaultHost(tools, control={**CONTROL, 'verifypolicy': 'example.org:off\n'}) as host:
        for n, (when, text) in enumerate(((0, ''), (time.time() + YEAR, 'example.org:off\n'), (0, ''))):
            policy = host.write('control/.new', text)
            os.utime(policy, (when, when))
            policy.rename(host.dir / 'control/verifypolicy')
            host.verify.logged('control/verifypolicy has changed: taken over', n + 1)
        usual(seen, host)


@pytest.mark.skipif(subprocess.run(['unshare', '-T', 'true'], capture_output=True).returncode != 0,
                    reason='needs root, and time namespaces')
def test_clock_monotonic_large(tools, seen):
    """A host that has been up for years: no sum of milliseconds is cut."""
    with FaultHost(tools, uptime=100 * YEAR) as host:
        usual(seen, host)
        with Client(host) as session, host.stopped():
            session.mail()
            began = time.monotonic()
            assert seen.rcpt(session, JOE) == '451'
            assert 4.9 <= time.monotonic() - began < 15
