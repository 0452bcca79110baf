"""Is it well? SIGUSR1, qmail-vrfy --ping and --stats: numbers that equal what was played."""
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess

import pytest
from qmailhost import BUILD, ROOT, Host, until

MAGIC, NONCE = b'qverify2', bytes(range(16))
COUNTERS, FILLING = 5, 4
CONTROL = {'me': 'me.example\n', 'locals': 'me.example\n', 'virtualdomains': 'virt.example:v\n'}


def uid():
    return os.geteuid() or 7790


@pytest.fixture
def host(request):
    workers = getattr(request, 'param', '1')
    running = Host(control=CONTROL, assign=f'=joe:joe:{uid()}:{uid()}:{{qmail}}/joe:::\n+:alias:{uid()}:{uid()}:{{qmail}}/alias:-::\n.\n',
                   files={'alias/.qmail-v-list': '&x@y.example\n', 'joe/x': ''}, env={'WORKERS': workers})
    running.env['LISTEN'] = f'127.0.0.1:{running.port},{running.dir}/socket'
    with running:
        if not os.geteuid():
            running.own(uid(), 'joe', 'alias')
        yield running


def vrfy(host, *options, status=0, servers=None):
    done = subprocess.run([BUILD / 'qmail-vrfy', '-s', servers or f'127.0.0.1:{host.port}', *options], capture_output=True,
                          text=True, timeout=60, env={'PATH': os.environ['PATH'], 'QMAILDIR': str(host.dir)},
                          stdin=subprocess.DEVNULL)
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    return done


def stats(host, **more):
    """{'questions_total front=udp packet=plain': 3, ...}"""
    lines = vrfy(host, '--stats', **more).stdout.splitlines()
    return {name.rstrip(): int(value) for name, value in (line.rsplit(' ', 1) for line in lines)}


def grown(host, before, **expected):
    return {name: n - before.get(name, 0) for name, n in stats(host).items() if n != before.get(name, 0)
            and not name.startswith(('uptime', 'stats_questions', 'waiting_most', 'passwd', 'absent_by', 'connections'))}


@pytest.mark.parametrize('host', ['1', '3'], indirect=True)
def test_the_numbers_are_those_of_the_questions(host):
    before = stats(host)
    asked = 0
    for address, times in ((b'joe@me.example', 5), (b'nobody@me.example', 7), (b'v-list@me.example', 2),
                           (b'x@away.example', 3), (b'no@virt.example', 4), (b'list@virt.example', 1)):
        for _ in range(times):
            with host.send(address + b'\0') as s:
                s.settimeout(20)
                s.recv(100)
            asked += 1
    for _ in range(3):
        vrfy(host, 'joe@me.example', servers=f'{host.dir}/socket')
    vrfy(host, 'nobody@me.example', status=1)
    after = grown(host, before)
    extended = after.pop('questions_total front=udp packet=extended')
    assert after == {
        'questions_total front=udp packet=plain': asked, 'questions_total front=socket packet=extended': 3,
        'answers_total verdict=valid reason=default-delivery': 8,
        'answers_total verdict=invalid reason=no-mailbox': 7 + 4 + 1,
        'answers_total verdict=valid reason=dotqmail': 3,
        'answers_total verdict=remote reason=remote': 3}
    assert extended >= 1 + 1  # that of qmail-vrfy, and the pages of --stats
    log = host.text()
    host.signal(signal.SIGUSR1)
    host.logged('counters: ')
    line = re.search(r'^qmail-verify: counters: (.*)$', host.text(), re.M)[1]
    told = dict(pair.split('=') for pair in line.split())
    assert (told['valid'], told['remote'], told['unknown'], told['invalid'], told['temporary']) == ('11', '3', '0', '12', '0')
    assert told['workers'] == host.env['WORKERS'] and told['hanging'] == '0' and told['ignored'] == '0'
    assert log.count('empty-local') == 0, 'to be asked for counters is no decision'


def test_they_outlive_a_worker_and_sighup(host):
    host.ask(b'joe@me.example')
    children = pathlib.Path(f'/proc/{daemon(host)}/task/{daemon(host)}/children').read_text().split()
    assert len(children) == 1
    os.kill(int(children[0]), signal.SIGKILL)
    host.logged('another one takes its place')
    host.signal(signal.SIGHUP)
    host.logged('read again')
    host.ask(b'joe@me.example')
    now = stats(host)
    assert now['answers_total verdict=valid reason=default-delivery'] == 2
    assert now['workers_ended_total why=unexpected'] == 1 and now['hangups_total'] == 1
    assert now['workers_started_total'] >= 2 and now['workers'] >= 1


def daemon(host):
    """Its parent process: what was started may only be what started it."""
    pid = host.process.pid
    while not os.readlink(f'/proc/{pid}/exe').endswith('qmail-verify'):
        pid = int(pathlib.Path(f'/proc/{pid}/task/{pid}/children').read_text().split()[0])
    return pid


