"""What strangers and local users may try against the running programs; SECURITY tells why each matters.

The two CVEs of the ancestor have tests of their names in test_daemon.py.
"""
import functools
import os
import random
import re
import select
import shutil
import socket
import subprocess
import sys

import namespaces
import pytest
from qmailhost import BUILD, DEADLINE, PASSWD, Host, newu, until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason='needs root: users of its own')

JOE, EVE, VPOP, PAM, ALIAS, QMAILP = 7001, 7002, 7005, 7004, 7790, 7792


# ---- homes are entered as their users only, and for a stranger's domain no path is looked at

@functools.cache
def no_strace():
    """Why the daemon cannot be traced here; empty where it can."""
    if not shutil.which('strace'):
        return 'strace is not installed'
    done = subprocess.run(['strace', '-D', '-f', '-o', '/dev/null', 'true'], capture_output=True, text=True)
    return '' if done.returncode == 0 else f'strace: {done.stderr.strip()}'


class Traced(Host):
    """Runs the daemon, from its first system call on, under strace, which is a child of its own (-D) and follows
    whatever the daemon forks."""

    def command(self):
        no_leaks = [word for name in ('ASAN_OPTIONS',) if name in os.environ
                    for word in ('-E', f'{name}={os.environ[name]}:detect_leaks=0')]  # it traces, too
        return ['strace', '-D', '-f', '-qqq', '-y', '-s', '400', '-o', str(self.dir / 'trace'), *no_leaks,
                *super().command()]

    def tracer(self):
        with open(f'/proc/{self.process.pid}/status') as status:
            return int(re.search(r'^TracerPid:\t(\d+)', status.read(), re.M)[1])

    def trace(self):
        """To be called when the daemon has ended: the events in order."""
        return events((self.dir / 'trace').read_text('latin-1'))


def runs(pid):
    """Is there such a process, and no mere zombie?"""
    try:
        with open(f'/proc/{pid}/stat') as f:
            return f.read().rsplit(')', 1)[1].split()[0] not in 'ZX'
    except (FileNotFoundError, ProcessLookupError):
        return False


class Event:
    """One system call: who called, which, with what, what came of it, and the effective uid in which it was made."""

    def __init__(self, pid, name, arguments):
        self.pid, self.name, self.arguments, self.result, self.euid = pid, name, arguments, '?', None

    def __repr__(self):
        return f'[{self.pid} euid {self.euid}] {self.name}({self.arguments}) = {self.result}'


CALL = re.compile(r'(\d+) +(\w+)\((.*)')
RESUMED = re.compile(r'(\d+) +<\.\.\. (\w+) resumed>(.*)')
RESULT = re.compile(r'\)? += (-?\w+)(?:<[^>]*>)?(?: .*)?$')
FORKS = ('clone', 'clone3', 'fork', 'vfork')


def events(text):
    """Reads what strace -f -y wrote, a call that another process's line interrupted put together again."""
    found, begun = [], {}
    for line in text.splitlines():
        if resumed := RESUMED.match(line):
            event, rest = begun.pop(int(resumed[1])), resumed[3]
        elif call := CALL.match(line):
            event, rest = Event(int(call[1]), call[2], ''), call[3]
            found.append(event)
        else:
            continue  # a signal
        if rest.endswith('<unfinished ...>'):
            event.arguments += rest.removesuffix('<unfinished ...>')
            begun[event.pid] = event
            continue
        result = None
        for result in RESULT.finditer(rest):
            pass
        event.result = result[1] if result else '?'
        event.arguments += rest[:result.start()] if result else rest
    with_identities(found)
    return found


def becomes(event, euid):
    """The effective uid after a call."""
    given = [word.strip() for word in event.arguments.split(',')]
    place = {'setuid': 0, 'setreuid': 1, 'setresuid': 1}.get(event.name)
    if place is None or event.result != '0' or given[place] == '-1':
        return euid
    return int(given[place])


