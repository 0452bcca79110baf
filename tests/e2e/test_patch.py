"""make patch: the question put into the source of another qmail-smtpd, built there and run.

The source is one of our own, in the shape of the real ones: tests/netqmail/small. Which real
ones it was tried on stands in qmail-verify-doors(7).
"""
import os
import pathlib
import re
import shutil
import socket
import subprocess

import pytest
from qmailhost import BUILD, Host

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TOOL = BUILD / 'netqmail/add-verify'
ADDED = ('README.verify logbits.c logbits.h packet.h qmail-verify.h sockbits.c sockbits.h udpbits.c udpbits.h '
         'verifydoor.c verifydoor.h verifyrcpt.c verifyrcpt.h').split()


@pytest.fixture
def tree(tmp_path):
    return pathlib.Path(shutil.copytree(ROOT / 'tests/netqmail/small', tmp_path / 'small'))


def add_verify(*arguments):
    return subprocess.run([TOOL, *map(str, arguments)], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60)


def contents(tree):
    return {path.name: (path.read_bytes(), path.stat().st_mode) for path in tree.iterdir()}


def build(tree):
    done = subprocess.run(['make', '-s', '-C', tree, 'qmail-smtpd'], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          env={**os.environ, 'MAKEFLAGS': ''}, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return tree / 'qmail-smtpd'


# ---- what it does to the files

def test_it_shows_and_changes_nothing(tree):
    before = contents(tree)
    done = add_verify(tree)
    assert (done.returncode, contents(tree)) == (0, before)
    assert '+#include "verifydoor.h" /* qmail-verify */\n' in done.stdout
    assert f'Copied: {tree}/verifyrcpt.c\n' in done.stdout
    assert 'not changed; -w (make patch WRITE=yes) writes this' in done.stderr


def test_the_diff_is_what_it_does(tree, tmp_path):
    """patch(1) makes the same of it."""
    if not shutil.which('patch'):
        pytest.skip('needs patch')
    other = shutil.copytree(tree, tmp_path / 'other')
    diff = add_verify(tree).stdout.replace(str(tree), str(other))
    subprocess.run(['patch', '-s', '-p0'], input=diff, text=True, check=True, cwd='/', timeout=60)
    assert add_verify('-w', tree).returncode == 0
    assert {n: c for n, c in contents(other).items()} == {n: c for n, c in contents(tree).items() if n not in ADDED}


def test_written_twice_and_undone(tree):
    before = contents(tree)
    done = add_verify('-w', tree)
    assert done.returncode == 0 and f'{tree}: done; build and install it as before' in done.stderr
    written = contents(tree)
    assert sorted(set(written) - set(before)) == ADDED
    assert {name for name in before if written[name] != before[name]} == {'qmail-smtpd.c', 'Makefile', 'TARGETS', 'hier.c'}
    done = add_verify('-w', f'{tree}/')
    assert (done.returncode, done.stdout, contents(tree)) == (0, '', written)
    assert 'nothing to do' in done.stderr
    shown = add_verify('-u', tree)
    assert shown.returncode == 0 and 'Removed: ' in shown.stdout and contents(tree) == written
    assert add_verify('-u', '-w', tree).returncode == 0
    assert contents(tree) == before
    done = add_verify('-u', '-w', tree)
    assert done.returncode == 0 and "nothing of qmail-verify's is in it" in done.stderr and contents(tree) == before


def test_an_older_version_of_ours_makes_way(tree):
    assert add_verify('-w', tree).returncode == 0
    new = contents(tree)
    source = tree / 'qmail-smtpd.c'
    source.write_text(source.read_text().replace('char *verified = verifydoor_data();', 'char *verified = verifydoor_older();'))
    (tree / 'verifydoor.c').write_text('older\n')
    assert add_verify('-w', tree).returncode == 0
    assert contents(tree) == new


def test_undo_leaves_a_copy_that_was_changed(tree):
    assert add_verify('-w', tree).returncode == 0
    (tree / 'verifyrcpt.c').write_text('mine\n')
    done = add_verify('-u', '-w', tree)
    assert done.returncode == 0 and 'verifyrcpt.c: is not the file that was copied; left' in done.stderr
    assert (tree / 'verifyrcpt.c').read_text() == 'mine\n' and not (tree / 'verifyrcpt.h').exists()


@pytest.mark.parametrize('name, old, new, place, words', [
    ('qmail-smtpd.c', 'void smtp_rcpt(arg)', 'int smtp_rcpt(arg)', '&rcptto,"T"', 'smtp_rcpt() is not declared void'),
    ('qmail-smtpd.c', '"354 go ahead', '"350 go ahead', None, 'there is no qmail_open() before a reply 354'),
    ('Makefile', './load qmail-smtpd', 'cc -o qmail-smtpd', 'qmail-smtpd: \\', 'the commands of this rule have no "./load qmail-smtpd"'),
])
def test_what_it_does_not_understand_is_named_and_nothing_changed(tree, name, old, new, place, words):
    path = tree / name
    assert old in path.read_text()
    if place:
        words = f'line {path.read_text().split(place)[0].count(chr(10)) + 1}: {words}'
    path.write_text(path.read_text().replace(old, new))
    before = contents(tree)
    done = add_verify('-w', tree)
    assert (done.returncode, done.stdout, contents(tree)) == (1, '', before)
    assert f'{path}' in done.stderr and words in done.stderr and 'nothing was changed' in done.stderr


def test_another_file_in_the_way_is_left_alone(tree):
    """As in a source that has the client of 1.32 in it."""
    (tree / 'verifyrcpt.c').write_text('another\n')
    before = contents(tree)
    done = add_verify('-w', tree)
    assert (done.returncode, contents(tree)) == (1, before)
    assert 'verifyrcpt.c: is there already' in done.stderr


def test_all_or_nothing(tree):
    (tree / 'verifyrcpt.h').symlink_to('nowhere')  # seems not to be there, and cannot be made
    before = {name: one for name, one in contents_without(tree, 'verifyrcpt.h').items()}
    done = add_verify('-w', tree)
    assert done.returncode == 111
    assert 'verifyrcpt.h cannot be made' in done.stderr and 'all files are as they were' in done.stderr
    assert contents_without(tree, 'verifyrcpt.h') == before


def contents_without(tree, *names):
    return {path.name: (path.read_bytes(), path.stat().st_mode) for path in tree.iterdir() if path.name not in names}


@pytest.mark.parametrize('arguments', [(), ('-x', '/'), ('/', '/'), ('',)])
def test_misuse(arguments):
    done = add_verify(*arguments)
    assert done.returncode == 100 and done.stderr.startswith('usage: add-verify')


def test_no_source_there(tmp_path):
    done = add_verify(tmp_path)
    assert done.returncode == 1 and 'no qmail-smtpd.c there' in done.stderr


def test_replies_are_those_of_qmail_smtpd():
    ours = re.findall(r'"((?:550|554|451|421) [^"]*)\\r\\n"', (ROOT / 'netqmail/verifydoor.c').read_text())
    theirs = (ROOT / 'smtp/reply.h').read_text()
    assert len(ours) == 4 and all(f'"{text}\\r\\n"' in theirs for text in ours)


# ---- what comes of it

@pytest.fixture(scope='module')
def server(tmp_path_factory):
    tree = shutil.copytree(ROOT / 'tests/netqmail/small', tmp_path_factory.mktemp('patched') / 'small')
    assert add_verify('-w', tree).returncode == 0
    return build(pathlib.Path(tree))


@pytest.fixture
def host():
    uid = os.getuid() or 7790
    with Host(control={'me': 'example.org\n', 'locals': 'example.org\n'},
              assign=f'+list-:someone:{uid}:{os.getgid() or 2108}:{{qmail}}/joe:-::\n.\n', files={'joe/.qmail-ok': './Maildir/\n'}) as one:
        if os.getuid() == 0:
            one.own(uid, 'joe', 'joe/.qmail-ok')
        yield one


MAIL, GOOD, BAD = 'MAIL FROM:<a@b.example>', 'RCPT TO:<list-ok@example.org>', 'RCPT TO:<list-no@example.org>'
RELAYED, MESSAGE = 'RCPT TO:<x@elsewhere.example>', 'hello\r\n.'


def session(server, environment, *lines):
    """The codes of the replies, 'closed' at the end; and what was logged."""
    ours, its = socket.socketpair()
    process = subprocess.Popen([server], stdin=its, stdout=its, stderr=subprocess.PIPE,
                               env={'TCPREMOTEIP': '192.0.2.7', **environment})
    its.close()
    ours.settimeout(60)
    said = []
    with ours, ours.makefile('rb') as replies:
        replies.readline()
        for line in lines:
            try:
                ours.sendall(line.encode() + b'\r\n')
                reply = replies.readline().decode()
            except ConnectionError:
                reply = ''
            said.append(reply[:3] or 'closed')
            if not reply:
                break
    log = process.communicate(timeout=60)[1].decode()
    return ' '.join(said), log


def test_without_verify_nothing_is_asked(server, host):
    said, log = session(server, {}, MAIL, BAD, 'DATA', MESSAGE, 'QUIT')
    assert (said, log) == ('250 250 354 250 221', '')
    said, log = session(server, {'VERIFY': ''}, MAIL, BAD, 'QUIT')
    assert said == '250 250 221' and 'Note recipient verification explicitly disabled.' in log


def test_at_rcpt(server, host):
    said, log = session(server, {'VERIFY': f'127.0.0.1:{host.port},STRICT'}, MAIL, BAD, GOOD, RELAYED, 'DATA', MESSAGE, MAIL, BAD, 'DATA', 'QUIT')
    assert said == '250 550 250 553 354 250 250 550 503 221'
    lines = log.splitlines()
    assert len(lines) == 4 and lines[0].endswith(' from 192.0.2.7: Unverified mailbox at RCPT time')
    assert 'from 192.0.2.7: verify: refused list-no@example.org: no-mailbox: ' in lines[1]
    host.logged('list-no@example.org denied.')


def test_deferred_to_data(server, host):
    said, log = session(server, {'VERIFY': f'DEFER,127.0.0.1:{host.port}'}, MAIL, BAD, GOOD, 'DATA', 'DATA', MAIL, GOOD, 'DATA', MESSAGE,
                        MAIL, BAD, 'RSET', MAIL, GOOD, 'DATA', MESSAGE, 'QUIT')
    assert said == '250 250 250 554 503 250 250 354 250 250 250 250 250 250 354 250 221'
    assert log.count('Unverified mailbox(es) at DATA time') == 1


def test_too_many(server, host):
    verify = f'MAXBAD=2,127.0.0.1:{host.port}'
    said, log = session(server, {'VERIFY': verify}, MAIL, BAD, BAD, GOOD, 'QUIT')
    assert said == '250 550 550 421 closed' and 'Too many invalid recipients: quitting' in log
    said, log = session(server, {'VERIFY': 'DEFER,' + verify}, MAIL, BAD, BAD, GOOD, 'DATA', 'QUIT')
    assert said == '250 250 250 250 421 closed' and 'Too many invalid recipients: quitting' in log


def test_relay_clients_are_not_verified(server, host):
    said, log = session(server, {'VERIFY': f'127.0.0.1:{host.port}', 'RELAYCLIENT': ''}, MAIL, BAD, RELAYED, 'QUIT')
    assert (said, log) == ('250 250 250 221', '')


def test_nobody_answers(server, host):
    verify = f'127.0.0.1:{host.port}'
    host.stop()
    said, log = session(server, {'VERIFY': verify}, MAIL, GOOD, 'RSET', 'QUIT')
    assert said == '250 451 250 221' and 'temporary failure (connection refused)' in log
    said, log = session(server, {'VERIFY': verify + ',OPEN'}, MAIL, GOOD, 'QUIT')
    assert said == '250 250 221' and 'accepted unverified (OPEN)' in log


def test_a_client_address_cannot_forge_a_line(server, host):
    log = session(server, {'VERIFY': f'127.0.0.1:{host.port}', 'TCPREMOTEIP': '1\nx \x1b' + 'y' * 400}, MAIL, BAD, 'QUIT')[1]
    assert all(line.startswith('qmail-smtpd: pid ') for line in log.splitlines()) and '\x1b' not in log


@pytest.mark.parametrize('standard', ['', '-std=gnu99', '-std=gnu11 -Wall -Wextra -Werror', '-O0 -funsigned-char'])
def test_the_client_builds_with_the_flags_of_others(tree, standard):
    (tree / 'conf-cc').write_text(f'cc -O2 {standard}\n')
    assert add_verify('-w', tree).returncode == 0
    objects = ['verifydoor.o', 'verifyrcpt.o', 'sockbits.o', 'udpbits.o', 'logbits.o']
    done = subprocess.run(['make', '-s', '-C', tree, *objects], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          env={**os.environ, 'MAKEFLAGS': ''}, timeout=300)
    assert (done.returncode, done.stderr) == (0, '')


def test_make_patch(tree):
    if 'sanitize' in BUILD.name:
        pytest.skip('it would build the programs once more')
    if not os.access(BUILD, os.W_OK):
        pytest.skip('it builds, and the build folder is not ours')
    before = contents(tree)
    run = lambda *words: subprocess.run(['make', '-s', '-C', ROOT, 'patch', *words], stdin=subprocess.DEVNULL, capture_output=True,
                                        text=True, env={**os.environ, 'MAKEFLAGS': ''}, timeout=500)
    assert run().returncode == 2
    assert 'make patch QMAILSRC=' in run().stderr
    shown = run(f'QMAILSRC={tree}')
    assert shown.returncode == 0 and 'verifydoor_rcpt' in shown.stdout and contents(tree) == before
    assert run(f'QMAILSRC={tree}', 'WRITE=yes').returncode == 0
    assert set(ADDED) <= set(contents(tree))
    assert run(f'QMAILSRC={tree}', 'WRITE=yes', 'UNDO=yes').returncode == 0
    assert contents(tree) == before