def test_a_storm_of_signals_keeps_nobody_from_an_answer(host):
    for _ in range(300):
        host.signal(signal.SIGUSR1)
    assert host.ask(b'joe@me.example')[0] == b'\x90joe'
    assert 1 <= host.text().count('qmail-verify: counters: ') <= 300


def test_each_reason_has_a_counter():
    text = (ROOT / 'daemon/counters.h').read_text()
    reasons = [int(n) for n in re.findall(r'^  X\( ?(\d+), \w+,', (ROOT / 'qmail-verify.h').read_text(), re.M)]
    assert len(reasons) > 50 and max(reasons) < int(re.search(r'COUNTER_REASONS (\d+)', text)[1])


# ---- ping

def test_ping(host):
    out = vrfy(host, '--ping', servers=f'{host.dir}/socket,127.0.0.1:{host.port}').stdout.splitlines()
    assert [line.split('\t')[:2] for line in out] == [[f'{host.dir}/socket', '5 of 5'], [f'127.0.0.1:{host.port}', '5 of 5']]
    version = re.search('QV_VERSION "(.*)"', (ROOT / 'qmail-verify.h').read_text())[1]
    for line in out:
        low, middle, high = map(float, re.fullmatch(r'([\d.]+)/([\d.]+)/([\d.]+) ms', line.split('\t')[2]).groups())
        assert 0 < low <= middle <= high and line.split('\t')[3] == f'qmail-verify {version}'
    assert not host.decisions(), 'a ping is no decision'


def test_ping_of_one_that_is_down(host):
    host.stop()
    done = vrfy(host, '--ping', servers=f'{host.dir}/socket', status=111)
    assert done.stdout.startswith(f'{host.dir}/socket\t0 of 5\t-\t')
    assert 'connection refused' in vrfy(host, '--ping', status=111).stdout


def test_ping_knows_workers_from_a_socket_that_is_open(host):
    """The parent alone answers nobody."""
    os.kill(daemon(host), signal.SIGSTOP)  # first: it replaces a worker that is stopped
    for child in pathlib.Path(f'/proc/{daemon(host)}/task/{daemon(host)}/children').read_text().split():
        os.kill(int(child), signal.SIGSTOP)
    try:
        assert '\t0 of 5\t-\tno answer' in vrfy(host, '--ping', status=111).stdout
    finally:
        os.kill(daemon(host), signal.SIGCONT)
    until('it answers again', lambda: subprocess.run(
        [BUILD / 'qmail-vrfy', '-s', f'127.0.0.1:{host.port}', '--ping'], capture_output=True).returncode == 0)


def test_every_process_may_be_signalled(host):
    """pkill -USR1 qmail-verify, or systemctl kill: the workers go on."""
    children = pathlib.Path(f'/proc/{daemon(host)}/task/{daemon(host)}/children').read_text().split()
    for pid in [*map(int, children), daemon(host)]:
        os.kill(pid, signal.SIGUSR1)
    host.logged('counters: ')
    assert vrfy(host, '--ping').returncode == 0
    assert children == pathlib.Path(f'/proc/{daemon(host)}/task/{daemon(host)}/children').read_text().split()
    assert 'ended by' not in host.text()


class Fake:
    """A server that gives this answer to every question."""

    def __init__(self, answer):
        import threading
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(('127.0.0.1', 0))
        self.name = '127.0.0.1:%d' % self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, args=(answer,), daemon=True)
        self.thread.start()

    def serve(self, answer):
        while True:
            question, asker = self.socket.recvfrom(65536)
            if question == b'end':
                return
            self.socket.sendto(answer(question), asker)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.socket.sendto(b'end', self.socket.getsockname())
        self.thread.join()
        self.socket.close()


def field(kind, value):
    return struct.pack('>BH', kind, len(value)) + value


def extended(question, fields):
    return b'\x90\0' + MAGIC + question[9:25] + b'\0\3' + fields


def test_older_servers_tell_no_counters(host):
    with Fake(lambda question: b'\x10') as old:
        assert 'plain answers only, as of 1.32' in vrfy(host, '--ping', servers=old.name).stdout
        assert 'tells no counters: it gives plain answers only' in vrfy(host, '--stats', servers=old.name, status=111).stderr
    with Fake(lambda question: extended(question, b'')) as older:
        assert 'version not told' in vrfy(host, '--ping', servers=older.name).stdout
        assert 'tells no counters: it is older' in vrfy(host, '--stats', servers=older.name, status=111).stderr


def test_who_cannot_judge_is_not_well(host):
    """A parent whose workers are gone says so by itself."""
    with Fake(lambda question: b'\x12' + extended(question, b'')[1:]) as parent:
        assert '0 of 5\t-\tnobody there can judge now' in vrfy(host, '--ping', servers=parent.name, status=111).stdout


