"""A mail host that faults befall, and a count of what its SMTP clients see.

with FaultHost(tools, shim=True) as host:
    seen.ask(host, 'joe@example.org')       one SMTP session: codes are counted
    with host.fault('open', f'{errno.ENFILE} users/cdb'):
        ...
    seen.send(host)                         until each address has its last word, as a
                                            sender's server does, with a message

The host is a Mailhost whose queue program keeps what it was given (queue.c) and whose
daemon can be run with shim.c before it.
"""
import collections
import concurrent.futures
import contextlib
import itertools
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading
import time

from mailhost import GID, UID, Mailhost, Session
from qmailhost import BUILD, preload, until

FAULT = pathlib.Path(__file__).resolve().parent
SOAK = bool(os.environ.get('SOAK'))
ROOT_RUN = os.geteuid() == 0

# Beginnings of all kinds: the first byte of an address may be taken for a status.
ASSIGN = ''.join(f'={name}:{name}:{UID}:{GID}:{{qmail}}/home/joe:::\n' for name in ('joe', 'amy', 'paul', 'queen'))
ASSIGN += (f'+joe-:joe:{UID}:{GID}:{{qmail}}/home/joe:-::\n+shop-:shop:{UID}:{GID}:{{qmail}}/home/shop:-::\n'
           f'+:alias:{UID}:{GID}:{{qmail}}/alias:-::\n.\n')
VALID = ['joe@example.org', 'amy@example.org', 'paul@example.org', 'queen@example.org', 'joe-list-a@example.org',
         'sales@shop.example', 'postmaster@example.org']
INVALID = ['nobody@example.org', 'axel@example.org', 'pat@example.org', '0none@example.org', 'joe-none@example.org',
           'none@shop.example', 'post@example.org']

ACCEPTED, REFUSED = {'250'}, {'550', '553', '554'}
IDS = itertools.count(1)


def verify(server='{verify}', words='STRICT'):
    """The rule for tcp.smtp: VERIFY with its words and its server."""
    return {'127.0.0.1': f'VERIFY="{words}{"," * bool(words)}{server}"'}


# ---- what is counted

class Client(Session):
    """A session that knows which recipients its next message has."""

    def __init__(self, host, source='127.0.0.1'):
        self.taken = []
        super().__init__(host.smtp_port, source)

    def say(self, command):
        reply = super().say(command)
        if command[:4] in ('MAIL', 'RSET', 'HELO'):
            self.taken = []
        if command[:4] == 'RCPT' and reply.startswith('250'):
            self.taken.append(command[9:-1])
        return reply


class Seen:
    """Replies by what they were about: 'valid', 'invalid', 'message'; and messages."""

    def __init__(self):
        self.codes = {'valid': collections.Counter(), 'invalid': collections.Counter(), 'message': collections.Counter()}
        self.accepted = []  # of messages: (id, recipients)
        self.hosts = []
        self.lock = threading.Lock()

    def note(self, about, reply):
        with self.lock:
            self.codes[about][reply[:3]] += 1
        return reply[:3]

    def host(self, host):
        with self.lock:
            if host not in self.hosts:
                self.hosts.append(host)
                host.seen = self

    # ---- in a session that is open

    def rcpt(self, session, address):
        """The code for one recipient."""
        return self.note('valid' if address in VALID else 'invalid', session.say(f'RCPT TO:<{address}>'))

    def message(self, session, text=''):
        """DATA with a message of its own to those that were accepted; the last reply."""
        number, recipients = f'message-{next(IDS)}', tuple(session.taken)
        reply = session.message(f'Message-Id: <{number}>\r\n\r\n{text}')
        session.taken = []
        self.note('message', reply)
        if reply.startswith('250 ok '):
            with self.lock:
                self.accepted.append((number, recipients))
        return reply

    # ---- whole sessions

    def ask(self, host, *addresses, message=True, sender='sender@example.com', source='127.0.0.1'):
        """A session: each address, then a message to those that were accepted.
        address -> its code; 'message' -> the whole reply."""
        self.host(host)
        codes = []
        try:
            with Client(host, source) as session:
                if not session.greeting.startswith('220'):
                    return {a: self.note('valid' if a in VALID else 'invalid', session.greeting) for a in addresses}
                session.say('HELO client.example.com')
                session.say(f'MAIL FROM:<{sender}>')
                for address in addresses:
                    codes.append((address, self.rcpt(session, address)))
                if message and session.taken:
                    codes.append(('message', self.message(session)))
                session.say('QUIT')
        except (ConnectionError, AssertionError) as error:
            raise AssertionError(f'the session broke off after {codes}: {error}') from error
        return dict(codes)

    def send(self, host, *addresses, seconds=60):
        """As the server of a sender does: tries again what was answered 4xx, until
        each address is accepted with a message or refused. address -> its last code."""
        addresses = addresses or (VALID[0], INVALID[0])
        last, end = {}, time.monotonic() + seconds
        while (left := [a for a in addresses if a not in last]):
            assert time.monotonic() < end, f'in {seconds} s no last word on {left}'
            codes = self.ask(host, *left)
            delivered = codes.pop('message', '').startswith('250')
            for address, code in codes.items():
                if code[0] == '5' or (code == '250' and delivered):
                    last[address] = code
        return last

    def many(self, host, times, *addresses, threads=8):
        """send() so often, from several threads."""
        with concurrent.futures.ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda _: self.send(host, *addresses), range(times)))

    def load(self, host, questions, addresses=(), while_=None, threads=8):
        """So many questions at least, and as long as while_() holds, from several sessions at once."""
        addresses = addresses or [*VALID, *INVALID]
        numbers = itertools.count()

        def sessions(_):
            while (n := next(numbers)) * 100 < questions or (while_ and while_()):
                at = n % len(addresses)
                self.ask(host, *itertools.islice(itertools.cycle(addresses), at, at + 100), message=n % 10 == 0)

        with concurrent.futures.ThreadPoolExecutor(threads) as pool:
            list(pool.map(sessions, range(threads)))

    # ---- the account

    def check(self, row):
        """What was seen against a row of TABLE, and the messages against the queues."""
        assert not REFUSED & set(self.codes['valid']), f'a valid address was refused: {self}'
        assert not ACCEPTED & set(self.codes['invalid']), f'an invalid address was accepted: {self}'
        for about, (must, may) in row.items():
            codes = set(self.codes[about])
            assert must <= codes <= must | may, f'{about}: TABLE has {sorted(must)}, ({sorted(may)}); seen: {self}'
        queued = [entry for host in self.hosts for entry in host.queued()]
        assert sorted(self.accepted) == sorted(queued), 'the messages accepted are not those in the queue'

    def __str__(self):
        parts = [f'{about} ' + ' '.join(f'{code} x{n}' for code, n in sorted(codes.items()))
                 for about, codes in self.codes.items() if codes]
        return '; '.join(parts) + f'; messages accepted and queued: {len(self.accepted)}'


