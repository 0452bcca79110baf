"""A host of the benchmark's own, and servers to ask on it.

All of it lives in a mount namespace: homes on a tmpfs, and /etc/passwd, group and
nsswitch.conf mounted over this host's, which sees nothing of it.
"""
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

from classes import count_of, reason_numbers

STARTS_IN = 60  # seconds
ENTERED = 'QMAIL_VERIFY_BENCH_ENTERED'
NEEDS = """bench: needs root: it makes homes that belong to many users, and mounts an /etc/passwd of
its own, where only its own processes see it; nothing of this host is changed. Run

    sudo make bench

or "make bench" as root. In a container it needs the right to mount as well: start the
container with --cap-add SYS_ADMIN --security-opt apparmor=unconfined."""


class Trouble(Exception):
    """Why it cannot go on, for the one who runs it."""


def enter():
    """Goes on in a mount namespace of its own; from there it returns."""
    if os.environ.get(ENTERED):
        return
    if os.geteuid() != 0:
        raise Trouble(NEEDS)
    done = subprocess.run(['unshare', '-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/proc'], capture_output=True, text=True)
    if done.returncode != 0:
        raise Trouble(f'{NEEDS}\n\nunshare -m mount: {done.stderr.strip()}')
    os.environ[ENTERED] = '1'
    sys.stdout.flush()
    os.execvp('unshare', ['unshare', '-m', sys.executable, *sys.argv])


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise Trouble(f"{' '.join(map(str, command))}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def which(program):
    return shutil.which(program, path='/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin')


def place_for_homes(*kept):
    """A directory that every system has, with nothing in it that is needed here."""
    for place in ('/home', '/srv', '/mnt', '/media'):
        inside = any(pathlib.Path(k).resolve().is_relative_to(place) for k in kept if k)
        if os.path.isdir(place) and not os.path.islink(place) and not inside:
            return place
    raise Trouble('found no directory to mount the sample homes on: /home, /srv, /mnt and /media are missing, or have '
                  'these sources in them; put the sources elsewhere')


def processors():
    """The one for the servers and the one for the load; the same where there is but one."""
    own = sorted(os.sched_getaffinity(0))
    return own[0], own[-1]


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class Site:
    """A sample host of these sizes, while it is entered."""

    BOUND = ('passwd', 'group', 'nsswitch.conf')

    def __init__(self, build, place, sizes):
        self.build, self.place, self.sizes = build, place, sizes
        self.qmail = f'{place}/qmail'

    def __enter__(self):
        begun = time.monotonic()
        run('mount', '-t', 'tmpfs', '-o', 'mode=755,size=80%,nr_inodes=0', 'tmpfs', self.place)
        try:
            run(self.build / 'bench/site', self.place, *(f'{name}={n}' for name, n in self.sizes.items()))
            for name in self.BOUND:
                run('mount', '--bind', f'{self.place}/etc/{name}', f'/etc/{name}')
        except BaseException:
            self.__exit__()
            raise
        self.seconds = time.monotonic() - begun
        return self

    def __exit__(self, *_):
        for name in self.BOUND:
            subprocess.run(['umount', f'/etc/{name}'], capture_output=True)
        run('umount', '-l', self.place)


# ---- servers

def children(parent):
    """All processes below this one."""
    by_parent = {}
    for process in pathlib.Path('/proc').glob('[0-9]*'):
        try:
            fields = (process / 'stat').read_text().rsplit(')', 1)[1].split()
        except OSError:
            continue
        by_parent.setdefault(int(fields[1]), []).append(int(process.name))
    found, todo = [], [parent]
    while todo:
        more = by_parent.get(todo.pop(), [])
        found += more
        todo += more
    return found


def cpu_of(pid):
    """Seconds of CPU that a process has used."""
    try:
        return int(pathlib.Path(f'/proc/{pid}/schedstat').read_text().split()[0]) / 1e9
    except OSError:
        fields = pathlib.Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def memory_of(pid):
    """Resident bytes of a process: all, private ones, those of files, those shared; and its part of all, where what
    several processes share is divided among them."""
    values = {}
    for name in ('status', 'smaps_rollup'):
        lines = pathlib.Path(f'/proc/{pid}/{name}').read_text().splitlines()
        values |= dict(line.split(':', 1) for line in lines if ':' in line)
    return {name: int(values[key].split()[0]) * 1024
            for name, key in (('rss', 'VmRSS'), ('anon', 'RssAnon'), ('file', 'RssFile'), ('shared', 'RssShmem'),
                              ('part', 'Pss'))}


class Server:
    """Something that answers on a port of 127.0.0.1, while it is entered."""

    kind, process, log, socket = 'daemon', None, None, None

    def __init__(self, name, command, port, env=None, processor=None, logs_to=None):
        self.name, self.command, self.port = name, command, port
        self.env, self.processor, self.logs_to = env or {}, processor, logs_to

    def popen(self, **more):
        pin = None if self.processor is None else (lambda: os.sched_setaffinity(0, {self.processor}))
        return subprocess.Popen(self.command, env={'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', **self.env}, cwd='/',
                                stdin=subprocess.DEVNULL, preexec_fn=pin, **more)

    def __enter__(self):
        if self.logs_to:
            self.log = subprocess.Popen(self.logs_to, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        sink = self.log.stdin if self.log else subprocess.DEVNULL
        self.process = self.popen(stdout=subprocess.DEVNULL, stderr=sink)
        try:
            self.wait_until_it_answers()
        except BaseException:
            self.__exit__()
            raise
        return self

    def wait_until_it_answers(self):
        end = time.monotonic() + STARTS_IN
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise Trouble(f'{self.name} ended with status {self.process.returncode}: {self.last_words()}')
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.connect(('127.0.0.1', self.port))
                s.settimeout(0.05)
                try:
                    s.send(b'anybody@far.example\0')
                    if s.recv(512):
                        return
                except TimeoutError:
                    pass
                except ConnectionRefusedError:
                    time.sleep(0.005)
        raise Trouble(f'{self.name} does not answer on port {self.port}')

    def last_words(self):
        again = self.popen(stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            return again.communicate(timeout=2)[0].decode(errors='replace').strip()
        except subprocess.TimeoutExpired:
            again.kill()
            return again.communicate()[0].decode(errors='replace').strip()

    def pids(self):
        return [self.process.pid, *children(self.process.pid)]

    def cpu(self):
        return sum(cpu_of(pid) for pid in self.pids())

    def memory(self):
        """The parent's, and that of the worker that has most (of a daemon without workers: its own)."""
        found = [memory_of(pid) for pid in self.pids()]
        return {'parent': found[0], 'worker': max(found[1:], key=lambda m: m['rss'], default=found[0])}

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.log:
            self.log.stdin.close()
            self.log.wait(10)


class Echo(Server):
    kind = 'echo'

    def __init__(self, build, processor):
        super().__init__('the UDP echo', [build / 'bench/echo'], 0, processor=processor)

    def __enter__(self):
        self.process = self.popen(stdout=subprocess.PIPE)
        self.port = int(self.process.stdout.readline())
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def daemon(build, site, processor=None, workers=1, logs_to=None, before=(), by_socket=False):
    """Ours, on this site. by_socket: it is asked over a UNIX socket."""
    port = free_port()
    path = f'{site.place}/socket' if by_socket else ''
    env = {'QMAILDIR': site.qmail, 'LISTEN': f"127.0.0.1:{port}{',' if path else ''}{path}", 'WORKERS': str(workers)}
    server = Server('qmail-verify', [*before, build / 'qmail-verify'], port, env, processor, logs_to)
    server.socket = path
    return server


class Peer(Server):
    """Another one, which looks for qmail in /var/qmail as it is installed there."""

    kind = 'peer'
    SCRIPT = ('if [ ! -d /var/qmail ]; then mount -t tmpfs -o mode=755 tmpfs /var && mkdir /var/qmail; fi && '
              'mount --bind "$1" /var/qmail && exec "$2"')

    def __init__(self, program, site, processor):
        port = free_port()
        copy = shutil.copy(program, f'{site.place}/peer')  # /var may go away under it
        os.chmod(copy, 0o755)
        super().__init__(f'{program}', ['unshare', '-m', 'sh', '-c', self.SCRIPT, 'sh', site.qmail, copy], port,
                         {'LISTEN': f'127.0.0.1:{port}', 'WORKERS': '1'}, processor)


# ---- asking

class Load:
    """Asks a server questions of a class; remembers where each class has got to."""

    PATIENCE = {'echo': 5, 'daemon': 5, 'peer': 10}  # the machine may be busy

    def __init__(self, build, processor):
        self.program, self.processor = build / 'bench/load', processor
        self.reasons = reason_numbers()
        self.asked = {}

    def arguments(self, server, c, site, packets):
        expect = 'echo' if server.kind == 'echo' else c.peer if server.kind == 'peer' and c.peer else c.expect
        yield from (f"server={server.socket or f'127.0.0.1:{server.port}'}", f'address={c.address}', f'expect={expect}')
        if server.kind == 'daemon':
            yield f'reason={self.reasons[c.reason]}'
        yield from (f'count={count_of(c, site.sizes)}', f'first={self.asked.get((server, c.key), 0)}',
                    f"seed={int.from_bytes(os.urandom(8), 'little')}", f'packets={packets}',
                    f'timeout={self.PATIENCE[server.kind]}')

    def ask(self, server, c, site, packets='plain', **how):
        """One round; see the top of load.cpp. cpu_us: of the server's, for each answer."""
        if self.processor is not None:
            how['processor'] = self.processor
        before = server.cpu()
        text = run(self.program, *self.arguments(server, c, site, packets), *(f'{k}={v}' for k, v in how.items()))
        result = json.loads(text)
        used = server.cpu() - before
        self.asked[(server, c.key)] = self.asked.get((server, c.key), 0) + result['sent']
        result['cpu_us'] = used * 1e6 / result['answered'] if result['answered'] else None
        return result

    def distinct(self, server, c, site):
        """How many different addresses of a class a server has been asked so far."""
        asked = self.asked.get((server, c.key), 0)
        return asked if '%r' in c.address else min(asked, count_of(c, site.sizes))
