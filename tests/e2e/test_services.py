"""qmail-verify and qmail-smtpd under supervise, tcpserver, multilog, tcprules."""
import pathlib
import re
import socket
import subprocess
import threading

import pytest
from mailhost import FILES, Mailhost
from qmailhost import until
from smtpsource import smtp_source

pytestmark = pytest.mark.usefixtures('build')

OK = '250 ok'
UNKNOWN = '550 sorry, no mailbox here by that name. (#5.1.1)'
DEFERRED = '554 sorry, invalid mailbox name(s). (#5.1.1)'
LATER = '451 '


@pytest.fixture
def host():
    with Mailhost() as mailhost:
        yield mailhost


# ---- tcprules: whose recipients are verified

def test_tcprules_ranges_decide_who_is_verified():
    rules = {
        '127.0.0.1-9': 'VERIFY="{verify}"',
        '127.0.1.': '',
        '127.0.2.': 'VERIFY="DEFER,{verify}"',
        '127.0.3.1': 'VERIFY="{verify}",RELAYCLIENT=""',
    }
    with Mailhost(rules) as host:
        for source, replies in (('127.0.0.1', [OK, UNKNOWN]), ('127.0.0.9', [OK, UNKNOWN]),
                                ('127.0.1.77', [OK, OK]), ('127.0.2.77', [OK, OK]), ('127.0.3.1', [OK, OK])):
            with host.smtp(source) as s:
                assert s.mail('joe@example.org', 'nobody@example.org') == replies, source
        # A new cdb counts for the next connection, without a restart.
        host.rules({'127.0.0.1': '', '127.0.1.': 'VERIFY="{verify}"'})
        with host.smtp('127.0.0.1') as s:
            assert s.mail('nobody@example.org') == [OK]
        with host.smtp('127.0.1.1') as s:
            assert s.mail('nobody@example.org') == [UNKNOWN]


def test_refused_at_rcpt_with_swaks(host):
    status, text = host.swaks('--to', 'nobody@example.org')
    assert status == 24 and f'<** {UNKNOWN}' in text, text  # 24: no recipient was taken
    status, text = host.swaks('--to', 'joe@example.org,nobody@example.org,sales@shop.example,no@shop.example')
    assert status == 0 and text.count(f'<** {UNKNOWN}') == 2, text
    assert host.mails() == ['joe@example.org', 'sales@shop.example']


def test_deferred_to_data_with_swaks():
    with Mailhost({'127.0.0.1': 'VERIFY="DEFER,{verify}"'}) as host:
        status, text = host.swaks('--to', 'joe@example.org,nobody@example.org')
        assert status == 25 and f'<** {DEFERRED}' in text and '550' not in text, text  # 25: refused at DATA
        assert host.mails() == []
        status, text = host.swaks('--to', 'joe@example.org')
        assert status == 0, text
        assert host.mails() == ['joe@example.org']


def test_relay_client_is_not_verified_with_swaks():
    with Mailhost({'127.0.0.2': 'RELAYCLIENT="",VERIFY="{verify}"'}) as host:
        status, text = host.swaks('--to', 'nobody@example.org,someone@elsewhere.example', source='127.0.0.2')
        assert status == 0, text
        assert host.mails() == ['nobody@example.org', 'someone@elsewhere.example']
        assert not [line for line in host.verify.log() if 'nobody' in line or 'someone' in line]


# ---- the daemon goes and comes

def test_restart_in_the_middle_of_a_session_is_not_noticed(host):
    before = host.verify.pid()
    with host.smtp() as s:
        assert s.mail('joe@example.org') == [OK]
        host.verify.svc('-t')
        assert s.say('RCPT TO:<joe-list-a@example.org>') == OK
        assert s.say('RCPT TO:<nobody@example.org>') == UNKNOWN
        assert s.message().startswith('250 ok')
    until('another process', lambda: host.verify.pid() not in (None, before))
    assert host.mails() == ['joe-list-a@example.org', 'joe@example.org']


def test_refused_port_is_asked_again_while_the_daemon_starts(host):
    host.verify.down()
    with host.smtp() as s:
        starter = threading.Timer(0.1, host.verify.svc, ['-u'])
        starter.start()
        assert s.mail('joe@example.org') == [OK]
        starter.join()
        assert s.say('RCPT TO:<nobody@example.org>') == UNKNOWN


