"""The daemon's processes: what each may do, what happens when one is stuck, stopped or killed.

A home that hangs is played by tests/fault/shim.c: its door does not let anybody
through until a file is gone, as a file server that is away does.
"""
import errno
import os
import pathlib
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import threading
import time

import packets
import pytest
from packets import question
from qmailhost import BUILD, ROOT, Host, preload, until

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason='needs root: users of its own')
SANITIZED = 'sanitize' in str(BUILD)

JOE, HOMES = 7001, 12
HANGS, LOST = 54, 55


def users():
    lines = ['=joe:joe:7001:7001:{qmail}/home/joe:::\n', '+joe-:joe:7001:7001:{qmail}/home/joe:-::\n']
    for n in range(HOMES):
        lines.append(f'+far{n}-:far{n}:{7100 + n}:7100:{{qmail}}/far/{n}:-::\n')
    return ''.join(lines) + '+:alias:7003:7003:{qmail}/alias:-::\n.\n'


@pytest.fixture(scope='session')
def shim(tmp_path_factory):
    library = tmp_path_factory.mktemp('shim') / 'shim.so'
    subprocess.run(['cc', '-O2', '-shared', '-fPIC', '-o', library, ROOT / 'tests/fault/shim.c', '-ldl'], check=True)
    library.parent.chmod(0o755)
    for folder in library.parents:
        if folder.name.startswith('pytest-'):
            folder.chmod(0o755)
    return library


class Crew(Host):
    """A host whose daemon may meet a closed door."""

    def __init__(self, shim=None, workers=2, **more):
        super().__init__(assign=users(), files={'home/joe/.qmail-list': '&a@example.net\n',
                                                **{f'far/{n}/.qmail-x': '&a@example.net\n' for n in range(HOMES)}},
                         env={'WORKERS': str(workers), **more})
        self.own(JOE, 'home/joe')
        self.own(7003, 'alias')
        for n in range(HOMES):
            os.chown(self.dir / f'far/{n}', 7100 + n, 7100)
        self.faults = self.dir / 'faults'
        self.faults.mkdir(mode=0o777)
        self.faults.chmod(0o777)
        if shim:
            self.env.update(LD_PRELOAD=preload(shim), FAULTS=str(self.faults))

    def close(self, place):
        (self.faults / '.door').write_text(f'0 {self.dir}/{place}\n')
        (self.faults / '.door').rename(self.faults / 'door')

    def open(self):
        (self.faults / 'door').unlink()

    def workers(self):
        return [int(pid) for pid in pathlib.Path(f'/proc/{self.process.pid}/task/{self.process.pid}/children')
                .read_text().split()]

    def asked(self, address):
        """The whole extended answer's (result, reason)."""
        with self.send(question(address)) as s:
            s.settimeout(10)
            return parse(s.recv(4096))


def parse(answer):
    """(result, reason)."""
    return packets.parse(answer)[:2]


def worst_ms(host, count, each=lambda: None):
    """Asks so often for what enters no home and what enters joe's: the longest wait."""
    worst = 0
    healthy = [b'x@elsewhere.example', b'joe-list@example.org', b'joe-none@example.org', b'joe@example.org']
    for n in range(count):
        each()
        begin = time.monotonic()
        with host.send(healthy[n % 4] + b'\0') as s:
            assert select.select([s], [], [], 5)[0], f'{healthy[n % 4]} is not answered'
        worst = max(worst, (time.monotonic() - begin) * 1000)
    return worst


@needs_root
def test_a_home_that_hangs_does_not_keep_the_others_waiting(shim):
    """10,000 questions for it among others: these are all answered within 100 ms (or
    what they take at worst on this machine when nothing hangs)."""
    with Crew(shim) as host, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as many:
        many.connect(('127.0.0.1', host.port))
        many.setblocking(False)
        calm = worst_ms(host, 1000)
        host.close('far/0')
        answers = []

        def hear(seconds):
            while select.select([many], [], [], seconds)[0]:
                answers.append(parse(many.recv(4096)))

        def ten_more():
            for _ in range(10):
                many.send(question(b'far0-x@example.org'))
            hear(0)

        worst = worst_ms(host, 1000, ten_more)
        host.logged(f'a look at {host.dir}/far/0 did not come back')
        hear(2)
        assert set(answers) == {(2, HANGS)}
        assert len(answers) > 9000, f'{len(answers)} of 10,000 were answered'
        host.open()
        host.logged('far/0 answers again')
        assert host.asked(b'far0-x@example.org') == (0, 5)
        assert worst < max(100, 2 * calm), f'{worst:.0f} ms; when nothing hung {calm:.0f} ms'