def table():
    """TABLE: row -> {'valid': (codes that were seen, codes that may be), ...}."""
    rows = {}
    for line in (FAULT / 'TABLE').read_text().split('\n'):
        cells = re.split(r' {2,}', line.rstrip())
        if line[:1].isalpha() and len(cells) == 4 and cells[0] != 'row':
            words = [cell.split() for cell in cells[1:]]
            rows[cells[0]] = {about: ({w for w in cell if w.isdigit()}, {w.strip('()') for w in cell if w[0] == '('})
                              for about, cell in zip(('valid', 'invalid', 'message'), words)}
    return rows


# ---- the host

class FaultHost(Mailhost):
    def __init__(self, tools, shim=False, mounts=(), daemon_env=None, smtpd=None, uptime=0, over='udp', **more):
        """tools: the fixture. mounts: shell commands, run in a mount namespace of the
        services' own; {qmail} is the host's directory. smtpd: another qmail-smtpd.
        uptime: in seconds, what the monotonic clock of the services is ahead.
        over: 'unix' where qmail-smtpd asks through a UNIX socket."""
        self.mounts, self.daemon_env = mounts, daemon_env or {}
        self.shim, self.uptime = shim, uptime
        self.seen, self.over = None, over
        super().__init__(**{'assign': ASSIGN, 'rules': verify() if over == 'udp' else {'127.0.0.1': ''}, **more})
        for program in ('queue', 'shim.so'):
            shutil.copy(tools / program, self.dir / 'bin' / f'fault-{program}')
        if smtpd:
            shutil.copy(smtpd, self.dir / 'bin/qmail-smtpd')
        if over == 'unix':
            self.rules(verify(f'{self.dir}/run/socket'))
            self.etc(f'root:x:0:0::/root:/bin/sh\nqmaild:x:7791:{GID}::/:/bin/true\n')

    def etc(self, passwd):
        """Gives the services an /etc of their own."""
        self.write('etc/passwd', passwd)
        self.write('etc/group', 'root:x:0:\nqmail:x:2107:\nnofiles:x:2108:\n')
        self.write('etc/nsswitch.conf', 'passwd: files\ngroup: files\n')
        self.mounts = [*self.mounts, 'mount --bind {qmail}/etc /etc']

    def services(self):
        self.faults, self.record = self.dir / 'faults', self.dir / 'record'
        for folder in (self.faults, self.record, self.record / 'tmp', self.record / 'new'):
            folder.mkdir()
            folder.chmod(0o1777)
        self.smtpd_env = {'QMAILQUEUE': f'{self.dir}/bin/fault-queue', 'RECORD': str(self.record), **{name: self.fill(value) for name, value in self.smtpd_env.items()}}
        super().services()

    def shim_environment(self):
        return {'LD_PRELOAD': preload(f'{self.dir}/bin/fault-shim.so'), 'FAULTS': str(self.faults)}

    def script(self, path, text):
        if path == self.verify.folder / 'run':
            more = {**self.daemon_env, **(self.shim_environment() if self.shim else {})}
            words = ' '.join(f"'{name}={self.fill(value)}'" for name, value in more.items())
            text = text.replace(' QMAILDIR=', f' {words} QMAILDIR=', 1)
            if self.over == 'unix':
                (self.dir / 'run').mkdir()
                text = text.replace(' LISTEN=', f' LISTEN={self.dir}/run/socket,')
        super().script(path, text)

    # ---- running

    def within(self):
        if self.uptime:
            return ['unshare', '-T', '--monotonic', str(self.uptime), '--boottime', str(self.uptime), '--']
        if not self.mounts:
            return []
        commands = ['mount --make-rprivate /', *map(self.fill, self.mounts), 'exec "$0" "$@"']
        return ['unshare', '-m', 'sh', '-c', ' && '.join(commands)]

    def inside(self, path):
        """A path as the services see it."""
        return pathlib.Path(f'/proc/{self.process.pid}/root{path}')

    def apart(self):
        """Gives qmail-smtpd control files of its own, before it is started."""
        shutil.copytree(self.dir / 'control', self.dir / 'smtpd/control')
        run = self.smtpd.folder / 'run'
        run.write_text(run.read_text().replace(f'QMAILDIR={self.dir} ', f'QMAILDIR={self.dir}/smtpd '))
        return self

    def stop(self):
        self.left = self.queued()
        return super().stop()

    # ---- faults

    @contextlib.contextmanager
    def fault(self, name, text=''):
        """A fault of shim.c, for the body's time."""
        self.fault_on(name, text)
        try:
            yield
        finally:
            self.fault_off(name)

    def fault_on(self, name, text=''):
        new = self.faults / f'.{name}'
        new.write_text(self.fill(text))
        new.rename(self.faults / name)

    def fault_off(self, name):
        (self.faults / name).unlink(missing_ok=True)

    def family(self):
        """The daemon's processes, the first one first."""
        found, new = [], [until('the daemon is up', self.verify.pid)]
        while new:
            found += new
            new = [child for pid in new for child in children(pid)]
        return found

    @contextlib.contextmanager
    def stopped(self):
        """The whole daemon stopped, for the body's time."""
        family = self.family()
        for pid in family:
            os.kill(pid, signal.SIGSTOP)
        until('the daemon is stopped', lambda: all(state(pid) == 'T' for pid in family))
        try:
            yield
        finally:
            for pid in family:
                with contextlib.suppress(ProcessLookupError):  # the first may have ended others already
                    os.kill(pid, signal.SIGCONT)

    def workers(self):
        """The processes that judge: two at least, but just after a change."""
        return until('there are workers', lambda: len(self.family()) > 2 and self.family()[1:])

    def kill(self):
        """SIGKILL for the daemon (its first process), as the kernel does it when memory is short."""
        pid = self.verify.pid()
        if pid:
            os.kill(pid, signal.SIGKILL)
            until('it is gone', lambda: self.verify.pid() != pid)

    def answers(self):
        """Waits until the daemon answers."""
        until('qmail-verify answers', lambda: self.question(b'postmaster@example.org'))

    # ---- the queue

    def queued(self):
        """The messages in the queue: (id, recipients) of each."""
        if self.process is None or self.process.returncode is not None:
            return self.left
        return [entry(path.read_bytes()) for path in self.inside(self.record / 'new').iterdir()]