def with_identities(found):
    """Sets euid in each event: each process has its own, a child begins with that of its parent. A child's lines may
    stand before the one that tells whose child it is."""
    by_pid, parents = {}, {}
    for event in found:
        by_pid.setdefault(event.pid, []).append(event)
        if event.name in FORKS and event.result.isdigit() and event.result != '0':
            parents[int(event.result)] = event
        assert event.name != 'setfsuid', 'this test does not follow setfsuid'

    def walk(pid, euid):
        for event in by_pid.pop(pid, ()):
            event.euid = euid
            euid = becomes(event, euid)
            child = int(event.result) if event.name in FORKS and event.result.isdigit() else 0
            if child:
                walk(child, event.euid)

    for pid in [pid for pid in by_pid if pid not in parents]:
        walk(pid, 0)
    assert not by_pid, f'whose children are {sorted(by_pid)}?'


DATA = re.compile(r'(?:p?read|p?write|send|recv)\w*')
PATHS = re.compile(r'\w*(?:open|stat|access|readlink|dir|exec|link|rename|root|mount|getdents|inotify|chmod|chown)\w*')


NAME = r'"((?:\\.|[^"\\])*)"'
UNDER = re.compile(r'<([^<>]*)>, ' + NAME)


def paths_of(event, cwd):
    """The full paths that a call names, and those of the open descriptors that it works on."""
    text = event.arguments
    if DATA.fullmatch(event.name):  # what was read or written is no name
        text = re.sub(NAME, '', text)
    for folder, name in UNDER.findall(text):  # openat and its like
        yield os.path.join(folder, name)
    for name in re.findall(NAME, UNDER.sub('', text)):
        yield os.path.join(cwd, name)
    yield from re.findall(r'\b\d+<([^<>]*)>', text)


def touches(event, home, cwd):
    """Does the call name the home, or something below it?"""
    if event.name == 'close':
        return False
    return any(os.path.normpath(path) == home or os.path.normpath(path).startswith(home + '/')
               for path in paths_of(event, cwd))


def names_a_path(event):
    return PATHS.fullmatch(event.name) is not None and not re.match(r'\d+<[^>]*>, "",', event.arguments)


TRACE = '''\
1 execve("/bin/d", ["d"], 0x7ffc /* 3 vars */) = 0
1 clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD <unfinished ...>
2 setresuid(-1, 7001, -1)           = 0
1 <... clone resumed>, child_tidptr=0x7f) = 2
2 openat(AT_FDCWD</q>, "/h/joe/.", O_RDONLY|O_PATH) = 4</h/joe>
1 setresuid(-1, 7002, -1)           = -1 EPERM (Operation not permitted)
1 newfstatat(AT_FDCWD</q>, "/h/joe", 0x7ff, 0) = -1 ENOENT (No such file or directory)
2 --- SIGTERM {si_signo=SIGTERM, si_code=SI_USER, si_pid=9, si_uid=0} ---
2 openat(4</h/joe>, ".qmail = 0", O_RDONLY <unfinished ...>
3 read(5</h/joe/.qmail>, "x", 100)  = 1
2 <... openat resumed>)             = 5</h/joe/.qmail>
2 fork()                            = 3
2 setresuid(-1, 0, -1)              = 0
2 write(2</log>, "/h/joe/.qmail\\"\\n", 15) = 15
2 close(4</h/joe>)                  = 0
2 fstat(5</h/joe/.qmail>, {st_mode=S_IFREG}) = 0
2 newfstatat(AT_FDCWD</q>, "../h/joe/x", {st_mode=S_IFREG}, 0) = 0
2 access("../h/x", F_OK)            = 0
2 access("../h/joe", F_OK)          = 0
'''


def test_the_trace_is_understood():
    """Identities are inherited and belong to one process; a refused change is none; data are no paths."""
    found = events(TRACE)
    assert [(event.euid, event.name, event.result) for event in found if touches(event, '/h/joe', '/q')] == [
        (7001, 'openat', '4'), (0, 'newfstatat', '-1'), (7001, 'openat', '5'), (7001, 'read', '1'), (0, 'fstat', '0'),
        (0, 'newfstatat', '0'), (0, 'access', '0')]
    assert [event.name for event in found if names_a_path(event)] == [
        'execve', 'openat', 'newfstatat', 'openat', 'fstat', 'newfstatat', 'access', 'access']