@needs_root
@pytest.mark.parametrize('workers', [1, 2])
def test_a_stopped_worker_is_replaced_at_once(workers):
    with Crew(workers=workers) as host:
        for _ in range(3):
            before = host.workers()
            os.kill(random.choice(before), signal.SIGSTOP)
            assert worst_ms(host, 200) < 1000
            until('another worker is there', lambda: set(host.workers()) != set(before) and
                  len(host.workers()) == workers)
        assert 'a worker was stopped by a signal: another one takes its place' in host.text()


@needs_root
def test_a_killed_worker_is_replaced_and_its_question_answered(shim):
    with Crew(shim, workers=1) as host:
        host.close('far/1')
        with host.send(question(b'far1-x@example.org')) as s:
            inside = until('somebody stands at the door', lambda: list(host.faults.glob('in.*')))
            host.open()  # for the next one; the first hears of it when it looks again
            os.kill(int(inside[0].name[3:]), signal.SIGKILL)
            assert select.select([s], [], [], 10)[0]
            assert parse(s.recv(4096)) == (0, 5)
        assert host.asked(b'joe@example.org') == (0, 4)


@needs_root
def test_many_places_that_hang_cost_at_most_eight_workers(shim):
    with Crew(shim) as host:
        host.close('far/')
        for n in range(HOMES):
            assert host.asked(b'far%d-x@example.org' % n) == (2, HANGS)
        assert worst_ms(host, 20) < 5000
        host.open()
        until('all are answered again', lambda: all(host.asked(b'far%d-x@example.org' % n)[0] == 0
                                                    for n in range(HOMES)))
        assert host.asked(b'joe-none@example.org')[0] == 1


@needs_root
def test_what_hangs_is_not_answered_to_a_plain_question_and_its_policy_counts(shim):
    with Crew(shim) as host:
        host.close('far/2')
        assert host.asked(b'far2-x@example.org') == (2, HANGS)
        answer, line = host.ask(b'far2-y@example.org')
        assert answer is None and 'not answered for far2. home-hangs' in line


@needs_root
def test_rights_that_are_kept():
    """Capabilities: setuid and setgid, for the parent and each worker; nothing can be gained."""
    with Crew() as host:
        for pid in [host.process.pid, *host.workers()]:
            status = dict(re.findall(r'^(\w+):\t(.*)$', pathlib.Path(f'/proc/{pid}/status').read_text(), re.M))
            assert int(status['CapPrm'], 16) == int(status['CapEff'], 16) == 1 << 6 | 1 << 7
            assert int(status['CapBnd'], 16) & ~(1 << 6 | 1 << 7) == 0
            assert int(status['CapInh'], 16) == int(status['CapAmb'], 16) == 0
            assert status['NoNewPrivs'] == '1'
            limits = pathlib.Path(f'/proc/{pid}/limits').read_text()
            assert re.search(r'Max core file size +0 +0', limits)
            files = re.search(r'Max open files +(\d+) +(\d+)', limits)
            assert int(files[1]) == int(files[2]) <= 2048
            if not SANITIZED:
                assert re.search(r'Max address space +\d+ +\d+', limits)


@needs_root
def test_workers_end_with_their_parent():
    with Crew() as host:
        workers = host.workers()
        host.process.kill()
        host.process.wait()
        until('the workers have ended', lambda: not any(os.path.exists(f'/proc/{pid}/exe') and
              pathlib.Path(f'/proc/{pid}/stat').read_text().split()[2] != 'Z' for pid in workers))
        host.start()
        assert host.asked(b'joe@example.org') == (0, 4)


