"""The benchmark itself: it counts what it should, and sees what is wrong. How fast
anything is does not matter here."""
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import threading

import pytest
from namespaces import need_mounts
from qmailhost import ROOT

CLASSES = ['remote', 'cdb', 'virtual', 'virtual-miss', 'many-miss', 'passwd', 'passwd-miss', 'passwd-miss-dashes',
           'vpasswd', 'vpasswd-miss']
SHORT = ['--sites', 'tiny', '--seconds', '0.02', '--rounds', '1', '--in-flight', '4']
ACCEPTS_ALL = """#!/usr/bin/python3
import os, socket
ip, port = os.environ['LISTEN'].split(':')
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((ip, int(port)))
while True:
    question, client = s.recvfrom(65536)
    s.sendto(b'\\xa0anybody', client)
"""


@pytest.fixture
def tools(plain):
    """A build directory with the benchmark's programs."""
    for program in ('site', 'load', 'doors_load', 'echo', 'smtpd_spawn', 'smtpd_empty'):
        assert (plain / 'bench' / program).exists(), f'{plain}/bench/{program} does not exist: run make bench-tools'
    return plain


def bench(build, out, *more):
    return subprocess.run([sys.executable, ROOT / 'bench/run.py', '--build', build, '--out', out, *more],
                          capture_output=True, text=True, timeout=120)


