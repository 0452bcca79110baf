"""qmail-rcptcheck as each of the doors runs it: what it asks, and how it says what came of it."""
import itertools
import os
import re
import shutil
import socket
import subprocess

import pytest

from qmailhost import BUILD, ROOT, Host, quiet_port

PROGRAM = BUILD / 'qmail-rcptcheck'
HOLDER = 7100 if os.geteuid() == 0 else os.getuid()
ASSIGN = f'=joe:joe:{HOLDER}:{HOLDER}:{{qmail}}/joe:::\n+:alias:{HOLDER}:{HOLDER}:{{qmail}}/alias:-::\n.\n'
JOE, NOBODY = 'joe@example.org', 'nobody@example.org'
# A server that cannot be asked: whether the recipient exists cannot be told, and at once.
NO_SERVER = 'no.such.server'
NO_MAILBOX = b'550 sorry, no mailbox here by that name. (#5.1.1)\n'
FAILURE = b'451 qv temporary failure (#4.3.0)\n'
SANITIZERS = {key: value for key, value in os.environ.items() if key.endswith('SAN_OPTIONS')}


@pytest.fixture(scope='module')
def host(build):
    made = Host(control={'me': 'example.org\n', 'locals': 'example.org\n'}, assign=ASSIGN, files={'joe/mail': '', 'alias/mail': ''})
    if HOLDER == 7100:
        made.own(HOLDER, 'joe', 'alias')
    with made:
        yield made


@pytest.fixture
def verify(host):
    return f'STRICT,127.0.0.1:{host.port}'


def descriptors(fds):
    """In the child: what stands where, the others as they are. None: closed."""
    def prepare():
        moved = {to: os.dup(fd) for to, fd in fds.items() if fd is not None}  # no place is taken before it is read
        for to in fds:
            if to in moved and moved[to] == to:
                os.set_inheritable(to, True)
            elif to in moved:
                os.dup2(moved[to], to)
            else:
                try:
                    os.close(to)
                except OSError:
                    pass
    return prepare


def start(env, *arguments, fds=None, program=PROGRAM):
    return subprocess.Popen([program, *arguments], env={**SANITIZERS, **env}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, close_fds=False, preexec_fn=descriptors({3: None, 4: None, **(fds or {})}))


def run(env, *arguments, **how):
    """Exit code, what came on 1, what came on 2."""
    process = start(env, *arguments, **how)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err.decode()


def run_with_reply(env, *arguments):
    """The same, with what came on descriptor 4."""
    reading, writing = os.pipe()
    try:
        code, out, err = run({'USE_FD4': '1', **env}, *arguments, fds={4: writing})
        os.close(writing)
        assert out == b''
        return code, os.read(reading, 65536), err
    finally:
        os.close(reading)


def run_on_3(address, env, *arguments):
    """As a program of control/recipients. The other end stays open until it has ended."""
    reading, writing = os.pipe()
    try:
        os.write(writing, address)
        return run(env, *arguments, fds={3: reading})
    finally:
        os.close(reading)
        os.close(writing)


