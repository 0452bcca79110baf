"""qmail-smtpd at the limits of what it may use: memory, descriptors, the log."""
import os
import resource
import subprocess
import time

import pytest

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


def peak_kb(process):
    with open(f'/proc/{process.pid}/status') as status:
        return int(next(line.split()[1] for line in status if line.startswith('VmHWM:')))


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


def test_is_static_and_needs_no_library(plain):
    said = subprocess.run(['ldd', plain / 'qmail-smtpd'], capture_output=True, text=True)
    assert 'statically linked' in said.stdout or 'not a dynamic executable' in said.stderr