def entry(file):
    message, envelope = file[:file.rindex(b'\nF')], file[file.rindex(b'\nF') + 1:]
    recipients = envelope.decode().split('\0')[1:-2]
    return re.search(rb'Message-Id: <(.*)>', message)[1].decode(), tuple(r[1:] for r in recipients)


def stat(pid):
    """The fields of /proc/PID/stat behind the name: state, parent, ..."""
    return pathlib.Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()


def children(parent):
    found = []
    for process in pathlib.Path('/proc').glob('[0-9]*'):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended
            if int(stat(process.name)[1]) == parent and state(process.name) != 'Z':
                found.append(int(process.name))
    return found


def state(pid):
    return stat(pid)[0]


def own_ids(pid):
    """(uid, gid), while the effective ones are the same: a worker has those of the user it looked for last, for a
    moment."""
    status = pathlib.Path(f'/proc/{pid}/status').read_text()
    ids = [set(re.search(rf'^{kind}:\s+(.*)', status, re.M)[1].split()) for kind in ('Uid', 'Gid')]
    return tuple(int(one.pop()) for one in ids) if all(len(one) == 1 for one in ids) else None


def limit(pid, what, number):
    """Sets a limit (NOFILE, NPROC) of a process that runs, as its user; the limit it had."""
    uid, gid = until(f'{pid} has its own ids', lambda: own_ids(pid))
    who = ['setpriv', f'--reuid={uid}', f'--regid={gid}', '--clear-groups'] if ROOT_RUN and uid else []
    prlimit = [*who, 'prlimit', '--pid', str(pid)]
    before = subprocess.run([*prlimit, f'--{what}', '--raw', '--noheadings', '-o', 'SOFT'], check=True,
                            capture_output=True, text=True).stdout.strip()
    subprocess.run([*prlimit, f'--{what}={number}:'], check=True)
    return before


def descriptors(pid):
    return len(os.listdir(f'/proc/{pid}/fd'))