def full_pipe():
    """Who writes there has to wait."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(writing, b'x' * 4096)
    os.set_blocking(writing, True)
    return reading, writing


def rcptcheck(address, verify, **more):
    return {'RECIPIENT': address, 'SENDER': 'ann@sender.test', 'TCPREMOTEIP': '192.0.2.7', 'VERIFY': verify, **more}


def spp(address, verify, **more):
    return {'SMTPRCPTTO': address, 'SMTPMAILFROM': '', 'SMTPRCPTHOSTSOK': '1', 'TCPREMOTEIP': '192.0.2.7', 'VERIFY': verify, **more}


# ---- each door, each verdict

def test_rcptcheck_says_it_by_its_exit_code_alone(verify):
    assert run(rcptcheck(JOE, verify)) == (0, b'', '')
    code, out, err = run(rcptcheck(NOBODY, verify))
    assert (code, out) == (100, b'')
    assert re.fullmatch(r'qmail-rcptcheck: pid \d+ from 192\.0\.2\.7: verify: refused nobody@example\.org: no-mailbox: '
                        r'no dot-qmail file [^\n]*, user alias, server 127\.0\.0\.1:\d+\n', err)
    code, out, err = run(rcptcheck(JOE, NO_SERVER))
    assert (code, out) == (111, b'')
    assert ': verify: temporary joe@example.org: "no.such.server": ' in err


def test_rcptcheck_with_descriptor_4_has_a_reply_there(verify):
    assert run_with_reply(rcptcheck(JOE, verify)) == (0, b'', '')
    assert run_with_reply(rcptcheck(NOBODY, verify))[:2] == (100, NO_MAILBOX)
    assert run_with_reply(rcptcheck(JOE, NO_SERVER))[:2] == (100, FAILURE), 'the session goes on after 451'


def test_what_the_server_has_found_already_is_not_asked(verify):
    assert run_with_reply(rcptcheck(NOBODY, NO_SERVER, RCPTFOUND='1')) == (0, b'', '')
    assert run(rcptcheck(NOBODY, verify, RCPTFOUND='1'))[0] == 100, 'a variable of the extended form alone'
    assert run_with_reply(rcptcheck(NOBODY, verify, RCPTHOSTS='1'))[:2] == (100, NO_MAILBOX)
    assert run_with_reply(rcptcheck('ann@elsewhere.test', verify))[:2] == (0, b''), 'a domain that is not for this host'


def test_qmail_spp_says_it_by_a_line(verify):
    assert run(spp(JOE, verify)) == (0, b'', '')
    code, out, err = run(spp(NOBODY, verify))
    assert (code, out) == (100, b'E' + NO_MAILBOX) and ': verify: refused nobody@example.org: ' in err
    code, out, err = run(spp(JOE, NO_SERVER))
    assert (code, out) == (111, b'E' + FAILURE) and ': verify: temporary joe@example.org: ' in err


@pytest.mark.parametrize('more', [{'SMTPRCPTHOSTSOK': '0'}, {'RELAYCLIENT': ''}, {'SMTPAUTHUSER': 'ann'}])
def test_qmail_spp_is_left_alone_where_it_is_none_of_ours(more):
    assert run(spp(NOBODY, NO_SERVER, **more)) == (0, b'', '')


def test_qmail_spp_without_a_user_is_asked(verify):
    assert run(spp(NOBODY, verify, SMTPAUTHUSER=''))[1] == b'E' + NO_MAILBOX
    environment = spp(NOBODY, verify)
    del environment['SMTPRCPTHOSTSOK']
    assert run(environment)[1] == b'E' + NO_MAILBOX


def test_recipients_says_it_by_its_exit_code(verify):
    assert run_on_3(b'joe@example.org\0\0\0', {'VERIFY': verify}) == (0, b'', '')
    code, out, err = run_on_3(b'nobody@example.org\0\0\0', {'VERIFY': verify})
    assert (code, out) == (1, b'') and ' from unknown: verify: refused nobody@example.org: ' in err
    assert run_on_3(b'joe@example.org\0\0\0', {'VERIFY': NO_SERVER})[:2] == (111, b'')


def test_relay_clients_are_not_asked_about():
    for environment in (rcptcheck(NOBODY, NO_SERVER, RELAYCLIENT=''), rcptcheck(NOBODY, NO_SERVER, RELAYCLIENT='@x')):
        assert run(environment) == (0, b'', '')
        assert run_with_reply(environment) == (0, b'', '')
    assert run_on_3(b'nobody@example.org\0\0\0', {'VERIFY': NO_SERVER, 'RELAYCLIENT': ''}) == (0, b'', '')


def test_the_texts_are_those_of_qmail_smtpd():
    replies = (ROOT / 'smtp/reply.h').read_text()
    for text in (NO_MAILBOX, FAILURE):
        assert f'"{text.decode().rstrip()}\\r\\n"' in replies


def test_a_daemon_that_is_down_is_temporary_at_every_door():
    """Beside each other: each waits as long as a restart may take."""
    verify = f'127.0.0.1:{quiet_port()}'
    (reading, writing), (on_4, to_4) = os.pipe(), os.pipe()
    os.write(writing, b'joe@example.org\0\0\0')
    started = {'basic': start(rcptcheck(JOE, verify)), 'spp': start(spp(JOE, verify)),
               'fd 4': start(rcptcheck(JOE, verify, USE_FD4='1'), fds={4: to_4}),
               'recipients': start({'VERIFY': verify}, fds={3: reading}),
               'OPEN': start(rcptcheck(JOE, f'OPEN,{verify}')), 'spp OPEN': start(spp(JOE, f'{verify},OPEN'))}
    done = {name: (*process.communicate(timeout=60), process.returncode) for name, process in started.items()}
    assert {name: (out, code) for name, (out, _, code) in done.items()} == \
        {'basic': (b'', 111), 'spp': (b'E' + FAILURE, 111), 'fd 4': (b'', 100), 'recipients': (b'', 111), 'OPEN': (b'', 0),
         'spp OPEN': (b'', 0)}
    assert os.read(on_4, 4096) == FAILURE
    for name, (_, err, _) in done.items():
        assert b': connection refused' in err and err.count(b'\n') == 1, name
        assert (b'accepted unverified (OPEN)' in err) == ('OPEN' in name)
    for fd in (reading, writing, on_4, to_4):
        os.close(fd)


# ---- VERIFY

def test_without_VERIFY_nothing_is_verified():
    environment = rcptcheck(NOBODY, '')
    code, out, err = run(environment)
    assert (code, out) == (0, b'') and 'VERIFY is empty: recipients are not verified' in err
    del environment['VERIFY']
    assert run(environment) == (0, b'', '')


def test_OBSERVE_accepts_and_says_what_would_have_been(verify):
    code, out, err = run(rcptcheck(NOBODY, f'{verify},OBSERVE'))
    assert (code, out) == (0, b'')
    assert ': verify: invalid nobody@example.org: ' in err and 'accepted all the same (OBSERVE), else 550' in err
    assert run(spp(NOBODY, f'{verify},OBSERVE'))[:2] == (0, b'')


def test_DEFER_refuses_at_RCPT_and_MAXBAD_counts_nothing(verify):
    code, out, err = run(rcptcheck(NOBODY, f'DEFER,MAXBAD=1,{verify}'))
    assert (code, out) == (100, b'')
    noted = [line.split(': verify: ')[1] for line in err.splitlines()]
    assert noted[:2] == ['note: DEFER in VERIFY has no effect: DATA is not for qmail-rcptcheck to answer',
                         'note: MAXBAD in VERIFY has no effect: qmail-rcptcheck runs once for each recipient']
    assert noted[2].startswith('refused nobody@example.org: no-mailbox: ') and len(noted) == 3
    assert run(rcptcheck(JOE, f'DEFER,{verify}'))[0] == 0


def test_STRICT_takes_no_plain_answer():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(('127.0.0.1', 0))
        server.settimeout(60)
        port = server.getsockname()[1]
        process = start(rcptcheck(JOE, f'STRICT,127.0.0.1:{port}'))
        question, client = server.recvfrom(4096)
        server.sendto(b'\1', client)
        server.sendto(b'\0joe' + question[question.index(b'\0'):][:25] + b'\0\5', client)
        assert process.communicate(timeout=60) == (b'', b'') and process.returncode == 0
        process = start(rcptcheck(JOE, f'127.0.0.1:{port}'))
        _, client = server.recvfrom(4096)
        server.sendto(b'\1', client)
        process.communicate(timeout=60)
        assert process.returncode == 100


def test_the_server_is_told_client_and_sender():
    sender = {'rcptcheck': rcptcheck(JOE, ''), 'spp': {**spp(JOE, ''), 'SMTPMAILFROM': 'ann@sender.test'}}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(('127.0.0.1', 0))
        server.settimeout(60)
        for environment in sender.values():
            process = start({**environment, 'VERIFY': f'127.0.0.1:{server.getsockname()[1]}'})
            question, client = server.recvfrom(4096)
            server.sendto(b'\0', client)
            process.communicate(timeout=60)
            assert process.returncode == 0
            assert question.startswith(b'joe@example.org\0qverify2')
            assert b'\0\4' + bytes([192, 0, 2, 7]) in question and question.endswith(b'\0\x0fann@sender.test')


def test_the_settings_in_the_manual_page(verify, tmp_path):
    """The lines to be pasted into each server's files run the program as that server then would."""
    page = (ROOT / 'man/qmail-verify-doors.7').read_text()
    block = re.search(r'^\.Sh RCPTCHECK, QMAIL-SPP AND RECIPIENTS\n(.*?)^\.Sh ', page, re.M | re.S)[1]
    shown = re.findall(r'^\.Bd -literal -offset indent\n(.*?)^\.Ed\n', block, re.M | re.S)
    rules, rule, plugins, recipients = [one.splitlines() for one in shown]
    bin_, socket_ = '/var/qmail/bin/qmail-rcptcheck', 'STRICT,/var/qmail/verify/socket'
    assert rules[1] == f':allow,VERIFY="{socket_}"'
    assert rule == [f':allow,RCPTCHECK="{bin_}",VERIFY="{socket_}"']
    assert plugins == ['[rcpt]', bin_]
    domain, command = recipients[0].split('|')
    assert domain == 'example.org' and recipients[1:] == ['!*']
    program, *arguments = command.split()
    assert program == bin_
    environment = {**rcptcheck(JOE, verify), **spp(JOE, verify)}
    assert run_on_3(b'nobody@example.org\0\0\0', environment, *arguments)[0] == 1


