"""The part of `make bench` about qmail-smtpd: what a session's start costs, what a large
message costs, and how many messages a second come in.

Everything is measured against what cannot be less in the same minute: an empty static
program, and cat in qmail-smtpd's place. The programs that are compared take turns, and
ratios are medians of the ratios of single rounds, so that a machine that is busy for
a while harms all of them alike. The queue program is smtpd_queue, which reads and keeps
nothing. PEER_SMTPD=/path names another qmail-smtpd (netqmail's), which is measured
beside ours; it reads its own control files, and RELAYCLIENT lets mail in there.

run(out) takes at most a minute, run(out, quick=True) a few seconds.
"""
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / 'tests/e2e'))
from smtpsource import smtp_source  # noqa: E402

MUCH = 100_000_000  # bytes
LINE = b'x' * 70 + b'\r\n'
BEFORE = b'MAIL FROM:<a@sender.example>\r\nRCPT TO:<joe@example.org>\r\nDATA\r\nSubject: test\r\n\r\n'
SESSIONS = (1, 10, 100)  # at once
LIMIT_QUIT, LIMIT_CPU, LIMIT_RSS, LIMIT_VERIFY = 1.2, 0.2, 1.5, 0.9


def median(values):
    return statistics.median(values) if values else None


class Place:
    """A temporary folder with a qmail directory in it, and the programs to be run."""

    def __init__(self, out, quick):
        self.out, self.quick = out, quick
        self.build = pathlib.Path(out.build or ROOT / 'build/plain').resolve()
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix='bench.'))
        (self.dir / 'control').mkdir()
        (self.dir / 'control/me').write_text('mail.example.org\n')
        (self.dir / 'control/rcpthosts').write_text('example.org\nshop.example\n')
        self.queue = self.build / 'bench/smtpd_queue'
        self.programs = {'ours': self.build / 'qmail-smtpd'}
        if os.environ.get('PEER_SMTPD'):
            self.peer(pathlib.Path(os.environ['PEER_SMTPD']).resolve())

    def peer(self, program):
        """Takes it in, if it greets a client: without its control files it does not."""
        said = subprocess.run([program], env=self.environment('peer'), input=b'QUIT\r\n', capture_output=True).stdout
        if said.startswith(b'220'):
            self.programs['peer'] = program
        else:
            self.out.fail(f'PEER_SMTPD={program} does not greet: {said.decode(errors="replace").strip() or "no word"}')

    def copies(self, programs):
        """As install(1) leaves programs: how a file came into the page cache decides how many faults it takes."""
        for number, program in enumerate(programs):
            yield shutil.copy(program, self.dir / f'program{number}')

    def environment(self, name, **more):
        relay = {'RELAYCLIENT': ''} if name == 'peer' else {}
        return {'PATH': os.environ['PATH'], 'QMAILDIR': str(self.dir), 'QMAILQUEUE': str(self.queue), **relay, **more}

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)


# ---- a process that answers QUIT

def quit_rounds(place, programs):
    """For each program its rounds: microseconds by the clock, of CPU, page faults of a process."""
    (place.dir / 'quit').write_bytes(b'QUIT\r\n')
    command = [place.build / 'bench/smtpd_spawn', str(6 if place.quick else 100), '8', place.dir / 'quit',
               *place.copies(programs)]
    text = subprocess.run(command, env=place.environment('peer'), check=True, capture_output=True, text=True).stdout
    rounds = [[] for _ in programs]
    for line in text.splitlines():
        number, *values = line.split()
        rounds[int(number)].append([float(value) for value in values])
    return rounds


def ratio(rounds, others, column=0):
    return median([mine[column] / other[column] for mine, other in zip(rounds, others)])


def quits(place):
    names = {'an empty static program': place.build / 'bench/smtpd_empty',
             'the same, static-pie': place.build / 'bench/smtpd_empty_pie',
             **{f'qmail-smtpd, {name}': program for name, program in place.programs.items()}}
    place.out.say('qmail-smtpd: a process that answers QUIT')
    measured = dict(zip(names, quit_rounds(place, names.values())))
    empty = measured['an empty static program']
    rows, kept = [], {}
    for name, rounds in measured.items():
        clock, cpu, faults = (median([r[i] for r in rounds]) for i in range(3))
        of_empty = {'of_empty': ratio(rounds, empty), 'cpu_of_empty': ratio(rounds, empty, 1)}
        rows.append([name, clock, cpu, faults, *of_empty.values()])
        kept[name] = {'us': clock, 'cpu_us': cpu, 'page_faults': faults, **of_empty}
    place.out.table('qmail-smtpd: fork, exec, QUIT, exit',
                    ['process', 'us', 'CPU us', 'page faults', 'of empty', 'CPU of empty'], rows,
                    note=f'Medians of {len(empty)} rounds of 8 processes. Wanted: ours at most {LIMIT_QUIT} of empty.')
    return kept


# ---- a large message

def feed(process, file):
    """cat writes the file to the process, as a client on the same machine would."""
    file.seek(0)
    cat = subprocess.run(['cat'], stdin=file, stdout=process.stdin)
    assert cat.returncode == 0, 'cat failed'