def test_daemon_down_is_451_and_the_session_goes_on(host):
    host.verify.down()
    with host.smtp() as s:
        [reply] = s.mail('joe@example.org')
        assert reply.startswith(LATER), reply
        assert s.say('NOOP') == OK
        assert s.say('DATA').startswith('503')
        host.verify.up()
        until('qmail-verify answers', lambda: host.question(b'postmaster@example.org'))
        assert s.say('RCPT TO:<joe@example.org>') == OK
        assert s.say('RCPT TO:<nobody@example.org>') == UNKNOWN
        assert s.message().startswith('250 ok')
        assert s.say('QUIT').startswith('221')
    assert host.mails() == ['joe@example.org']
    [line] = [line for line in host.smtpd.logged('verify: ') if 'refused' in line.lower()][:1]
    assert f'127.0.0.1:{host.port}' in line, 'the log names the server that did not answer'


def test_svc_d_answers_what_is_in_the_socket(host):
    host.verify.svc('-p')
    pid = host.verify.pid()
    until('the daemon is stopped', lambda: stopped(pid))
    asking = []
    for i in range(40):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.connect(('127.0.0.1', host.port))
        s.send(b'nobody%d@example.org' % i)
        asking.append(s)
    host.verify.svc('-d')
    until('the daemon has ended', lambda: host.verify.pid() is None)
    for s in asking:
        s.setblocking(False)
        assert s.recv(64) == b'\xe1alias'
        s.close()
    assert len(host.verify.logged('nobody', 40)) == 40


def stopped(pid):
    return pathlib.Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()[0] == 'T'


# ---- the logs

def test_multilog_has_one_line_a_decision(host):
    threads = [threading.Thread(target=ask_many, args=(host, worker)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = host.verify.logged('number-', 200)
    assert len(lines) == 200
    assert all(re.fullmatch(r'qmail-verify: number-\d-\d+@example\.org denied\. no-mailbox \S+', line) for line in lines)


def ask_many(host, worker):
    for i in range(50):
        assert host.question(b'number-%d-%d@example.org' % (worker, i), 20) == b'\xe1alias'


def test_odd_bytes_stay_within_their_line(host):
    host.question(b'the-beginning@example.org')
    host.question(b'a\nqmail-verify: forged@example.org permitted for root.\x1b[2J\xff@example.org')
    host.question(b'the-end@example.org')
    for words in ('the-beginning', 'the-end', 'forged'):
        host.verify.logged(words)
    ours = [line for line in host.verify.log() if re.search('the-beginning|the-end|forged|denied', line)]
    odd = [line for line in ours if 'forged' in line]
    assert len(odd) == 1 and odd[0].isascii() and odd[0].isprintable()


def test_a_log_that_nobody_reads_holds_up_no_session(host):
    """multilog stopped: the pipes fill up, mail and verification go on."""
    for service in (host.smtpd, host.verify):
        subprocess.run(['svc', '-p', service.folder / 'log'], check=True)
    with host.smtp() as s:
        s.mail('joe@example.org')
        refused = f'RCPT TO:<nobody-{"x" * 200}@example.org>'
        for _ in range(20):
            for _ in range(50):
                s.send(refused)
            assert [s.reply() for _ in range(50)] == [UNKNOWN] * 50
        assert s.message().startswith('250 ok')
    assert host.mails() == ['joe@example.org']


# ---- many messages

@pytest.mark.skipif(smtp_source() is None, reason='needs smtp-source of Postfix below build/debs')
def test_two_hundred_messages_from_smtp_source():
    program, environment = smtp_source()
    with Mailhost(files={**FILES, 'home/shop/.qmail-default': './Maildir/\n'}) as host:
        command = [program, '-4', '-s', '5', '-m', '200', '-l', '4096', '-N', '-f', 'sender@example.com',
                   '-t', '-sales@shop.example', f'127.0.0.1:{host.smtp_port}']
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        mails = host.mails()
        assert len(mails) == 200 and len(set(mails)) == 200
        assert len(host.verify.logged('permitted for shop.', 200)) == 200