# ---- which door it is

@pytest.mark.parametrize('name, env, closed, code, out', [
    ('both variables, 0 open: RCPTCHECK', {'RECIPIENT': NOBODY, 'SMTPRCPTTO': NOBODY}, {}, 100, b''),
    ('both, 0 closed: qmail-spp', {'RECIPIENT': JOE, 'SMTPRCPTTO': NOBODY}, {0: None}, 100, b'E' + NO_MAILBOX),
    ('both, 0 closed: the address is qmail-spp\'s', {'RECIPIENT': NOBODY, 'SMTPRCPTTO': JOE}, {0: None}, 0, b''),
    ('qmail-spp with 0 open', {'SMTPRCPTTO': NOBODY}, {}, 100, b'E' + NO_MAILBOX),
    ('RCPTCHECK with 0 closed', {'RECIPIENT': NOBODY}, {0: None}, 100, b''),
    ('nothing at all', {}, {}, 111, b''),
    ('nothing but other doors\' details', {'USE_FD4': '1', 'SENDER': 'x', 'SMTPMAILFROM': 'x', 'RCPTFOUND': '1'}, {}, 111, b''),
])
def test_the_door_is_told_by_what_is_there(verify, name, env, closed, code, out):
    got = run({'VERIFY': verify, **env}, fds=closed)
    assert got[:2] == (code, out), name
    assert ('usage: qmail-rcptcheck' in got[2]) == (env.keys().isdisjoint({'RECIPIENT', 'SMTPRCPTTO'}))