def peak_mb(pid):
    with open(f'/proc/{pid}/status') as status:
        return next(int(line.split()[1]) for line in status if line.startswith('VmHWM:')) / 1024


def cpu_of(process):
    """Waits for it; its seconds of CPU, with those of the children that it has waited for."""
    process.stdin.close()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f'exit status {process.returncode}'
    return used.ru_utime + used.ru_stime


def message(place, name, file):
    """One message of MUCH bytes: CPU of qmail-smtpd, CPU of the queue program, most memory."""
    report = place.dir / 'report'
    with open(place.dir / 'replies', 'w+b') as replies:
        process = subprocess.Popen([place.programs[name]], env=place.environment(name, SMTPD_QUEUE_REPORT=str(report)),
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        feed(process, file)
        said = [process.stdout.readline() for _ in range(5)]
        assert said[-1].startswith(b'250 ok '), f'{name} said {said}'
        peak = peak_mb(process.pid)
        process.stdin.write(b'QUIT\r\n')
        process.stdin.flush()
        both = cpu_of(process)
        process.stdout.close()
    queue = int(report.read_text()) / 1e6
    return both - queue, queue, peak


def cat(place, file):
    """The same bytes through cat: a pipe to read from, a pipe to smtpd_queue to write to."""
    report = place.dir / 'report'
    with open('/dev/null', 'r+b') as nothing:  # the envelope, and where nothing is said
        queue = subprocess.Popen([place.queue], env={'SMTPD_QUEUE_REPORT': str(report)}, stdin=subprocess.PIPE,
                                 stdout=nothing)
    process = subprocess.Popen(['cat'], stdin=subprocess.PIPE, stdout=queue.stdin)
    queue.stdin.close()
    feed(process, file)
    peak = peak_mb(process.pid)
    used = cpu_of(process)
    assert queue.wait() == 0, 'smtpd_queue failed'
    return used, int(report.read_text()) / 1e6, peak


def large(place):
    """Takes turns; a row for each."""
    much = MUCH // 20 if place.quick else MUCH
    names = [*place.programs, 'cat']
    rounds = {name: [] for name in names}
    place.out.say('qmail-smtpd: a large message')
    with open(place.dir / 'message', 'w+b') as message_file, open(place.dir / 'bytes', 'w+b') as cat_file:
        lines = LINE * (much // len(LINE))
        message_file.write(BEFORE + lines + b'.\r\n')
        cat_file.write(lines)
        for file in (message_file, cat_file):
            file.flush()
        for _ in range(2 if place.quick else 5):
            for name in names:
                one = cat(place, cat_file) if name == 'cat' else message(place, name, message_file)
                rounds[name].append(one)
    return large_table(place, rounds, much)


def large_table(place, rounds, much):
    rows, kept = [], {}
    for name, mine in rounds.items():
        cpu, queue, peak = (median([r[i] for r in mine]) for i in range(3))
        label = 'cat in its place' if name == 'cat' else f'qmail-smtpd, {name}'
        rows.append([label, cpu, queue, peak, ratio(mine, rounds['cat'])])
        kept[name] = {'cpu_s': cpu, 'queue_cpu_s': queue, 'peak_rss_mb': peak, 'of_cat': rows[-1][-1]}
    place.out.table(f'qmail-smtpd: a message of {much // 1000000} MB, lines of {len(LINE)} bytes',
                    ['process', 'CPU s', "queue's CPU s", 'peak RSS MB', 'CPU of cat'], rows,
                    note=f'Medians of {len(rounds["cat"])} rounds. Wanted: ours at most {LIMIT_CPU} s for 100 MB and '
                         f'below {LIMIT_RSS} MB.\nThe queue program keeps nothing; its CPU is not in the first column.')
    if rounds['ours'] and max(r[2] for r in rounds['ours']) >= LIMIT_RSS:
        place.out.fail(f'qmail-smtpd had more than {LIMIT_RSS} MB of memory for one message')
    return kept


# ---- messages a second

def host_of(place):
    """The daemon of this build on a qmail directory where every recipient is looked up in a home."""
    os.environ['BUILD'] = str(place.build)
    import qmailhost
    qmailhost.BUILD = place.build
    uid, gid = (65534, 65534) if os.geteuid() == 0 else (os.getuid(), os.getgid())
    assign = f'+shop-:shop:{uid}:{gid}:{{qmail}}/home/shop:-::\n+:alias:{uid}:{gid}:{{qmail}}/alias:-::\n.\n'
    host = qmailhost.Host(control={'me': 'mail.example.org\n', 'locals': 'example.org\n',
                                   'rcpthosts': 'example.org\nshop.example\n', 'virtualdomains': 'shop.example:shop\n'},
                          assign=assign, files={'home/shop/.qmail-default': './Maildir/\n'})
    host.env['LISTEN'] = f'{host.dir}/socket'
    if os.geteuid() == 0:
        host.own(uid, 'home', 'alias')
        host.env['SOCKETGROUP'] = 'root'
    return host


def ticks(process):
    """CPU of a process and of the children it has waited for, in clock ticks."""
    with open(f'/proc/{process.pid}/stat') as stat:
        return sum(int(field) for field in stat.read().rpartition(')')[2].split()[11:15])


class Server:
    """tcpserver with a qmail-smtpd behind it."""

    def __init__(self, place, host, program, environment):
        import qmailhost
        self.port, self.host, self.place = qmailhost.quiet_port(), host, place
        command = ['tcpserver', '-HR', '-l', 'mail.example.org', '-c', '400', '-b', '400', '127.0.0.1', str(self.port),
                   program]
        self.process = subprocess.Popen(command, env={**environment, 'QMAILDIR': str(host.dir)}, cwd='/',
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        qmailhost.until('tcpserver listens', self.listens)

    def listens(self):
        try:
            with socket.create_connection(('127.0.0.1', self.port), 5) as s:
                return s.recv(4).startswith(b'220')
        except ConnectionRefusedError:
            return False

    def cpu(self):
        return ticks(self.process) + ticks(self.host.process)

    def take(self, source, sessions, messages):
        """Messages a second, milliseconds of the servers' CPU a message."""
        program, environment = source
        command = [program, '-4', '-s', str(sessions), '-m', str(messages), '-l', '4096', '-N', '-f',
                   'sender@example.com', '-t', '-sales@shop.example', f'127.0.0.1:{self.port}']
        cpu, began = self.cpu(), time.monotonic()
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
        seconds = time.monotonic() - began
        assert done.returncode == 0, done.stdout + done.stderr
        return messages / seconds, (self.cpu() - cpu) * 1000 / os.sysconf('SC_CLK_TCK') / messages

    def stop(self):
        self.process.terminate()
        self.process.wait()


def servers_of(place, host):
    """In the order of their turns: without and with verification, another's."""
    ours, verify = place.programs['ours'], f'STRICT,{host.dir}/socket'
    servers = {'off': Server(place, host, ours, place.environment('ours')),
               'on': Server(place, host, ours, place.environment('ours', VERIFY=verify))}
    if 'peer' in place.programs:
        servers['peer'] = Server(place, host, place.programs['peer'], place.environment('peer'))
    return servers


NAMES = {'off': 'ours, not verifying', 'on': 'ours, verifying', 'peer': 'peer'}


def rates(place):
    source = smtp_source()
    if not source or not shutil.which('tcpserver'):
        place.out.say('qmail-smtpd: no smtp-source or no tcpserver here: messages a second are not measured')
        return None
    place.out.say('qmail-smtpd: messages a second')
    servers = {}
    with host_of(place) as host:
        try:
            servers = servers_of(place, host)
            measured = {sessions: rate_rounds(place, servers, source, sessions) for sessions in SESSIONS}
        finally:
            for server in servers.values():
                server.stop()
        check_asked(place, host)
    return rate_table(place, measured)


def turns(place):
    """How often each server takes how many messages."""
    return (1, 20) if place.quick else (7, 250)


def rate_rounds(place, servers, source, sessions):
    rounds = {name: [] for name in servers}
    times, messages = turns(place)
    for turn in range(times):
        for name in (list(servers) if turn % 2 else reversed(servers)):
            rounds[name].append(servers[name].take(source, sessions, messages))
    return rounds


def check_asked(place, host):
    """Without a question for each message "on" would be nothing."""
    said = host.text().count(' permitted for shop.')
    times, messages = turns(place)
    wanted = times * messages * len(SESSIONS)
    if said != wanted:
        place.out.fail(f'qmail-verify was asked {said} times for {wanted} messages')


def rate_table(place, measured):
    rows, kept = [], {}
    for sessions, rounds in measured.items():
        for name, mine in rounds.items():
            rate, cpu = (median([r[i] for r in mine]) for i in range(2))
            of_off = {'of_off': ratio(mine, rounds['off']), 'cpu_of_off': ratio(mine, rounds['off'], 1)}
            rows.append([f'{NAMES[name]}, {sessions} at once', rate, cpu, *of_off.values()])
            kept[f'{name}_{sessions}'] = {'rate': rate, 'cpu_ms': cpu, **of_off}
    place.out.table('qmail-smtpd: messages of 4096 bytes a second through tcpserver, a session each',
                    ['server, sessions', 'messages/s', 'CPU ms a message', 'of not verifying', 'CPU of it'], rows,
                    note='Each recipient of a round is another. CPU is that of tcpserver, qmail-smtpd, queue program\n'
                         'and qmail-verify together; with a queue program that writes to a disk, verifying would be\n'
                         'a smaller part.\n'
                         f'Wanted: verifying at least {LIMIT_VERIFY} of the rate without.')
    return kept


def run(out, quick=False):
    place = Place(out, quick)
    try:
        out.json['smtpd'] = {'quit': quits(place), 'message': large(place), 'rate': rates(place)}
    finally:
        place.remove()


if __name__ == '__main__':
    sys.path.insert(0, str(ROOT / 'bench'))
    import report
    result = report.Out(build=pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / 'build/plain'))
    run(result, quick='--quick' in sys.argv)
    sys.exit(bool(result.failures))