def varied_host(kind):
    """One of each kind of home, users in users/cdb, in passwd, and alias. kind: Host, or what runs the daemon its own
    way."""
    assign = (f'=joe:joe:{JOE}:{JOE}:{{qmail}}/home/joe:::\n+joe-:joe:{JOE}:{JOE}:{{qmail}}/home/joe:-::\n'
              f'+eve-:eve:{EVE}:{EVE}:{{qmail}}/home/eve:-::\n=zero:root:0:0:{{qmail}}/home/zero:::\n'
              f'+vpop.example-:vpop:{VPOP}:{VPOP}:{{qmail}}/home/vpop:-::\n.\n')
    host = kind(control={'me': 'example.org\n', 'virtualdomains': 'vpop.example:vpop.example\nno.example:\n'},
                assign=assign, passwd=PASSWD + f'pam:x:{PAM}:{PAM}::{{qmail}}/home/pam:/bin/sh\n',
                files={'home/joe/.qmail-list': '&a@example.net\n', 'home/joe/.qmail-b-default': '|bouncesaying no\n',
                       'home/joe/.qmail-ff-default': '|fastforward -d ff.cdb\n',
                       'home/joe/ff.cdb': newu.cdb([(b':a@example.org', b'./list.bin\0')]),
                       'home/joe/list.bin': b'&b@example.net\0',
                       'home/pam/.qmail-x': '', 'home/zero/.qmail': '', 'alias/.qmail-info': '&joe@example.org\n',
                       'home/vpop/.qmail-default': "|vdelivermail '' bounce-no-mailbox\n",
                       'home/vpop/vpasswd.cdb': newu.cdb([(b'a', b'$1$x:1:0:Info:/home:NOQUOTA')]),
                       'home/eve/.qmail-open': '&a@example.net\n', 'secret/file': '&a@example.net\n',
                       'bin/vdelivermail': b'\x7fELF', 'bin/fastforward': b'\x7fELF', 'bin/bouncesaying': b'\x7fELF'})
    for program in (host.dir / 'bin').iterdir():
        program.chmod(0o755)
    (host.dir / 'secret').chmod(0o700)
    (host.dir / 'home/eve/.qmail-link').symlink_to(host.dir / 'secret/file')
    (host.dir / 'home/eve/.qmail-joe').symlink_to(host.dir / 'home/joe/.qmail-list')
    for name, uid in (('joe', JOE), ('eve', EVE), ('vpop', VPOP), ('pam', PAM)):
        host.own(uid, f'home/{name}')
        (host.dir / 'home' / name).chmod(0o700)
    host.own(ALIAS, 'alias')
    return host


QUESTIONS = [  # the address, the reason that shows that the look was had
    (b'joe@example.org', 'default-delivery'), (b'joe-list@example.org', 'dotqmail'),
    (b'joe-none@example.org', 'no-mailbox'), (b'joe-b-x@example.org', 'program-refuses'),
    (b'joe-ff-a@example.org', 'fastforward'), (b'joe-ff-b@example.org', 'fastforward-absent'),
    (b'eve-open@example.org', 'dotqmail'), (b'eve-link@example.org', 'dotqmail-unreadable'),
    (b'eve-joe@example.org', 'dotqmail-unreadable'), (b'zero@example.org', 'root'), (b'pam@example.org', 'default-delivery'),
    (b'pam-x@example.org', 'dotqmail-empty'), (b'pam-none@example.org', 'no-mailbox'),
    (b'info@example.org', 'dotqmail'), (b'nobody@example.org', 'no-mailbox'), (b'root@example.org', 'no-mailbox'),
    (b'a@vpop.example', 'vpopmail-user'), (b'b@vpop.example', 'vpopmail-no-user'), (b'joe', 'default-delivery'),
    (b'joe%example.org@example.org', 'no-mailbox')]
STRANGERS = [b'joe@elsewhere.example', b'@elsewhere.example', b'x@no.example', b'joe-list@sub.example.org.elsewhere',
             b'/etc/passwd@[10.0.0.1]']


@pytest.fixture(scope='module')
def traced():
    """What the daemon did for all these questions, each with its reason: the host, the reasons, the events."""
    if no_strace():
        pytest.skip(no_strace())
    namespaces.need_mounts()
    with varied_host(Traced) as host:
        reasons = {address: re.search(r'(?:denied|for \S+)\. (\S+)', host.ask(address)[1])[1]
                   for address in [*STRANGERS, *(address for address, _ in QUESTIONS), *STRANGERS]}
        tracer = host.tracer()
        assert host.stop() == 0
        until('strace has written all', lambda: not runs(tracer))
        yield host, reasons, host.trace()