def test_an_option_or_a_name_is_stronger_than_what_is_there(verify, tmp_path):
    everything = {**rcptcheck(NOBODY, verify), **spp(NOBODY, verify)}
    names = {'-r': 'rcptcheck', '-s': 'qmail-rcptcheck-spp', '-f': 'verify-recipients'}
    expected = {'-r': (100, b''), '-s': (100, b'E' + NO_MAILBOX), '-f': (0, b'')}
    for option, name in names.items():
        os.symlink(PROGRAM, tmp_path / name)
        for arguments, program in (((option,), PROGRAM), ((), tmp_path / name)):
            reading, writing = os.pipe()
            os.write(writing, b'joe@example.org\0\0\0')
            got = run(everything, *arguments, program=program, fds={3: reading})
            os.close(reading)
            os.close(writing)
            assert got[:2] == expected[option], (option, program)


def test_a_door_without_its_address_is_temporary(verify):
    for option, out, words in (('-r', b'', 'RECIPIENT is not set'), ('-s', b'E' + FAILURE, 'SMTPRCPTTO is not set'),
                               ('-f', b'', 'no address on descriptor 3')):
        code, said, err = run({'VERIFY': verify}, option)
        assert (code, said) == (111, out) and words in err and err.count('\n') == 1, option


def test_a_wrong_option_neither_accepts_nor_refuses(verify):
    for arguments in (['-x'], ['-r', '-s'], ['joe@example.org'], [''], ['-']):
        code, out, err = run(rcptcheck(NOBODY, verify), *arguments)
        assert (code, out) == (111, b'') and err.startswith('qmail-rcptcheck: usage: '), arguments
    assert run({}, '-V')[:2] == (0, b'qmail-rcptcheck 2.0\n')
    code, out, err = run({}, '-h')
    assert code == 0 and out.startswith(b'qmail-rcptcheck: usage: ') and err == ''


# ---- descriptors