@needs_root
def test_sigterm_does_not_wait_for_a_home_that_hangs(shim):
    with Crew(shim) as host:
        host.close('far/3')
        with host.send(question(b'far3-x@example.org')):
            until('somebody stands at the door', lambda: list(host.faults.glob('in.*')))
            begin = time.monotonic()
            assert host.stop() == 0
            assert time.monotonic() - begin < 10


@needs_root
@pytest.mark.parametrize('workers', [1, 2])
def test_a_change_is_in_force_under_load(workers):
    """Workers under a flood hear that they are to end: what is valid now is not refused by old files."""
    with Crew(workers=workers) as host, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flood:
        flood.connect(('127.0.0.1', host.port))
        flood.setblocking(False)
        host.control('virtualdomains', 'new.example:joe\n')
        assert host.asked(b'none@new.example') == (0, 1)
        end = threading.Event()

        def pour():
            while not end.is_set():
                try:
                    flood.send(question(b'x@elsewhere.example'))
                    while select.select([flood], [], [], 0)[0]:
                        flood.recv(4096)
                except OSError:
                    pass

        pouring = threading.Thread(target=pour)
        pouring.start()
        try:
            host.signal(signal.SIGHUP)
            host.logged('SIGHUP: control/locals')
            assert host.asked(b'none@new.example') == (1, 16)
        finally:
            end.set()
            pouring.join()


@needs_root
def test_a_program_that_cannot_be_looked_at_is_no_answer(shim):
    """What a dot-qmail file runs is on a file system that hangs: temporary, not "any program"."""
    with Crew(shim) as host:
        far = f'{host.dir}/far/0/bin'
        os.mkdir(far)
        shutil.copy('/bin/true', f'{far}/vdelivermail')
        host.write('home/joe/.qmail-vpop-default', f"| {far}/vdelivermail '' bounce-no-mailbox\n")
        host.own(JOE, 'home/joe')
        before = host.asked(b'joe-vpop-x@example.org')
        host.close('far/0')  # what was seen of a program is remembered for a second
        until('it is looked at again', lambda: host.asked(b'joe-vpop-x@example.org') == (2, HANGS))
        assert host.asked(b'joe-vpop-y@example.org') == (2, HANGS)
        assert 'is not there, cannot be run' not in host.text()
        host.open()
        until('it answers again', lambda: host.asked(b'joe-vpop-x@example.org') == before)


@needs_root
def test_a_worker_of_old_files_refuses_nobody_where_no_new_one_can_be_forked(shim):
    with Crew(shim, workers=1) as host:
        host.write('home/joe/.qmail-late', '&a@example.net\n')
        host.own(JOE, 'home/joe')
        host.control('virtualdomains', 'new.example:joe-none\n')
        host.signal(signal.SIGHUP)
        host.logged('SIGHUP: control/locals')
        assert host.asked(b'late@new.example') == (1, 16)
        (host.faults / '.fork').write_text(f'{errno.EAGAIN}\n')
        (host.faults / '.fork').rename(host.faults / 'fork')
        host.control('virtualdomains', 'new.example:joe\n')
        host.signal(signal.SIGHUP)
        host.logged('cannot fork a worker')
        assert host.asked(b'late@new.example') == (2, LOST)
        (host.faults / 'fork').unlink()
        host.logged('workers can be forked again')
        until('the new files count', lambda: host.asked(b'late@new.example') == (0, 5))
        assert host.text().count('cannot fork a worker') == 1


@needs_root
def test_one_file_that_hangs_stops_nobody_elses_home(shim):
    """joe has a dot-qmail file that leads to a server that is gone; the next one's home beside his is judged."""
    with Crew(shim) as host:
        host.close('far/4/.qmail-x')
        assert host.asked(b'far4-x@example.org') == (2, HANGS)
        for n in (5, 6, 7):
            assert host.asked(b'far%d-x@example.org' % n) == (0, 5)
        began = time.monotonic()
        for _ in range(20):  # the probe asks what hung, so that this home hangs on
            assert host.asked(b'far4-x@example.org') == (2, HANGS)
        assert host.text().count('did not come back') == 1 and time.monotonic() - began < 10
        host.open()
        until('it answers again', lambda: host.asked(b'far4-x@example.org') == (0, 5))


