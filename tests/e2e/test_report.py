"""qmail-verify-report on logs that real sessions made, and on what is made up.

The sessions are played against tcpserver, qmail-smtpd and qmail-verify under supervise,
with multilog; what was played is what the report has to count.
"""
import datetime
import gzip
import json
import os
import pathlib
import pty
import re
import shutil
import subprocess
import sys

import madelog
import pytest
from mailhost import Mailhost
from qmailhost import BUILD, until

pytestmark = pytest.mark.usefixtures('build')

PROGRAM = BUILD / 'qmail-verify-report'
HOSTILE = [b'<script>alert(1)</script>', b'"onmouseover=alert(1)', b'\x1b[2Jred', b'\xff\xfe', b"'&amp;", b'a' * 1300]


def run(*arguments, status=0, **more):
    done = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, timeout=120, **more)
    assert done.returncode == status, (done.returncode, done.stderr.decode(errors='replace'))
    return done


def report(*arguments, **more):
    """The JSON object."""
    return json.loads(run('--json', *arguments, **more).stdout)


def rows(table):
    return {row['name']: row for row in table['rows']}


# ---- real sessions

RULES = {
    '127.0.0.1': 'VERIFY="{verify}"',
    '127.0.0.2': 'VERIFY="DEFER,{verify}"',
    '127.0.0.3': 'VERIFY="OBSERVE,{verify}"',
    '127.0.0.4': 'VERIFY="MAXBAD=2,{verify}"',
    '127.0.0.5': 'VERIFY="DEFER,MAXBAD=1,{verify}"',
    '127.0.0.6': 'VERIFY="OPEN,{verify}"',
    '127.0.0.7': '',
}
FILES = {
    'home/joe/.qmail-list-default': './Maildir/\n',
    'home/shop/.qmail-sales': '&joe@example.org\n',
    'alias/.qmail-postmaster': '&joe@example.org\n',
    'alias/.qmail-all-default': './Maildir/\n',
    'control/verifypolicy': 'try.example:observe\n',
}
CONTROL = {
    'me': 'mail.example.org\n', 'locals': 'example.org\n',
    'rcpthosts': 'example.org\nshop.example\nall.example\ntry.example\n',
    'virtualdomains': 'shop.example:shop\nall.example:all\ntry.example:shop\n',
}


def sender(s, address):
    assert s.say(f'MAIL FROM:<{address}>').startswith('250')


def recipients(s, *addresses):
    return ' '.join(s.say(f'RCPT TO:<{address}>')[:3] for address in addresses)


def play(host):
    """The sessions; the replies here are the numbers that are asserted below."""
    with host.smtp('127.0.0.1') as s:  # at once
        sender(s, 'a@client.example')
        assert recipients(s, 'joe@example.org', 'no@example.org', 'no@shop.example') == '250 550 550'
        assert recipients(s, 'sales@shop.example') == '250'
        assert recipients(s, 'x@elsewhere.example') == '553'
        assert s.message().startswith('250')
        sender(s, '')
        assert recipients(s, 'no@example.org') == '550'
        s.say('RSET')
        sender(s, 'a@client.example')
        assert recipients(s, 'a@all.example', 'b@all.example', 'nobody@try.example') == '250 250 250'
        s.say('QUIT')
    with host.smtp('127.0.0.2') as s:  # DEFER
        sender(s, 'a@client.example')
        assert recipients(s, 'joe@example.org', 'no@example.org', 'sales@shop.example') == '250 250 250'
        assert s.say('DATA').startswith('554')
        s.say('RSET')
        sender(s, 'a@client.example')
        assert recipients(s, 'joe@example.org') == '250'
        assert s.message().startswith('250')
        s.say('QUIT')
    with host.smtp('127.0.0.3') as s:  # OBSERVE
        sender(s, 'a@client.example')
        assert recipients(s, 'joe@example.org', 'no@example.org') == '250 250'
        assert s.message().startswith('250')
        s.say('QUIT')
    with host.smtp('127.0.0.4') as s:  # MAXBAD
        sender(s, 'a@client.example')
        assert recipients(s, 'joe@example.org', 'no1@example.org', 'no2@example.org') == '250 550 550'
        assert recipients(s, 'no3@example.org') == '421'
    with host.smtp('127.0.0.5') as s:  # MAXBAD with DEFER
        sender(s, 'a@client.example')
        assert recipients(s, 'no@example.org', 'joe@example.org') == '250 250'
        assert s.say('DATA').startswith('421')
    with host.smtp('127.0.0.7') as s:  # not verified; the client goes without QUIT
        sender(s, 'a@client.example')
        assert recipients(s, 'nobody@example.org') == '250'
    host.verify.down()
    with host.smtp('127.0.0.1') as s:
        sender(s, 'a@client.example')
        assert recipients(s, 'joe@example.org', 'no@example.org') == '451 451'
        s.say('QUIT')
    with host.smtp('127.0.0.6') as s:  # OPEN
        sender(s, 'a@client.example')
        assert recipients(s, 'no@example.org') == '250'
        s.say('QUIT')
    # the last line of each session; of the two that were lost one is Mailhost's look
    host.smtpd.logged('Read error (disconnect?): quitting', 2)
    host.smtpd.logged('Remote end QUIT', 5)
    host.smtpd.logged('Too many invalid recipients: quitting', 2)
    host.smtpd.logged('verify: temporary', 4)  # the MAXBAD session's comes after that, and 3 of no answer
    host.verify.logged(' denied. ', 8)
    host.verify.logged('policy-observe')