def test_the_traced_questions_had_their_looks(traced):
    _, reasons, _ = traced
    assert [(address, reasons[address]) for address, _ in QUESTIONS] == QUESTIONS
    assert {reasons[address] for address in STRANGERS} == {'remote', 'exception'}


def test_no_path_below_a_home_is_touched_with_effective_uid_0(traced):
    host, _, found = traced
    homes = {'home/joe': {JOE, QMAILP}, 'home/eve': {EVE}, 'home/vpop': {VPOP}, 'home/pam': {PAM, QMAILP},
             'alias': {ALIAS, QMAILP}}
    for home, users in homes.items():
        touched = [event for event in found if touches(event, f'{host.dir}/{home}', host.dir)]
        assert touched, f'nobody looked at {home}: what is tested here?'
        wrong = [event for event in touched if event.euid not in users]
        assert not wrong, wrong
    roots = [event for event in found for home in (f'{host.dir}/home/zero', '/root') if touches(event, home, host.dir)]
    assert not roots, roots  # homes of user id 0 are not even looked for


def test_no_home_is_touched_before_the_first_question(traced):
    host, _, found = traced
    first = next(n for n, event in enumerate(found) if event.name.startswith('recv') and event.result not in ('-1', '?'))
    homes = [f'{host.dir}/home', f'{host.dir}/alias', '/root']
    assert not [event for event in found[:first] for home in homes if touches(event, home, host.dir)]


def test_no_path_is_touched_for_a_domain_of_others(traced):
    """Between the datagram's arrival and its answer."""
    _, _, found = traced
    seen = 0
    for n, event in enumerate(found):
        if not event.name.startswith('recv') or event.result in ('-1', '?'):
            continue
        if not any(address.decode() in event.arguments for address in STRANGERS):
            continue
        seen += 1
        for later in found[n + 1:]:
            if later.pid != event.pid:
                continue
            assert not names_a_path(later), (event, later)
            if later.name.startswith('send'):
                break
        else:
            raise AssertionError(f'not answered: {event}')
    assert seen >= 2 * len(STRANGERS)


# ---- no line of a log can be forged, no terminal fooled

ALIASES = f'+joe-:joe:{JOE}:{JOE}:{{qmail}}/home/joe:-::\n+:alias:{ALIAS}:{ALIAS}:{{qmail}}/alias:-::\n.\n'
FORGED = b'qmail-verify: x@example.org permitted for root. dotqmail'


def lines_of(text, begins):
    """The lines of a log, each of which begins as it should and is printable ASCII; none is cut short."""
    raw = text.encode('latin-1')
    assert raw.endswith(b'\n')
    for line in raw[:-1].split(b'\n'):
        assert re.fullmatch(rb'[ -~]*', line), line
        assert re.match(begins, line), line
    return text[:-1].split('\n')


def unescaped(word):
    """What log_putsafe was given."""
    return re.sub(rb'\\(\\|x[0-9a-f]{2})', lambda m: b'\\' if m[1] == b'\\' else bytes.fromhex(m[1][1:].decode()),
                  word.encode())


def hostile(byte):
    """Addresses with a byte at each kind of place, each an attempt at a line of its own."""
    b = bytes([byte])
    return [b, b'a' + b + FORGED, b'joe-' + b + b'x@example.org', b'x@' + b + b'example.org', b'x@example.org' + b * 3,
            b'x@elsewhere.example' + b + FORGED]


def words_of(host):
    """The addresses as they were logged, without those that still_answers asked for."""
    words = [line.removeprefix('qmail-verify: ').split(' ')[0] for line in host.decisions()]
    return [word for word in words if word != 'joe@example.org']


def test_no_byte_of_an_address_forges_a_log_line():
    host = Host(assign=f'=joe:joe:{JOE}:{JOE}:{{qmail}}/home/joe:::\n' + ALIASES,
                files={'home/joe/.qmail-\nqmail-verify: forged': '', 'home/joe/.qmail-\x1b[2j': ''})
    host.own(JOE, 'home/joe')
    host.own(ALIAS, 'alias')
    with host:
        asked = [address for byte in range(1, 256) for address in hostile(byte)]
        asked += [b'joe-\nqmail-verify: forged@example.org', b'joe-\x1b[2J@example.org', b'']
        for n in range(0, len(asked), 40):  # fewer than the socket has room for
            for address in asked[n:n + 40]:
                host.send(address + b'\0').close()
            still_answers(host)
        until('all are decided', lambda: len(words_of(host)) >= len(asked))
        assert sorted(unescaped('' if word == '<>' else word) for word in words_of(host)) == sorted(asked)
        assert host.text().count(' dotqmail-empty ') == 2
        host.stop()
        lines_of(host.text(), b'qmail-verify: ')


