"""qmail-smtpd where memory is short: every session of tests/transcripts under
softlimit, with a queue program that needs little, too.

The limit counts the address space: the program itself (1 MB, static), its stack and
what it takes. 4000000 bytes are what administrators give netqmail's. Recipients take
as much as they are long, and 10,000 of 20 bytes fit in; but as many as are accepted at
all, 32 MiB, need 36000000. Where memory ends before, the client hears 421, which
test_smtpd.py has.
"""
import concurrent.futures
import os
import shutil
import subprocess
import tempfile

import pytest

import test_transcripts as transcripts
from test_transcripts import namespaces, replay  # noqa: F401: a fixture

USUAL = 4000000
MORE = {'recipients-01-limit': 40000000}  # recipients to their limit of 32 MiB
RECORDER = os.path.join(os.path.dirname(__file__), 'queue_recorder.c')
# What stands in DIFFERENCES has a counterpart of our own.
CASES = [(folder, name) for folder, name in transcripts.CASES
         if folder == transcripts.OURS or name not in transcripts.DIFFERENCES]

# The limit holds for the queue program, too: the recorder that a case has is Python's.
SERVER = '''#!/bin/sh
case $QMAILQUEUE in */recorder) QMAILQUEUE={folder}/recorder ;; esac
exec {softlimit} -m {limit} {program}
'''

pytestmark = pytest.mark.xdist_group('softlimit')


@pytest.fixture(scope='session')
def servers(plain):
    """limit: qmail-smtpd under it, a program."""
    if not shutil.which('softlimit'):
        pytest.skip('needs softlimit (daemontools)')
    folder = tempfile.mkdtemp(prefix='qmail-verify-softlimit-')
    os.chmod(folder, 0o755)  # some cases are run by others than root
    try:
        subprocess.run([os.environ.get('CC', 'cc'), '-std=c11', '-D_GNU_SOURCE', '-O2', '-static', '-Wall', '-Wextra',
                        '-Werror', '-o', f'{folder}/recorder', RECORDER], check=True)
        made = {}
        for limit in (USUAL, *MORE.values()):
            made[limit] = f'{folder}/qmail-smtpd-{limit}'
            with open(made[limit], 'w', encoding='ascii') as file:
                file.write(SERVER.format(folder=folder, limit=limit, program=plain / 'qmail-smtpd',
                                         softlimit=shutil.which('softlimit')))
            os.chmod(made[limit], 0o755)
        yield made
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope='session')
def results(request, servers, namespaces):  # noqa: F811
    """Replays all cases that have been chosen, several at once. case: its future."""
    chosen = {item.callspec.params['case'] for item in request.session.items
              if getattr(item, 'originalname', '') == 'test_session_under_softlimit'}
    able = [case for case in CASES if case in chosen and not replay.real_queue_missing(*case)]
    able.sort(key=lambda case: not os.path.exists(os.path.join(*case, 'timing')))  # those that wait long come first
    with concurrent.futures.ThreadPoolExecutor(transcripts.AT_ONCE) as pool:
        yield {(folder, name): pool.submit(replay.replay, folder, name, servers[MORE.get(name, USUAL)],
                                           transcripts.patience(folder, name), namespaces) for folder, name in able}


@pytest.mark.parametrize('case', CASES, ids=lambda case: f'{os.path.basename(case[0])}-{case[1]}')
def test_session_under_softlimit(case, results):
    if replay.real_queue_missing(*case):
        pytest.skip(f'needs a netqmail in {replay.QMAIL}')
    differences = results[case].result()
    assert not differences, '\n' + differences


@pytest.mark.parametrize('name', MORE)
def test_what_needs_more_does_not_fit(name, servers, namespaces):  # noqa: F811
    """The limit is felt, and MORE names nothing that fits."""
    differences = replay.replay(transcripts.OURS, name, servers[USUAL], 60, namespaces)
    assert '421 out of memory (#4.3.0)' in differences