@pytest.fixture(scope='module')
def played(build, tmp_path_factory):
    """The two log directories, as multilog left them."""
    logs = tmp_path_factory.mktemp('logs')
    with Mailhost(RULES, files=FILES, control=CONTROL) as host:
        play(host)
        for name, service in (('smtpd', host.smtpd), ('verify', host.verify)):
            shutil.copytree(service.folder / 'log/main', logs / name)
    for folder, _, names in os.walk(logs):
        for name in names:
            os.chmod(pathlib.Path(folder, name), 0o644)
    return logs


def test_the_numbers_are_those_of_the_sessions(played):
    r = report(played / 'smtpd', played / 'verify')
    # one more than was played: Mailhost looks whether tcpserver listens
    assert r['sessions'] == {'begun': 9, 'quit': 5, 'lost': 2, 'timeout': 0, 'maxbad': 2, 'other': 0}
    assert {k: n for k, n in r['recipients']['replies'].items() if n} == {
        '250': 2 + 3 + 1 + 2 + 1 + 1 + 1, '550': 3 + 2, '553-rcpthosts': 1, '554-data': 3,
        '421-rcpt': 1, '421-data': 2, '451': 2}
    got = r['recipients']
    assert (got['accepted'], got['refused'], got['temporary']) == (11, 9, 5)
    assert (got['would_refuse'], got['would_defer'], got['unverified'], got['put_off']) == (1, 0, 1, 2)
    assert r['messages']['accepted'] == 3 and r['messages']['refused_at_data'] == 1
    d = r['decisions']
    denied = ['no@example.org'] * 5 + ['no@shop.example', 'no1@example.org', 'no2@example.org']
    assert d['denied'] == len(denied) and d['observed'] == 1 and d['caught'] >= 2
    # at once 2 of the null sender's too, DEFER, MAXBAD twice
    assert r['backscatter'] == {'bounces_at_most': 4, 'recipients': 3 + 1 + 2 + 1, 'transactions': 5, 'null_sender': 1,
                                'sender_unknown': 0, 'discarded': 0, 'passed': 1}
    assert r['lines']['foreign'] == 0 and r['lines']['dropped'] == 0

    domains, clients, reasons = rows(r['domains']), rows(r['clients']), rows(r['reasons'])
    assert domains['shop.example']['refused'] == 2 and domains['shop.example']['accepted'] == 1
    assert domains['try.example']['observed'] == 1 and domains['elsewhere.example']['refused'] == 1
    assert clients['127.0.0.4']['refused'] == 2 and clients['127.0.0.4']['temporary'] == 1
    assert clients['127.0.0.3']['would_refuse'] == 1 and clients['127.0.0.6']['unverified'] == 1
    assert reasons['no-mailbox']['denied'] == len(denied) and reasons['no-mailbox']['refused'] == 5 + 1
    assert reasons['(no answer)']['temporary'] == 2 and reasons['(MAXBAD)']['temporary'] == 1
    vain = rows(r['vain'])
    assert vain['no@example.org'] == {'name': 'no@example.org', 'missed': 0, 'by_clients': 5, 'denied': 5}
    assert vain['nobody@try.example']['denied'] == 1
    caught = {row['domain']: row for row in r['catchalls']['rows']}
    assert caught['all.example']['accepted'] == 2 and caught['all.example']['reason'].startswith('dotqmail')
    [server] = r['servers']['rows']
    assert server['name'].startswith('127.0.0.1:') and server['failed'] == 3 and server['silent'] == 0
    over_time = r['series']['pieces']
    total = {what: sum(piece[what] for piece in over_time) for what in ('accepted', 'refused', 'temporary', 'denied')}
    assert total == {'accepted': 11, 'refused': 9, 'temporary': 5, 'denied': len(denied)}


