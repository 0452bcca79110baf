"""What real netqmail 1.06 did with thousands of addresses, held against the daemon.

Each recorded site (tests/verdicts) is laid out in namespaces of its own and its
addresses are asked through the socket. Not only accepted or refused has to be
right: so has the reason in the log, and the controlling user. What is accepted
though qmail bounced it stands in tests/verdicts/ACCEPTED, each address with why.
"""
import json
import os
import subprocess
import sys

import namespaces
import pytest
from qmailhost import BUILD, ROOT

VERDICTS = ROOT / 'tests/verdicts'
sys.path.insert(0, str(VERDICTS))
import ask  # noqa: E402

SITES = sorted(VERDICTS.glob('site-*'))

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason='needs root: a site has namespaces and users of its own')

# What the recording says decided -> the reasons that may be ours.
EXPECTED = {
    'no-mailbox': {'no-mailbox'},
    'home-not-absolute': {'home-not-absolute'},
    'home-unreachable': {'home-unreachable'},
    'home-writable': {'home-writable'},
    'home-sticky': {'home-sticky'},
    'dotqmail-unreadable': {'dotqmail-unreadable'},
    'dotqmail-writable': {'dotqmail-writable'},
    'dotqmail-blank': {'dotqmail-blank'},
    'dotqmail-xbit': {'dotqmail-xbit'},
    'root': {'root'},
    'no-alias-user': {'no-alias-user'},
    'cdb-trouble': {'cdb-trouble'},
    'dotqmail': {'dotqmail'},
    'dotqmail-empty': {'dotqmail-empty'},
    'default-delivery': {'default-delivery'},
    'empty-local': {'empty-local'},
    'remote': {'remote', 'exception'},
    'file-delivery': {'dotqmail', 'dotqmail-empty', 'default-delivery'},
    'forward': {'dotqmail'},
    'vpopmail-user': {'vpopmail-user', 'vpopmail-own', 'program'},
    'vpopmail-alias': {'dotqmail', 'dotqmail-empty', 'program-accepts'},
    'vpopmail-catchall': {'vpopmail-catchall', 'vpopmail-delete', 'program'},
    'vpopmail-delete': {'vpopmail-delete'},
    'vpopmail-no-user': {'vpopmail-no-user'},
    'vpopmail-bounce-flag': {'vpopmail-bounce-flag'},
    'vpopmail-bad-name': {'vpopmail-bad-name'},
    # the recording cannot tell what became of the users, and we do not guess
    'vpopmail-database': {'vpopmail-trouble', 'vpopmail-elsewhere', 'vpopmail-user', 'vpopmail-no-user'},
}
# Where programs were run: the reasons by what came of it.
PROGRAM = {
    'bounce': {'program-refuses', 'fastforward-absent', 'program', 'kept', 'vpopmail-user', 'vpopmail-own'},
    'defer': {'program-defers', 'fastforward-trouble', 'program', 'vpopmail-user', 'vpopmail-own', 'vpopmail-catchall'},
    'deliver': {'program-accepts', 'fastforward', 'program'},
}
REFUSE = {'no-mailbox', 'home-not-absolute', 'program-refuses', 'fastforward-absent', 'vpopmail-no-user',
          'vpopmail-bounce-flag', 'vpopmail-bad-name'}
SILENT = {'home-unreachable', 'dotqmail-unreadable', 'no-alias-user', 'cdb-trouble', 'fastforward-trouble',
          'vpopmail-trouble'}


def accepted():
    """What is accepted though qmail bounced it: {site: addresses}."""
    sites = {}
    for line in (VERDICTS / 'ACCEPTED').read_text().splitlines():
        if not line.startswith('#'):
            site, address, _ = line.split(None, 2)
            sites.setdefault(site, set()).add(address)
    return sites


def reason_of(line):
    for mark in (' permitted for ', ' not answered for ', ' denied. '):
        if mark in line:
            rest = line.split(mark, 1)[1]
            return rest.split(' ')[0] if mark == ' denied. ' else rest.split('. ', 1)[1].split(' ')[0]
    return None


def wrong(row, answer, line):
    """What is wrong with one answer, or None."""
    verdict, basis, user = row[1], row[2], row[5]
    allowed = PROGRAM[verdict] if basis == 'program' else EXPECTED[basis]
    reason = reason_of(line)
    if reason not in allowed:
        return f'reason {reason}, not {"/".join(sorted(allowed))}'
    if (answer is None) != (reason in SILENT):
        return 'silence' if answer is None else 'an answer though the look failed'
    if answer is None:
        return None if verdict == 'defer' or basis == 'vpopmail-database' else 'silence'
    packet = bytes.fromhex(answer)
    if (packet[0] & 15) != (1 if reason in REFUSE else 0):
        return f'result {packet[0] & 15}'
    if reason in REFUSE and verdict != 'bounce':
        return 'refused'
    if user != '-' and packet[1:] != ask.unescape(user)[:32]:
        return f'controlling user {packet[1:]!r}, not {user}'
    return None


@needs_root
@pytest.mark.parametrize('site', SITES, ids=lambda site: site.name)
def test_recorded_site(site):
    namespaces.need_mounts()
    program = subprocess.run(['unshare', '-m', '-n', sys.executable, str(VERDICTS / 'ask.py'),
                              str(BUILD / 'qmail-verify'), str(site)], capture_output=True, text=True)
    assert program.returncode == 0, program.stderr
    answers = [json.loads(line) for line in program.stdout.splitlines()]
    table = ask.rows(str(site))
    assert len(answers) == len(table) > 0
    bad = [f'{row[0]}: qmail: {row[1]} ({row[2]}): {problem}; logged: {line}'
           for row, (answer, line) in zip(table, answers) if (problem := wrong(row, answer, line))]
    assert not bad, f'{len(bad)} of {len(table)} wrong:\n' + '\n'.join(bad[:20])
    bounced = {row[0] for row, (answer, line) in zip(table, answers)
               if row[1] == 'bounce' and reason_of(line) not in REFUSE | SILENT}
    assert bounced == accepted().get(site.name, set())


def test_there_are_sites():
    assert len(SITES) == 28