@needs_root
def test_two_users_homes_that_hang_are_taken_for_all_beside_them(shim):
    with Crew(shim) as host:
        host.close('far/')
        assert host.asked(b'far0-x@example.org') == (2, HANGS)
        assert host.asked(b'far1-x@example.org') == (2, HANGS)
        host.logged(f'addresses that need {host.dir}/far are answered')
        began = time.monotonic()
        for n in range(2, HOMES):
            assert host.asked(b'far%d-x@example.org' % n) == (2, HANGS)
        assert time.monotonic() - began < 5
        assert host.asked(b'joe-list@example.org') == (0, 5)
        host.open()
        until('all are answered again', lambda: all(host.asked(b'far%d-x@example.org' % n) == (0, 5)
                                                    for n in range(HOMES)))


@needs_root
def test_workers_end_with_their_parent_although_a_probe_hangs(shim):
    with Crew(shim) as host:
        host.close('far/8')
        assert host.asked(b'far8-x@example.org') == (2, HANGS)
        children = host.workers()
        host.process.kill()
        host.process.wait()
        until('all workers have ended', lambda: sum(alive(pid) for pid in children) <= 1)
        host.open()
        until('the probe, too', lambda: not any(alive(pid) for pid in children))
        host.start()
        assert host.asked(b'far8-x@example.org') == (0, 5)


@needs_root
def test_questions_over_the_unix_socket_are_all_answered_though_a_home_hangs(shim):
    """Clients do not repeat there: what a lost worker had put aside is answered, too."""
    with Crew(shim) as host:
        host.stop()
        host.env['LISTEN'] = f'127.0.0.1:{host.port},{host.dir}/socket'
        host.start()
        host.close('far/9')
        asked = []
        for n in range(24):
            s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            s.connect(str(host.dir / 'socket'))
            s.send(question(b'far9-x@example.org' if n % 2 else b'joe-list@example.org'))
            asked.append(s)
        for n, s in enumerate(asked):
            s.settimeout(5)
            assert parse(s.recv(4096)) in ([(2, HANGS), (2, LOST)] if n % 2 else [(0, 5)])
            s.close()


def alive(pid):
    try:
        return pathlib.Path(f'/proc/{pid}/stat').read_text().split()[2] != 'Z'
    except FileNotFoundError:
        return False


@needs_root
def test_trouble_is_told_once_when_it_begins_and_once_when_it_is_over():
    with Crew(workers=2) as host:
        good = (host.dir / 'users/cdb').read_bytes()
        host.write('users/new', good[:1000]).rename(host.dir / 'users/cdb')
        for _ in range(20):
            assert host.asked(b'joe@example.org') == (2, 20)
        host.logged('users/cdb cannot be used: damaged; addresses that need this are answered "temporary" until that is '
                    'mended: run qmail-newu')
        host.write('users/new', good).rename(host.dir / 'users/cdb')
        until('it is told that it is over', lambda: host.asked(b'joe@example.org') == (0, 4) and
              'users/cdb can be used again' in host.text())
        assert host.text().count('users/cdb cannot be used') == 1


@needs_root
def test_group_and_mode_of_the_socket():
    with Crew() as host:
        host.stop()
        path = host.dir / 'socket'
        host.env.update(LISTEN=str(path), SOCKETGROUP='7100', SOCKETMODE='0600')
        host.start()
        status = path.stat()
        assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (0, 7100, 0o600)
    for variable, wrong in (('SOCKETGROUP', 'no-such-group'), ('SOCKETGROUP', '-1'), ('SOCKETMODE', '999'),
                            ('SOCKETMODE', '01777')):
        run = subprocess.run([BUILD / 'qmail-verify'], env={'QMAILDIR': '/', variable: wrong}, capture_output=True,
                             text=True, timeout=20)
        assert run.returncode == 100 and f'{variable}={wrong}: ' in run.stderr


def test_workers_is_a_number():
    for wrong in ('0', '17', 'two', '-1', '2x', '99999999999999999999'):
        run = subprocess.run([BUILD / 'qmail-verify'], env={'QMAILDIR': '/', 'WORKERS': wrong}, capture_output=True,
                             text=True, timeout=20)
        assert run.returncode == 100 and f'WORKERS={wrong}: set it to a number from 1 to 16' in run.stderr