def test_no_byte_of_a_users_file_or_of_the_administrators_forges_a_log_line():
    host = Host(control={'me': 'example.org\n', 'virtualdomains': 'v.example:v\n',
                         'verifypolicy': 'example.org:off\x1b[2J\r\x9b\nv.example:\x07\nb\x1bad\x80\n'},
                assign=f'=u:us\x1ber\x9b:{JOE}:{JOE}:{{qmail}}/home/\x1b[2J\x80:::\n'
                       f'+v-:v:{JOE}:{JOE}:{{qmail}}/home/joe:-::\n' + ALIASES,
                files={'home/joe/.qmail-default': "|vdelivermail '' a\x1b]0;x\x07\x9b\rb\n", 'home/joe/vpasswd': '',
                       'home/joe/.qmail-p': '|/bin/\x1b[2J\x9b\n', 'bin/vdelivermail': b'\x7fELF'})
    (host.dir / 'bin/vdelivermail').chmod(0o755)
    host.own(JOE, 'home/joe')
    host.own(ALIAS, 'alias')
    with host:
        for address in (b'x@v.example', b'p@v.example', b'u@example.org', b'joe-x@example.org', b'joe-p@example.org'):
            host.ask(address)
        assert '\\x1b' in host.text() and '\\x9b' in host.text()
        host.stop()
        lines_of(host.text(), b'qmail-verify: ')


def smtpd(host, verify, commands, **more):
    """A session of qmail-smtpd: its replies, its log."""
    env = {'PATH': '/usr/bin:/bin', 'QMAILDIR': str(host.dir), 'QMAILQUEUE': '/bin/false', 'VERIFY': verify,
           'TCPREMOTEIP': '192.0.2.7', **more}
    env |= {name: value for name, value in os.environ.items() if name.endswith('SAN_OPTIONS')}
    log = host.dir / 'smtpd.log'
    with open(log, 'wb') as err:
        done = subprocess.run([BUILD / 'qmail-smtpd'], input=commands, stdout=subprocess.PIPE, stderr=err, timeout=60,
                              env={os.fsencode(name): os.fsencode(value) for name, value in env.items()})
    return done.stdout, log.read_bytes().decode('latin-1')


def test_no_byte_that_a_client_sends_forges_a_log_line():
    """HELO, the sender and the recipient: in the log of qmail-smtpd, and in that of the daemon it asks."""
    forged = b'qmail-smtpd: pid 1 from 192.0.2.1: '
    commands, count = b'', 0
    for byte in range(256):
        if byte == 10:
            continue  # ends the command
        b = bytes([byte])
        commands += b'HELO h' + b + forged + b'\r\nMAIL FROM:<s' + b + forged + b'@sender.example>\r\n'
        for address in (b'a' + b + b'x@example.org', b + b'@example.org', b'y@example' + b + b'org', b'z' + b + FORGED):
            commands += b'RCPT TO:<' + address + b'>\r\n'
        commands += b + b'\r\nRSET\r\n'
        count += 8
    host = Host(control={'me': 'example.org\n', 'rcpthosts': 'example.org\n'}, assign=ALIASES)
    host.own(ALIAS, 'alias')
    with host:
        replies, log = smtpd(host, f'127.0.0.1:{host.port}', commands + b'QUIT\r\n')
        assert replies.count(b'\r\n') == count + 2, 'one reply for each command, the greeting and the last'
        assert replies.count(b'550 sorry, no mailbox') > 200
        lines_of(log, rb'qmail-smtpd: pid \d+ from 192\.0\.2\.7: ')
        assert not re.search(r'from 192\.0\.2\.1: ', log)
        host.stop()
        lines_of(host.text(), b'qmail-verify: ')