@pytest.mark.parametrize('input_on_3, code', [
    (b'nobody@example.org\0\0\0', 1), (b'nobody@example.org\0\0\0more', 1), (b'nobody@example.org\0secret\0stamp\0', 1),
    (b'joe@example.org\0\0\0', 0)])
def test_the_address_on_descriptor_3_is_read_without_its_end(verify, input_on_3, code):
    assert run_on_3(input_on_3, {'VERIFY': verify})[0] == code


@pytest.mark.parametrize('input_on_3, code', [
    (b'', 111), (b'nobody@example.org', 111), (b'nobody@example.org\0', 1), (b'nobody@example.org\0\0', 1), (b'a' * 5000, 111),
    (b'a' * 4095 + b'\0', 111), (b'a' * 5000 + b'\0\0\0', 111)])
def test_what_ends_on_descriptor_3_before_its_time(verify, input_on_3, code):
    reading, writing = os.pipe()
    os.write(writing, input_on_3)
    os.close(writing)
    got = run({'VERIFY': verify}, fds={3: reading})
    os.close(reading)
    assert got[:2] == (code, b'')


def test_an_address_that_comes_in_pieces_is_waited_for(verify):
    reading, writing = os.pipe()
    process = start({'VERIFY': verify}, fds={3: reading})
    for piece in (b'nobody@exa', b'mple.org', b'\0', b'\0', b'\0'):
        os.write(writing, piece)
    assert process.communicate(timeout=60)[0] == b'' and process.returncode == 1
    os.close(reading)
    os.close(writing)


def test_descriptor_3_that_says_nothing_is_given_up(verify):
    code, out, err = run_on_3(b'', {'VERIFY': verify})
    assert (code, out) == (111, b'') and 'no address on descriptor 3' in err


def test_a_full_pipe_on_descriptor_4_is_not_waited_for(verify):
    reading, writing = full_pipe()
    assert run(rcptcheck(NOBODY, verify, USE_FD4='1'), fds={4: writing})[:2] == (100, b''), "the server's own text"
    assert run(rcptcheck(JOE, NO_SERVER, USE_FD4='1'), fds={4: writing})[:2] == (111, b'')
    os.close(reading)
    assert run(rcptcheck(JOE, NO_SERVER, USE_FD4='1'), fds={4: writing})[:2] == (111, b''), 'nobody reads it any more'
    os.close(writing)


def test_descriptor_4_that_is_no_pipe_gets_nothing(verify, tmp_path):
    with open(tmp_path / 'file', 'wb') as file:
        assert run(rcptcheck(JOE, NO_SERVER, USE_FD4='1'), fds={4: file.fileno()})[0] == 111
    assert (tmp_path / 'file').read_bytes() == b''
    reading, writing = os.pipe()
    assert run(rcptcheck(NOBODY, verify), fds={4: writing})[0] == 100, 'USE_FD4 is not set'
    os.close(writing)
    assert os.read(reading, 10) == b''
    os.close(reading)


def test_closed_descriptors_change_no_verdict(verify, host):
    """The socket of the question may come to stand in the place of any of them: nothing else is sent there."""
    before = host.text()
    for count in range(6):
        for closed in itertools.combinations(range(5), count):
            fds = dict.fromkeys(closed)
            assert run(rcptcheck(NOBODY, verify), fds=fds)[0] == 100, closed
            assert run(rcptcheck(JOE, verify, USE_FD4='1'), fds=fds)[0] == 0, closed
            assert run(rcptcheck(JOE, NO_SERVER, USE_FD4='1'), fds=fds)[0] == 111, closed
            code, out, _ = run(spp(NOBODY, verify), fds=fds)
            assert (code, out) == ((120, b'') if 1 in closed else (100, b'E' + NO_MAILBOX)), closed
    asked = re.findall(r'\S+@\S+', host.text()[len(before):])
    assert set(asked) == {JOE, NOBODY}