def test_what_a_server_tells_is_not_believed_blindly(host):
    lines = (b'workers 3\n\x1b[31mred 1\nx{a="\x1b"} 1\nx{a="b} 1\nX 1\n 1\nworkers -1\nworkers 99999999999999999999999\n'
             b'ignored_total{why="a\\"b"} 1\nworkers')
    with Fake(lambda question: extended(question, field(COUNTERS, b'\0\0' + lines))) as liar:
        assert vrfy(host, '--stats', servers=liar.name).stdout == 'workers  3\n'
    # the same page again and again has an end
    with Fake(lambda question: extended(question, field(COUNTERS, b'\0\1' + b'workers 3\n'))) as liar:
        assert vrfy(host, '--stats', servers=liar.name).stdout.count('workers') == 2


# ---- who may ask, and for how much

def ask_counters(host, filling, to='127.0.0.1'):
    question = b'\0' + MAGIC + NONCE + field(COUNTERS, b'\0\0') + field(FILLING, bytes(filling))
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect((to, host.port))
    s.send(question)
    return s, len(question)


@pytest.mark.parametrize('filling', [130, 200, 300, 600])
def test_an_answer_is_never_longer_than_its_question(host, filling):
    s, asked = ask_counters(host, filling)
    with s:
        s.settimeout(20)
        answer = s.recv(4096)
    assert answer[:2] == b'\x90\0' and answer[10:26] == NONCE and len(answer) <= min(asked, 512)


def test_without_room_there_is_no_answer(host):
    with ask_counters(host, 0)[0]:
        host.logged('it wants counters, and has no room for them')
    assert stats(host)['ignored_total why=no-question'] == 1


def test_with_an_address_the_field_means_nothing(host):
    answer, line = host.ask(b'joe@me.example', MAGIC + NONCE + field(COUNTERS, b'\0\0') + field(FILLING, bytes(200)))
    assert answer[:5] == b'\x90joe\0' and len(answer) == 31 and 'default-delivery' in line


# ---- Prometheus

def test_the_help_of_every_family():
    families = set(re.findall(r'"(\w+?)(?:\{[^"]*(?:\\"[^"]*)*)? *"', ' '.join(
        re.findall(r'^  X\(\w+, +(".*")\)', (ROOT / 'daemon/counters.h').read_text(), re.M))))
    families = {re.match(r'\w+', name)[0] for name in families}
    families |= set(re.findall(r'^    \{"(\w+)', (ROOT / 'daemon/counters.cpp').read_text(), re.M)) | {'answers_total'}
    helped = set(re.findall(r'^    \{"(\w+)", "', (ROOT / 'vrfy/stats.cpp').read_text(), re.M))
    assert len(families) > 15 and families == helped


def test_the_text_format(host):
    host.ask(b'joe@me.example')
    one = vrfy(host, '--stats=prometheus').stdout
    two = vrfy(host, '--stats=prometheus', servers=f'{host.dir}/socket,127.0.0.1:{host.port}').stdout
    for text in (one, two):
        seen, family = set(), None
        for line in text.splitlines():
            if line.startswith('# HELP '):
                family = line.split(' ')[2]
                assert family not in seen
                seen.add(family)
            elif line.startswith('# TYPE '):
                assert line.split(' ')[2:] == [family, 'counter' if family.endswith('_total') else 'gauge']
            else:
                name, labels, value = re.fullmatch(r'(\w+)(?:\{((?:\w+="[^"\\]*",?)*)\})? (\d+)', line).groups()
                assert name == family and int(value) >= 0
    assert 'qmail_verify_answers_total{verdict="valid",reason="default-delivery"} 1\n' in one
    assert 'server=' not in one and f'qmail_verify_workers{{server="{host.dir}/socket"}} 1\n' in two


def promtool():
    for place in (shutil.which('promtool'), ROOT / 'build/prometheus/usr/bin/promtool'):
        if place and os.access(place, os.X_OK):
            return place
    return None


@pytest.mark.skipif(not promtool(), reason='promtool is not there (Debian: prometheus)')
def test_promtool_has_nothing_to_say(host):
    for servers in (None, f'{host.dir}/socket,127.0.0.1:{host.port}'):
        text = vrfy(host, '--stats=prometheus', servers=servers).stdout
        done = subprocess.run([promtool(), 'check', 'metrics'], input=text, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and not done.stderr, done.stdout + done.stderr


@pytest.mark.parametrize('options', [['--ping', '-n'], ['--stats', '-j'], ['--stats=json'], ['--ping', 'joe@me.example'],
                                     ['--ping', '--stats']])
def test_misuse(host, options):
    done = subprocess.run([BUILD / 'qmail-vrfy', *options], capture_output=True, text=True, timeout=60)
    assert done.returncode == 100 and 'see qmail-vrfy --help' in done.stderr