def test_no_byte_of_the_connections_names_forges_a_log_line():
    """A client owns the names that DNS and ident give for its address."""
    every = bytes(byte for byte in range(1, 256)).decode('latin-1').encode()
    with Host(control={'me': 'example.org\n', 'rcpthosts': 'example.org\n'}, assign=ALIASES) as host:
        hostile_names = {name: os.fsdecode(every) for name in
                         ('TCPREMOTEIP', 'TCPREMOTEHOST', 'TCPREMOTEINFO', 'TCPLOCALIP', 'TCPLOCALHOST')}
        for verify in (f'127.0.0.1:{host.port}', os.fsdecode(every)):
            _, log = smtpd(host, verify, b'MAIL FROM:<>\r\nRCPT TO:<x@example.org>\r\nQUIT\r\n', **hostile_names)
            lines_of(log, rb'qmail-smtpd: pid \d+ from ')


def plain_answer(_, user):
    return b'\xe1' + user


def extended_answer(question, user):
    """Echoes magic and nonce, so that all the rest is believed; the user's name stands in it twice, and in a field."""
    echo = question.partition(b'\0')[2][:24]
    assert echo.startswith(b'qverify2')
    long = user.replace(b'\0', b'\1') * 7
    fields = [(3, long), (3, b''), (77, user)]
    return (b'\xe1' + user.replace(b'\0', b'\1') + b'\0' + echo + b'\0\x10'
            + b''.join(bytes([kind]) + len(value).to_bytes(2, 'big') + value for kind, value in fields))


