"""qmail-smtpd at the limits of what it may use: memory, descriptors, the log."""
import array
import fcntl
import os
import re
import resource
import shutil
import subprocess
import termios
import time

import pytest

from mailhost import Mailhost
from qmailhost import ROOT, until

QUEUE = '#!/bin/sh\ncat >/dev/null\ncat <&1 >/dev/null\n'
ENVELOPE = b'MAIL FROM:<a@sender.test>\r\nRCPT TO:<alice@example.com>\r\n'


@pytest.fixture
def server(build, tmp_path):
    """Starts qmail-smtpd in a qmail directory of its own."""
    (tmp_path / 'control').mkdir()
    (tmp_path / 'control/me').write_text('mx.example.com\n')
    (tmp_path / 'control/rcpthosts').write_text('example.com\n')
    (tmp_path / 'queue').write_text(QUEUE)
    (tmp_path / 'queue').chmod(0o755)
    environment = {'QMAILDIR': str(tmp_path), 'QMAILQUEUE': str(tmp_path / 'queue'), 'PATH': os.environ['PATH'],
                   **{key: value for key, value in os.environ.items() if key.endswith('SAN_OPTIONS')}}

    def start(limit=None, **more):
        def prepare():
            if limit:
                resource.setrlimit(limit[0], (limit[1], limit[1]))
        streams = {'stdin': subprocess.PIPE, 'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE, **more}
        return subprocess.Popen([build / 'qmail-smtpd'], env=environment, preexec_fn=prepare, **streams)

    return start


def peak_kb(process, what='VmHWM'):
    """The most memory that it has had at once so far; VmPeak: address space."""
    with open(f'/proc/{process.pid}/status') as status:
        return int(next(line.split()[1] for line in status if line.startswith(f'{what}:')))


def test_out_of_memory_is_said_and_ends_the_session(server, plain, tmp_path):
    log = open(tmp_path / 'log', 'wb')  # a file takes every line, a pipe those for which there is room
    process = server(limit=(resource.RLIMIT_AS, 16 << 20), stderr=log)
    recipients = b''.join(b'RCPT TO:<%06d%s@example.com>\r\n' % (i, b'r' * 800) for i in range(30000))
    out, _ = process.communicate(b'MAIL FROM:<>\r\n' + recipients + b'QUIT\r\n')
    log.close()
    assert out.endswith(b'250 ok\r\n421 out of memory (#4.3.0)\r\n')
    assert (tmp_path / 'log').read_bytes().endswith(b': Out of memory: quitting\n')
    assert process.returncode == 1


def test_no_descriptor_for_the_queue_is_a_temporary_failure(server, plain):
    process = server(limit=(resource.RLIMIT_NOFILE, 6))
    out, log = process.communicate(ENVELOPE + b'DATA\r\nNOOP\r\nQUIT\r\n')
    assert out.endswith(b'451 qqt failure (#4.3.0)\r\n250 ok\r\n221 mx.example.com\r\n')
    assert b': qqt failure\n' in log
    assert process.returncode == 0


def test_no_descriptor_for_the_controls(server, plain):
    process = server(limit=(resource.RLIMIT_NOFILE, 3))
    out, log = process.communicate(b'QUIT\r\n')
    assert out == b'421 unable to read controls (#4.3.0)\r\n'
    assert log.endswith(b' from (not yet set): Unable to read controls: quitting\n')
    assert process.returncode == 1


def test_memory_does_not_grow_with_the_message_or_a_line(server, plain):
    process = server(stderr=subprocess.DEVNULL)
    line = b'x' * 70 + b'\r\n'
    process.stdin.write(ENVELOPE + b'DATA\r\n' + line * 500000 + b'y' * 20000000 + b'\r\n.\r\n')
    process.stdin.write(b'HELO ' + b'h' * 5000000 + b'\r\nMAIL FROM:<' + b'm' * 5000000 + b'>\r\nNOOP\r\n')
    process.stdin.flush()
    seen = [process.stdout.readline() for _ in range(7)]
    assert seen[4].startswith(b'250 ok ') and seen[5:] == [b'250 mx.example.com\r\n', b'555 syntax error (#5.5.4)\r\n']
    assert peak_kb(process) < 1500
    process.communicate(b'QUIT\r\n')
    assert process.returncode == 0


MUCH = 100 << 20  # bytes
ENDLESS = {  # what comes before, what is repeated
    'command': (b'', b'x'),
    'blanks': (b'', b' '),
    'NULs': (b'', bytes(1)),
    'HELO': (b'HELO ', b'h'),
    'MAIL': (b'MAIL FROM:<', b'm'),
    'quotes': (b'MAIL FROM:<', b'"'),
    'route': (b'MAIL FROM:<@', b'r'),
    'MAIL parameter': (b'MAIL FROM:<> SIZE=', b'9'),
    'after MAIL': (b'MAIL FROM:<>\r\n', b'a'),
    'RCPT': (b'MAIL FROM:<>\r\nRCPT TO:<', b'r@'),
    'DATA': (ENVELOPE + b'DATA\r\n', b'd'),
    'DATA, a field': (ENVELOPE + b'DATA\r\nReceived: ', b'd'),
    'DATA, CRs': (ENVELOPE + b'DATA\r\n', b'\r'),
    'DATA, NULs': (ENVELOPE + b'DATA\r\n', bytes(1)),
    'DATA, dots': (ENVELOPE + b'DATA\r\n', b'.\r'),
    'DATA, lines': (ENVELOPE + b'DATA\r\n', b'Received: x\r\n'),
    'commands': (b'', b'NOOP\r\n' * 1000 + b'VRFY x\r\nEHLO y\r\nMAIL FROM:<s@x>\r\nRSET\r\n'),
    'unknown commands': (b'', b'\n'),
    'recipients refused': (b'MAIL FROM:<>\r\n', b'RCPT TO:<joe@elsewhere.test>\r\n'),
    'transactions': (b'', ENVELOPE),
}


@pytest.mark.parametrize('name', ENDLESS)
def test_memory_is_bounded_whatever_has_no_end(server, plain, tmp_path, name):
    """100 MB of it: more than 1.5 MB are never there, and never asked for more than 2."""
    before, again = ENDLESS[name]
    much = MUCH if b'\n' not in again or before.endswith(b'DATA\r\n') else MUCH // 20  # each line has its reply
    with open(tmp_path / 'out', 'wb') as out:
        process = server(stdout=out, stderr=subprocess.DEVNULL)
    block = again * (65536 // len(again) + 1)
    process.stdin.write(before)
    for _ in range(much // len(block)):
        process.stdin.write(block)
    process.stdin.flush()
    until('it is read', lambda: pipe_is_empty(process.stdin))
    assert process.poll() is None
    assert peak_kb(process) < 1500 and peak_kb(process, 'VmPeak') < 2000
    process.stdin.close()
    assert process.wait(60) == 1


def pipe_is_empty(pipe):
    """Has the reader taken all?"""
    left = array.array('i', [0])
    fcntl.ioctl(pipe, termios.FIONREAD, left)
    return not left[0]


def test_a_log_that_nobody_reads_does_not_hold_up_the_session(server):
    reading, writing = os.pipe()
    process = server(stderr=writing)
    os.close(writing)
    began = time.monotonic()
    out, _ = process.communicate(b'NOOP\r\n' * 20000 + b'QUIT\r\n', timeout=60)
    assert out.count(b'250 ok\r\n') == 20000
    assert process.returncode == 0
    assert time.monotonic() - began < 30
    os.close(reading)


def test_a_log_that_is_gone_does_not_end_the_session(server):
    reading, writing = os.pipe()
    os.close(reading)
    process = server(stderr=writing)
    os.close(writing)
    out, _ = process.communicate(ENVELOPE + b'DATA\r\n.\r\nQUIT\r\n')
    assert b'\r\n250 ok ' in out and out.endswith(b'221 mx.example.com\r\n')
    assert process.returncode == 0


def test_a_client_that_never_reads_is_given_up(server, tmp_path):
    (tmp_path / 'control/timeoutsmtpd').write_text('1\n')
    process = server()
    # As many replies as no pipe holds, while nobody takes one.
    os.set_blocking(process.stdin.fileno(), True)
    writer = subprocess.Popen(['/bin/sh', '-c', 'yes HELP | head -c 3000000'], stdout=process.stdin)
    process.stdin.close()
    assert process.wait(30) == 1
    writer.wait()
    assert process.stderr.read().endswith(b': Write error (disconnect?): quitting\n')
    process.stdout.close()
    process.stderr.close()


def test_a_session_that_maxbad_ends_over_a_socket():
    """The 421 arrives, the connection ends, and nothing behind it is done."""
    with Mailhost(rules={'127.0.0.1': 'VERIFY="{verify},MAXBAD=2"'}) as host:
        with host.smtp() as s:
            assert [reply[:3] for reply in s.mail('joe@example.org', 'joe@shop.example', 'x@shop.example')] == \
                ['250', '550', '550']
            assert s.say('RCPT TO:<joe@example.org>') == '421 too many invalid recipients (#4.7.0)'
            assert s.file.read() == b''
        with host.smtp() as s:
            invalid = 'RCPT TO:<x@shop.example>\r\n'
            again = 'RSET\r\nMAIL FROM:<>\r\nRCPT TO:<joe@example.org>\r\nDATA\r\nx\r\n.\r\n'
            try:
                s.send('MAIL FROM:<>\r\n' + invalid * 3 + again * 20000)  # more than anything takes at once
            except OSError:
                pass  # the server is gone
            assert [s.reply()[:3] for _ in range(4)] == ['250', '550', '550', '421']
            with pytest.raises((AssertionError, OSError)):
                s.reply()
        host.smtpd.logged('Too many invalid recipients: quitting', 2)
        with host.smtp() as s:
            assert s.mail('joe@example.org') == ['250 ok'], 'a new session begins anew'
        assert not host.mails()


STATIC = ('qmail-smtpd', 'qmail-rcptcheck')  # one is started for each session, the other for each recipient


@pytest.mark.parametrize('program', STATIC)
def test_is_static_and_needs_no_library(plain, program):
    said = subprocess.run(['ldd', plain / program], capture_output=True, text=True)
    assert 'statically linked' in said.stdout or 'not a dynamic executable' in said.stderr


@pytest.mark.parametrize('program', STATIC)
def test_no_more_is_linked_than_a_session_needs(plain, program):
    """Each session reads in and relocates what is linked: no streams, no locales, no demangler, no pool to throw from."""
    if not shutil.which('nm'):
        pytest.skip('nm is not installed (binutils)')
    names = subprocess.run(['nm', '--defined-only', plain / program], capture_output=True, text=True, check=True)
    defined = [line.split()[-1] for line in names.stdout.splitlines()]
    assert 'main' in defined
    assert not [name for name in defined if name in ('__cxa_demangle', '_ZSt4cout', '_ZNSt6localeC1Ev') or 'emergency' in name]


def test_nobody_catches_an_exception():
    """They are linked so that an exception ends the process where it would be thrown (NO_THROW in the Makefile)."""
    sources = [*(ROOT / f'{program}.cpp' for program in STATIC),
               *(source for room in ('smtp', 'qmail', 'rcptcheck') for source in (ROOT / room).iterdir())]
    assert len(sources) > 20
    assert not [source.name for source in sources if re.search(r'\bcatch \(', source.read_text())]