def test_bench_prints_a_table_and_keeps_its_numbers(tools, tmp_path):
    need_mounts()
    mounts = pathlib.Path('/proc/self/mountinfo').read_text()
    done = bench(tools, tmp_path, *SHORT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert pathlib.Path('/proc/self/mountinfo').read_text() == mounts
    assert re.search(r'^class +addresses +echo/s +ours/s +of echo +min-max +CPU us ', done.stdout, re.M), done.stdout
    results = json.loads((tmp_path / 'results.json').read_text())
    rows = results['sites']['tiny']['classes']
    assert [row['class'] for row in rows] == CLASSES and results['failures'] == []
    for row in rows:
        assert row['rate'] > 0 and row['echo'] > 0 and row['cpu_us'] > 0 and row['one_p50'] > 0 and row['half_p99'] > 0
        assert row['ratios'][0] == pytest.approx(row['rate'] / row['echo'], rel=1e-6)
    distinct = {row['class']: row['distinct'] for row in rows}
    assert (distinct['cdb'], distinct['virtual'], distinct['passwd'], distinct['vpasswd']) == (20, 4, 5, 5)
    variants = {(row['variant'], row['class']) for row in results['sites']['tiny']['variants'] if row.get('rate')}
    for how in ('extended packets', 'over a UNIX socket', 'WORKERS=2, on all processors'):
        assert {(how, 'cdb'), (how, 'passwd-miss')} <= variants
    lists = {(row['how'], row['class']): row['rate'] for row in results['sites']['tiny']['lists']}
    assert set(lists) == {(how, c) for how in ('by UDP', 'over a UNIX socket') for c in ('cdb', 'passwd-miss')}
    assert all(lists.values()) and re.search(r'^how +class +lines +ours/s +lines/s +of ours', done.stdout, re.M)
    memory = results['sites']['tiny']['memory']
    assert memory['parent']['rss'] > 0 and memory['worker']['rss'] > 0


def test_bench_asks_a_hub_with_few_routes_and_with_many(tools, tmp_path):
    need_mounts()
    done = bench(tools, tmp_path, *SHORT, '--sites', 'hub', '--routes', '50')
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((tmp_path / 'results.json').read_text())
    assert results['failures'] == [] and set(results['hub']['start_seconds']) == {'10', '50'}
    rows = [(row['class'], row['routes'], row['domains']) for row in results['hub']['rows']]
    assert rows == [('hub-warm', 10, 10), ('hub-cold', 10, 10), ('hub-warm', 50, 10), ('hub-cold', 50, 10), ('hub-warm', 50, 50)]
    assert all(row['rate'] > 0 and row['cpu_us'] > 0 for row in results['hub']['rows'])


def test_bench_asks_through_every_door(tools, tmp_path):
    need_mounts()
    done = bench(tools, tmp_path, *SHORT, '--sites', 'doors')
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((tmp_path / 'results.json').read_text())['doors']
    rows = {(row['door'], row['class']): row for row in results['rows']}
    for door in ('direct, UDP', 'socketmap, UNIX', 'socketmap, TCP', 'policy, UNIX', 'policy, TCP', 'tcp_table, TCP', 'line, UNIX',
                 'line, UNIX, a connection each', 'line, TCP, a connection each', 'qd1, TCP', 'qd1, TCP, a connection each'):
        assert all(rows[door, c]['rate'] > 0 for c in ('cdb', 'passwd-miss')), door
    assert results['not_spoken'] == []
    assert [run['what'] for run in results['runs']] == ['an empty static program', 'qmail-rcptcheck, not verifying',
                                                        'qmail-rcptcheck, by UDP', 'qmail-rcptcheck, over a UNIX socket']
    assert all(run['us'] > 0 and run['runs'] == pytest.approx(1e6 / run['us']) for run in results['runs'])
    assert re.search(r'^Published, not measured: qmail_deliverabled answers 300 a second', done.stdout, re.M)


def test_doors_load_counts_what_is_wrong_or_lost(tools):
    """Against a server that says what it is told to, in pieces, whatever is asked."""
    answers = {'socketmap': (b'12:OK dotqmail', b','), 'policy': (b'action=DUNNO\n', b'\n'), 'tcp_table': (b'200 dot', b'qmail\n'),
               'line': (b'val', b'id\n'), 'qd1': (b'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n2', b'41')}
    for protocol, pieces in answers.items():
        for kept in ('0', '1'):
            with Talks(pieces) as server:
                how = [f'protocol={protocol}', f'kept={kept}', 'address=u%p@x', 'count=9', 'questions=7', 'connections=3']
                got = doors_load(tools, server.port, *how, 'expect=valid')
                assert (got['sent'], got['answered'], got['wrong'], got['lost']) == (7, 7, 0, 0), protocol
                assert doors_load(tools, server.port, *how, 'expect=invalid')['wrong'] == 7, protocol
    for pieces in ((b'val',), ()):  # not whole, and the connection ends; no answer
        with Talks(pieces, ends=bool(pieces)) as server:
            got = doors_load(tools, server.port, 'protocol=line', 'address=a@x', 'questions=4', 'expect=valid', 'timeout=0.2')
            assert (got['sent'], got['answered'], got['lost']) == (4, 0, 4)


def doors_load(build, port, *arguments):
    return load(build, port, *arguments, program='doors_load')


class Talks:
    """A server that answers each thing that it hears with these pieces."""

    def __init__(self, pieces, ends=False):
        self.pieces, self.ends = pieces, ends
        self.socket = socket.create_server(('127.0.0.1', 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection):
        with connection:
            try:
                while connection.recv(65536):
                    for piece in self.pieces:
                        connection.sendall(piece)
                    if self.ends:
                        return
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join()


def test_bench_fails_where_answers_are_wrong(tools, tmp_path):
    """With a peer that accepts everybody."""
    need_mounts()
    peer = tmp_path / 'peer'
    peer.write_text(ACCEPTS_ALL)
    peer.chmod(0o755)
    done = bench(tools, tmp_path, *SHORT, '--peer', peer, '--only', 'virtual,virtual-miss')
    assert done.returncode == 1, done.stdout + done.stderr
    failures = json.loads((tmp_path / 'results.json').read_text())['failures']
    assert len(failures) == 1, failures
    assert re.search(r'virtual miss a-b-c: of [\d,]+ answers [\d,]+ wrong \(status 160 user anybody', failures[0])
    assert f'FAILED: {failures[0]}' in done.stdout
    assert re.search(r' peer/s +of echo +CPU us$', done.stdout, re.M), done.stdout


def test_bench_without_root_says_what_to_do(tools, tmp_path):
    if os.geteuid() == 0:
        folder = tmp_path / 'copy'  # others may not be let into the build directory or the sources
        shutil.copytree(ROOT / 'bench', folder / 'bench')
        shutil.copy(ROOT / 'qmail-verify.h', folder)
        (folder / 'build').mkdir()
        for program in ('qmail-verify', 'qmail-vrfy', 'qmail-verify-gate', 'qmail-rcptcheck'):
            shutil.copy(tools / program, folder / 'build')
        shutil.copytree(tools / 'bench', folder / 'build/bench')
        place = folder
        while place != pathlib.Path('/'):
            place.chmod(place.stat().st_mode | 0o055)
            place = place.parent
        done = subprocess.run(['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', sys.executable,
                               folder / 'bench/run.py', '--build', folder / 'build'], capture_output=True, text=True)
    else:
        done = bench(tools, tmp_path)
    assert done.returncode == 1
    assert 'needs root' in done.stderr and '\n    sudo make bench\n' in done.stderr, done.stderr
    assert 'Traceback' not in done.stderr


# ---- the load

def load(build, port, *arguments, program='load'):
    done = subprocess.run([build / f'bench/{program}', f'server=127.0.0.1:{port}', *arguments], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class Answers:
    """A server that does with each question what answer says: a list of datagrams to send back."""

    def __init__(self, answer):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(('127.0.0.1', 0))
        self.port, self.answer, self.asked = self.socket.getsockname()[1], answer, []
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            question, client = self.socket.recvfrom(65536)
            if question == b'end':
                return
            self.asked.append(question.split(b'\0')[0].decode())
            for answer in self.answer(question):
                self.socket.sendto(answer, client)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b'end', ('127.0.0.1', self.port))
        self.thread.join()
        self.socket.close()


def right(question):
    return [b'\xa0joe' + (b'\0' + question.split(b'\0', 1)[1][:24] + b'\0\5' if b'qverify2' in question else b'')]


def test_load_asks_each_address_once_before_any_comes_again(tools):
    with Answers(right) as server:
        got = load(tools, server.port, 'address=u%p@x', 'count=300', 'questions=600', 'expect=valid', 'in_flight=16')
        assert (got['sent'], got['answered'], got['wrong'], got['lost']) == (600, 600, 0, 0)
        assert sorted(server.asked[:300]) == sorted(server.asked[300:]) == sorted(f'u{i}@x' for i in range(300))
        assert server.asked[:300] != sorted(server.asked[:300])
        first = server.asked[:300]
        server.asked.clear()
        load(tools, server.port, 'address=u%p@x', 'count=300', 'first=100', 'questions=10', 'expect=valid')
        assert server.asked == first[100:110]
        server.asked.clear()
        load(tools, server.port, 'address=%r-b-c@d%e', 'count=3', 'questions=500', 'expect=valid')
        assert len({name.split('@')[0] for name in server.asked}) == 500
        assert {name.split('@')[1] for name in server.asked} == {'d0', 'd2', 'd4'}


@pytest.mark.parametrize('packets', ['plain', 'extended'])
@pytest.mark.parametrize('flight', [1, 8])
def test_load_counts_what_is_wrong_or_lost(tools, packets, flight):
    how = [f'packets={packets}', f'in_flight={flight}', 'address=%r@x', 'timeout=0.3', 'expect=valid']
    with Answers(right) as server:
        assert load(tools, server.port, *how, 'questions=50')['wrong'] == 0
        assert load(tools, server.port, *how[:-1], 'questions=50', 'expect=invalid')['wrong'] == 50
    with Answers(lambda question: []) as server:
        got = load(tools, server.port, *how, 'questions=10')
        assert (got['sent'], got['answered'], got['lost']) == (10, 0, 10)


def test_load_takes_no_answer_to_another_question_or_twice(tools):
    other = b'\xa0joe\0qverify2' + b'n' * 16 + b'\0\5'
    how = ['packets=extended', 'address=%r@x', 'questions=5', 'expect=valid', 'timeout=0.3', 'reason=5']
    with Answers(lambda question: [other]) as server:
        got = load(tools, server.port, *how)
        assert got['answered'] == 0 and got['lost'] == 5 and got['stray'] == 5
    with Answers(lambda question: right(question) * 2) as server:
        got = load(tools, server.port, *how, 'in_flight=3')
        assert got['answered'] == 5 and got['stray'] > 0 and got['wrong'] == 0
    with Answers(right) as server:
        assert load(tools, server.port, *how[:-1], 'reason=16')['wrong'] == 5


def test_load_at_a_rate_asks_as_many_as_it_should(tools):
    with Answers(right) as server:
        got = load(tools, server.port, 'packets=extended', 'address=%r@x', 'expect=valid', 'rate=500', 'seconds=0.2',
                   'timeout=20')
        assert got['sent'] == got['answered'] == 100 and got['latency']['n'] == 100
        assert got['seconds'] >= 0.19