def test_each_log_alone(played):
    """Either program's lines tell what they can."""
    r = report(played / 'verify')
    assert r['recipients']['accepted'] == 0 and r['decisions']['denied'] == 8 and r['clients']['rows'] == []
    text = run(played / 'verify').stdout.decode()
    assert 'Decisions of qmail-verify' in text and 'SMTP sessions' not in text
    r = report(played / 'smtpd')
    assert r['recipients']['refused'] == 9 and r['decisions']['denied'] == 0


def test_the_text_has_the_same_numbers(played):
    text = run(played / 'smtpd', played / 'verify').stdout.decode()
    assert re.search(r'^  550  no mailbox +5 ', text, re.M) and re.search(r'^  250  accepted +11 ', text, re.M)
    assert 'At most 4 bounces.' in text
    assert re.search(r'^  all\.example +2 +0  dotqmail.*, lets everything in$', text, re.M), text
    assert '\x1b' not in text


# ---- files

@pytest.fixture
def log(tmp_path):
    """Some made lines in the manner of multilog: three files; how many lines."""
    folder = tmp_path / 'main'
    folder.mkdir()
    stamped = [madelog.stamp(at) + line + '\n' for at, line in madelog.lines(300)]
    third = len(stamped) // 3
    for part, end in ((0, 's'), (1, 'u')):
        piece = stamped[part * third:(part + 1) * third]
        (folder / f'{piece[-1][:25]}.{end}').write_text(''.join(piece))
    (folder / 'current').write_text(''.join(stamped[2 * third:]))
    for other in ('lock', 'state', 'newstate', 'previous'):
        (folder / other).write_text('@400000006afe000000000000 qmail-verify: wrong@example.org denied. no-mailbox /\n')
    return folder, len(stamped)


def test_rotated_compressed_and_named_files_are_all_the_same(log, tmp_path):
    folder, lines = log
    first = report(folder)
    assert first['lines']['read'] == lines
    files = sorted(folder.glob('@*')) + [folder / 'current']
    assert report(*files) == first
    everything = b''.join(path.read_bytes() for path in files)
    assert report(input=everything) == first == report('-', input=everything)
    [one, two] = sorted(folder.glob('@*'))
    one.write_bytes(gzip.compress(one.read_bytes()))  # as multilog's processor leaves it
    two.with_name(two.name + '.gz').write_bytes(gzip.compress(two.read_bytes()))
    two.unlink()
    assert report(folder) == first
    # what is still being written is not read before its end
    with open(folder / 'current', 'a') as current:
        current.write(madelog.stamp(1795500000) + 'qmail-verify: half@example.org denied. no-mail')
    assert report(folder) == first


def test_real_multilog_rotates(tmp_path):
    lines = [line for _, line in madelog.lines(300)]
    done = subprocess.run(['multilog', 't', 's4096', 'n1000', tmp_path / 'main'],
                          input='\n'.join([*lines, '']).encode(), timeout=60)
    assert done.returncode == 0 and len(list((tmp_path / 'main').glob('@*.s'))) > 3
    r = report(tmp_path / 'main')
    assert r['lines']['read'] == len(lines) and r['sessions']['begun'] == 300