def test_a_closed_log_is_not_the_socket_of_the_question():
    """A socket on which an answer may still come stays open, while the line is logged."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(('127.0.0.1', 0))
        silent.setblocking(False)
        for closed in ((2,), (1, 2), (0, 1, 2)):
            assert run(rcptcheck(JOE, f'OBSERVE,127.0.0.1:{silent.getsockname()[1]}'), fds=dict.fromkeys(closed))[0] == 0
        heard = []
        with pytest.raises(BlockingIOError):
            while True:
                heard.append(silent.recv(65536))
    assert len(heard) >= 3 and all(one.startswith(b'joe@example.org\0qverify2') for one in heard)


def test_a_log_that_nobody_reads_is_not_waited_for(verify):
    reading, writing = full_pipe()
    assert run(rcptcheck(NOBODY, verify), fds={2: writing})[0] == 100
    os.close(reading)
    assert run(rcptcheck(NOBODY, verify), fds={2: writing})[0] == 100
    os.close(writing)


# ---- what comes from outside

@pytest.mark.parametrize('length, which', [(899, 'refuse'), (1002, 'refuse'), (1003, 'accept'), (2000, 'accept'),
                                           (3000, 'retry'), (60000, 'retry')])
def test_addresses_of_any_length(verify, length, which):
    """What qmail-queue would not take is not for the daemon to refuse; what no question holds is temporary."""
    address = 'a' * (length - len('@example.org')) + '@example.org'
    assert run(rcptcheck(address, verify))[:2] == ({'accept': 0, 'refuse': 100, 'retry': 111}[which], b'')
    assert run(spp(address, verify))[1] == {'accept': b'', 'refuse': b'E' + NO_MAILBOX, 'retry': b'E' + FAILURE}[which]
    code = run_on_3(address.encode() + b'\0\0\0', {'VERIFY': verify})[0]
    assert code == {'accept': 0, 'refuse': 1, 'retry': 111}[which]


def test_what_comes_from_outside_cannot_forge_a_line(verify):
    evil = 'x\nqmail-rcptcheck: \x1b[2J \x7f\xff@example.org'
    for environment in (rcptcheck(evil, verify, TCPREMOTEIP='1.2.3.4: \nfake'), spp(evil, verify, SMTPMAILFROM='\n\nE'),
                        rcptcheck(JOE, f'{verify},\n\x1b[2J')):
        process = start(environment)
        _, err = process.communicate(timeout=60)
        assert err.count(b'\n') == 1 and re.fullmatch(rb'qmail-rcptcheck: pid \d+ from [^ ]+: verify: [ -~]*\n', err), err


@pytest.mark.parametrize('address', ['', '@', 'joe', '\xff\xfe', 'joe@', '@example.org'])
def test_odd_addresses_have_the_verdict_that_qmail_smtpd_gives_them(verify, tmp_path, address):
    (tmp_path / 'control').mkdir()
    (tmp_path / 'control/me').write_text('example.org\n')
    commands = f'MAIL FROM:<>\r\nRCPT TO:<{address}>\r\nQUIT\r\n'.encode('latin-1')
    done = subprocess.run([BUILD / 'qmail-smtpd'], input=commands, capture_output=True,
                          env={**SANITIZERS, 'QMAILDIR': str(tmp_path), 'VERIFY': verify})
    reply = done.stdout.split(b'\r\n')[2][:3]
    as_bytes = address.encode('latin-1')
    environment = {key.encode(): value.encode() for key, value in {**SANITIZERS, 'VERIFY': verify}.items()}
    code = subprocess.run([PROGRAM], env={**environment, b'RECIPIENT': as_bytes}, stderr=subprocess.DEVNULL).returncode
    assert code == {b'250': 0, b'550': 100, b'451': 111}[reply]


# ---- as it is installed

def test_a_run_opens_nothing_but_its_socket(plain, verify, tmp_path):
    """And allocates nothing of its own where there is nothing to log."""
    if not shutil.which('strace'):
        pytest.skip('strace is not installed')
    done = subprocess.run(['strace', '-o', tmp_path / 'calls', plain / 'qmail-rcptcheck'], env=rcptcheck(JOE, verify),
                          capture_output=True)
    calls = re.findall(r'^(\w+)\(', (tmp_path / 'calls').read_text(), re.M) if (tmp_path / 'calls').exists() else []
    if done.returncode != 0 or 'execve' not in calls:
        pytest.skip('strace may not trace here')
    own = calls[calls.index('rt_sigaction') + 1:]
    assert [name for name in own if not name.startswith(('fcntl', 'clock_gettime'))] == \
        ['getrandom', 'socket', 'connect', 'sendto', 'poll', 'recvfrom', 'close', 'exit_group']