@pytest.mark.parametrize('answer_of', [plain_answer, extended_answer])
def test_no_byte_of_an_answer_forges_a_log_line(answer_of):
    """Whoever holds the daemon's port names the controlling user."""
    host = Host(control={'me': 'example.org\n', 'rcpthosts': 'example.org\n'})
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(('127.0.0.1', 0))
        port, users = server.getsockname()[1], [bytes(range(begin, begin + 32)) for begin in range(0, 256, 32)]
        commands = b'MAIL FROM:<>\r\n' + b'RCPT TO:<x@example.org>\r\n' * len(users) + b'QUIT\r\n'
        env = {'QMAILDIR': str(host.dir), 'VERIFY': f'127.0.0.1:{port}', 'TCPREMOTEIP': '192.0.2.7',
               **{name: value for name, value in os.environ.items() if name.endswith('SAN_OPTIONS')}}
        process = subprocess.Popen([BUILD / 'qmail-smtpd'], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        process.stdin.write(commands)
        process.stdin.flush()
        for user in users:
            assert select.select([server], [], [], DEADLINE)[0], 'no question came'
            question, client = server.recvfrom(4096)
            assert question.split(b'\0')[0] == b'x@example.org'
            server.sendto(answer_of(question, user), client)
        replies, log = process.communicate(timeout=DEADLINE)
    shutil.rmtree(host.dir)
    assert replies.count(b'550 ') == len(users)
    lines = lines_of(log.decode('latin-1'), rb'qmail-smtpd: pid \d+ from 192\.0\.2\.7: ')
    assert sum(', user ' in line for line in lines) >= len(users) - 1


# ---- datagrams of any size and content

def small_host():
    host = Host(assign=f'=joe:joe:{JOE}:{JOE}:{{qmail}}/home/joe:::\n' + ALIASES, files={'home/joe/.qmail': ''})
    host.own(JOE, 'home/joe')
    host.own(ALIAS, 'alias')
    return host


def still_answers(host):
    """The next question is answered. It may be lost where the socket is full."""
    def answered():
        assert not host.died(), host.text()[-1000:]
        with host.send(b'joe@example.org\0') as s:
            return select.select([s], [], [], 3)[0] and s.recv(4096) == b'\x90joe'
    until('the next question is answered', answered)


LIMITS = (0, 1, 32, 33, 34, 64, 255, 256, 900, 1002, 1024, 1472, 2048, 4096, 8192, 9000, 16384, 32768, 65507)


@pytest.mark.parametrize('byte', [b'a', b'\0', b'@', b'-', b'.', b'%', b'\xff'], ids='a NUL at dash dot percent high'.split())
def test_datagrams_of_every_size_are_survived(byte):
    sizes = sorted({size + more for size in LIMITS for more in (-2, -1, 0, 1, 2) if 0 <= size + more <= 65507})
    with small_host() as host:
        for size in sizes:
            host.send(byte * size).close()
            host.send((byte * size + b'@example.org')[-65507:]).close()
            still_answers(host)
        host.stop()
        assert max(map(len, lines_of(host.text(), b'qmail-verify: '))) < 4096


def test_nuls_anywhere_are_survived():
    question = b'joe@example.org\0' + bytes(range(40))
    with small_host() as host:
        for at in range(len(question)):
            for nuls in (1, 2, 300, 60000):
                host.send(question[:at] + bytes(nuls) + question[at:]).close()
            still_answers(host)
        host.stop()
        lines_of(host.text(), b'qmail-verify: ')


def question_of_qmail_smtpd(host):
    """The bytes that the SMTP server sends."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(('127.0.0.1', 0))
        host.control('rcpthosts', 'example.org\n')
        smtpd(host, f'OBSERVE,127.0.0.1:{server.getsockname()[1]}',
              b'MAIL FROM:<a@sender.example>\r\nRCPT TO:<joe@example.org>\r\nQUIT\r\n')
        return server.recv(65536)


def test_damaged_questions_are_survived():
    """A question of qmail-smtpd's cut short at each byte, with each bit changed, doubled and lengthened; and noise."""
    with small_host() as host:
        question = question_of_qmail_smtpd(host)
        assert question.startswith(b'joe@example.org\0')
        damaged = [question[:n] for n in range(len(question))]
        damaged += [question[:n] + bytes([question[n] ^ 1 << bit]) + question[n + 1:]
                    for n in range(len(question)) for bit in range(8)]
        damaged += [question * n for n in (2, 3, 100)] + [question + bytes([byte]) * 1000 for byte in (0, 1, 255)]
        rng = random.Random(4)
        damaged += [rng.randbytes(rng.randrange(100)) for _ in range(500)]
        damaged += [question[:16] + rng.randbytes(rng.randrange(100)) for _ in range(500)]
        for n, datagram in enumerate(damaged):
            host.send(datagram).close()
            if n % 50 == 0:
                still_answers(host)  # so that the socket's buffer never overflows
        still_answers(host)
        host.stop()
        lines_of(host.text(), b'qmail-verify: ')


# ---- local users

BIND = '''
import socket, sys
option, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
s = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET, socket.SOCK_DGRAM)
for name in option.split('+'):
    if name:
        s.setsockopt(socket.SOL_SOCKET, getattr(socket, name), 1)
try:
    s.bind((address, port))
    print('bound')
except OSError as error:
    print(error.strerror)
'''


@pytest.mark.parametrize('address', ['127.0.0.1', '0.0.0.0', '::', '::ffff:127.0.0.1'])
@pytest.mark.parametrize('option', ['', 'SO_REUSEADDR', 'SO_REUSEPORT', 'SO_REUSEADDR+SO_REUSEPORT'])
def test_nobody_can_bind_beside_the_daemon(option, address):
    """With SO_REUSEADDR on both sockets any local user could take the daemon's questions."""
    with small_host() as host:
        for uid in (0, JOE):
            tried = subprocess.run(['setpriv', f'--reuid={uid}', f'--regid={uid}', '--clear-groups', sys.executable, '-c',
                                    BIND, option, address, str(host.port)], capture_output=True, text=True)
            refused = ['Address already in use']
            if ':' in address and not os.path.exists('/proc/net/if_inet6'):
                refused.append('Address family not supported by protocol')
            assert tried.stdout.strip() in refused, tried
        still_answers(host)


def test_a_local_user_can_neither_signal_nor_trace_the_daemon():
    with small_host() as host:
        for pid in processes_of(host):
            for command in (['sh', '-c', f'kill -TERM {pid}'], ['cat', f'/proc/{pid}/mem'], ['ls', f'/proc/{pid}/fd']):
                tried = subprocess.run(['setpriv', f'--reuid={JOE}', f'--regid={JOE}', '--clear-groups', *command],
                                       capture_output=True, text=True)
                assert tried.returncode != 0 and re.search('not permitted|denied', tried.stderr, re.I), tried
        still_answers(host)


def processes_of(host):
    """The daemon and whatever it forked."""
    found = [host.process.pid]
    for pid in found:
        for task in os.listdir(f'/proc/{pid}/task'):
            with open(f'/proc/{pid}/task/{task}/children') as f:
                found += map(int, f.read().split())
    return found