def test_what_cannot_be_read_is_told(log, tmp_path):
    folder, lines = log
    broken = sorted(folder.glob('@*'))[0]
    broken.write_bytes(gzip.compress(broken.read_bytes())[:-20])
    done = run(folder, '--json', status=111)
    assert b'gzip could not read it to its end' in done.stderr and broken.name.encode() in done.stderr
    assert json.loads(done.stdout)['lines']['read'] > lines / 3
    broken.unlink()
    os.mkfifo(broken)
    assert b'is no regular file' in run(folder, status=111).stderr
    empty = tmp_path / 'empty'
    empty.mkdir()
    assert b'neither current nor @*.s' in run(empty, status=111).stderr
    assert b'No such file' in run(tmp_path / 'nothing\x1b', status=111).stderr
    assert b'\x1b' not in run(tmp_path / 'nothing\x1b', status=111).stderr
    said = run('--since=tomorrow', folder, status=100).stderr
    assert said.startswith(b'qmail-verify-report: --since=tomorrow: give a time')
    with open('/dev/full', 'w') as full:
        done = subprocess.run([PROGRAM, folder / 'current'], stdout=full, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 111 and b'standard output' in done.stderr


# ---- periods and time zones

def at(zone_hours, *when):
    zone = datetime.timezone(datetime.timedelta(hours=zone_hours))
    return int(datetime.datetime(*when, tzinfo=zone).timestamp())


def test_periods_are_local(tmp_path):
    """A line on each side of midnight in Berlin, and one without a time."""
    midnight = at(1, 2026, 11, 20)
    lines = ''.join(f'{madelog.stamp(when)}qmail-verify: {name}@example.org denied. no-mailbox /home\n'
                    for name, when in (('before', midnight - 1), ('after', midnight), ('noon', midnight + 12 * 3600)))
    log = tmp_path / 'log'
    log.write_text(lines + 'qmail-verify: timeless@example.org denied. no-mailbox /home\n')

    def names(*options, tz='Europe/Berlin'):
        r = report(*options, log, env={**os.environ, 'TZ': tz})
        return sorted(row['name'].split('@')[0] for row in r['vain']['rows']), r

    assert names()[0] == ['after', 'before', 'noon', 'timeless']
    found, r = names('--since=2026-11-20')
    assert found == ['after', 'noon'] and r['period']['since'] == '2026-11-20T00:00:00+01:00'
    assert r['period']['first'] == '2026-11-20T00:00:00+01:00'
    assert r['lines']['outside'] == 1 and r['lines']['no_time'] == 1
    assert names('--until=2026-11-20')[0] == ['before']
    assert names('--since=2026-11-20 00:01', '--until=2026-11-20T12:00:01')[0] == ['noon']
    assert names('--since=2026-11-20', tz='UTC')[0] == ['noon']
    text = run(log, env={**os.environ, 'TZ': 'Europe/Berlin'}).stdout.decode()
    assert 'lines of 2026-11-19 23:59:59 to 2026-11-20 12:00:00 (CET)' in text


def test_how_long_ago(tmp_path):
    now = int(datetime.datetime.now().timestamp())
    log = tmp_path / 'log'
    log.write_text(''.join(f'{madelog.stamp(now - ago * 3600)}qmail-verify: h{ago}@example.org denied. no-mailbox /h\n'
                           for ago in (1, 30, 200)))
    for since, expected in (('2h', 1), ('90m', 1), ('2d', 2), ('2w', 3)):
        assert report(f'--since={since}', log)['decisions']['denied'] == expected, since


# ---- hostile bytes

def hostile(tmp_path):
    log = tmp_path / 'hostile'
    with open(log, 'wb') as f:
        for name in HOSTILE:
            for line in (b'qmail-verify: %s@x denied. no-mailbox /h' % name,
                         b'qmail-verify: a@%s permitted for %s. program /.qmail-default' % (name, name),
                         b'qmail-smtpd: pid 1 from %s: New session' % name,
                         b'qmail-smtpd: pid 1 from %s: verify: temporary %s@y: /%s: no answer in 1.0 s' % ((name,) * 3)):
                f.write(madelog.stamp(1795000000).encode() + line + b'\n')
        f.write(b'@4000\n@zz\n\0\n' + b'x' * 1000000 + b'\n')
        f.write(b'@400000000000000000000000 qmail-verify: old@x denied. no-mailbox\n')
    return log


def test_hostile_bytes_stay_what_they_are(tmp_path):
    log = hostile(tmp_path)
    text, page = run(log).stdout, run('--html', log).stdout
    for out in (text, page):
        assert all(byte == 10 or 32 <= byte < 127 for byte in out)
    assert b'<script' not in page and b'&lt;script&gt;' in page and b'&quot;onmouseover' in page
    r = report(log)
    assert r['lines']['foreign'] == 5
    names = {row['name'] for row in r['vain']['rows']}
    assert {'<script>alert(1)</script>@x', '\x1b[2jred@x', '"onmouseover=alert(1)@x'} <= names


# ---- the page

def external(page):
    return re.findall(r'(?<!-)(?:src|href|url|@import|https?:)\W', page)


def test_the_page_needs_nothing_else(played):
    page = run('--html', played / 'smtpd', played / 'verify').stdout.decode('ascii')
    assert page.startswith('<!DOCTYPE html>') and page.count('<svg') == page.count('</svg>') == 3
    assert external(page) == [] and '<script' not in page
    assert "default-src 'none'" in page and 'prefers-color-scheme: dark' in page
    for words in ('recipients per minute', 'sessions per minute', 'questions per minute', 'local time ('):
        assert words in page, words


@pytest.mark.parametrize('which', ['played', 'hostile'])
def test_the_page_in_a_browser(which, played, tmp_path):
    browser = shutil.which('chromium')
    if not browser:
        pytest.skip('chromium is not installed')
    logs = [played / 'smtpd', played / 'verify'] if which == 'played' else [hostile(tmp_path)]
    page, shot = tmp_path / 'page.html', tmp_path / 'page.png'
    page.write_bytes(run('--html', *logs).stdout)
    command = [browser, '--headless', '--no-sandbox', '--disable-gpu', f'--user-data-dir={tmp_path}/profile',
               '--window-size=1240,2000', '--virtual-time-budget=2000', f'--screenshot={shot}', '--enable-logging=stderr', f'file://{page}']
    done = subprocess.run(command, capture_output=True, timeout=120, env={**os.environ, 'HOME': str(tmp_path)})
    assert done.returncode == 0 and shot.stat().st_size > 20000, done.stderr.decode(errors='replace')
    assert b'CONSOLE' not in done.stderr, done.stderr.decode(errors='replace')  # neither errors nor what was forbidden
    dumped = subprocess.run([*command[:5], '--dump-dom', f'file://{page}'], capture_output=True, timeout=120,
                            env={**os.environ, 'HOME': str(tmp_path)}).stdout.decode()
    assert dumped.count('<svg') == 3 and 'onmouseover="' not in dumped and '<script' not in dumped


# ---- a terminal

def on_terminal(arguments, env, stream):
    """What is written there with this stream (1 or 2) a terminal."""
    master, slave = pty.openpty()
    streams = {1: subprocess.DEVNULL, 2: subprocess.DEVNULL, stream: slave}
    process = subprocess.Popen([PROGRAM, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=streams[1],
                               stderr=streams[2], env=env)
    os.close(slave)
    out = b''
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:
            break
        if not piece:
            break
        out += piece
    os.close(master)
    assert process.wait(60) == 0
    return out


def test_colours_on_a_terminal_alone(log):
    folder, _ = log
    env = {k: v for k, v in os.environ.items() if k != 'NO_COLOR'}
    assert b'\x1b[31m' in on_terminal([folder], env, 1)
    assert b'\x1b' not in on_terminal([folder], {**env, 'NO_COLOR': '1'}, 1)
    assert b'\x1b[31m' in on_terminal([folder], {**env, 'NO_COLOR': ''}, 1)
    assert b'\x1b' not in run(folder).stdout


def test_progress_on_a_terminal_alone(tmp_path):
    """A log that goes on until the bar was seen."""
    fifo = tmp_path / 'fifo'
    os.mkfifo(fifo)
    master, slave = pty.openpty()
    process = subprocess.Popen([PROGRAM, fifo], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=slave)
    os.close(slave)
    with open(fifo, 'wb', buffering=0) as f:
        os.set_blocking(master, False)
        seen = bytearray()

        def bar():
            f.write(b'qmail-verify: no@example.org denied. no-mailbox /home\n' * 100)
            try:
                seen.extend(os.read(master, 4096))
            except BlockingIOError:
                pass
            return re.search(rb'\d+ lines, \d+/s', seen)

        until('the bar is shown', bar)
    assert process.wait(60) == 0
    os.close(master)
    assert run(hostile(tmp_path)).stderr == b''


# ---- how much memory

def test_memory_is_bounded(plain, tmp_path):
    """400,000 different addresses, domains and clients: measured by a process between, whose only child it is."""
    log = tmp_path / 'log'
    with open(log, 'w') as f:
        for i in range(400000):
            f.write(f'qmail-verify: {i:x}{"a" * 80}@{i}.example denied. no-mailbox /home\n'
                    f'qmail-smtpd: pid {i} from 10.{i >> 16}.{i >> 8 & 255}.{i & 255}: New session\n')
    code = ('import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); '
            'print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)')
    done = subprocess.run([sys.executable, '-c', code, PROGRAM, log], capture_output=True, text=True, timeout=120,
                          check=True)
    assert int(done.stdout) < 40000, f'{done.stdout} KB'
    r = report(log)
    assert r['decisions']['denied'] == 400000 and 0 < r['vain']['missed_max'] <= 400000 / r['vain']['kept']
