"""Every recorded site (tests/verdicts) through qmail-vrfy: judged by itself, by the
daemon over both kinds of sockets, each as arguments and as a list. All say the same,
byte for byte, and what the daemon logs when it is asked as 1.32 was.
"""
import json
import os
import subprocess
import sys

import namespaces
import pytest
from qmailhost import BUILD
from test_verdicts import SITES, VERDICTS, ask, reason_of

import vrfy as site_vrfy  # noqa: E402  (tests/verdicts, which test_verdicts has put into the path)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason='needs root: a site has namespaces and users of its own')


def expected_code(lines):
    verdicts = {line.split('\t')[1] for line in lines}
    return 111 if 'temporary' in verdicts else 1 if 'invalid' in verdicts else 0


def says(logged):
    """The verdict, as far as the log tells it, and the reason."""
    words = {'denied. ': {'invalid'}, 'permitted for ': {'valid', 'remote', 'unknown'}, 'not answered for ': {'temporary'}}
    return next(verdicts for mark, verdicts in words.items() if f' {mark}' in logged), reason_of(logged)


@needs_root
@pytest.mark.parametrize('site', SITES, ids=lambda site: site.name)
def test_a_site_in_all_ways(site):
    namespaces.need_mounts()
    program = subprocess.run(['unshare', '-m', '-n', sys.executable, str(VERDICTS / 'vrfy.py'), str(BUILD / 'qmail-verify'),
                              str(BUILD / 'qmail-vrfy'), str(site)], capture_output=True, text=True)
    assert program.returncode == 0, program.stderr
    result = json.loads(program.stdout)
    addresses = [ask.unescape(row[0]) for row in ask.rows(str(site))]
    (here, here_code, here_err), _ = result['ways']['here']
    lines = here.splitlines(keepends=True)
    assert [line.split('\t')[0] for line in lines] == [ask.shown(a) if a else '' for a in addresses], here_err
    assert here_code == expected_code(lines)
    in_a_list = site_vrfy.in_a_list(addresses)
    listed = [line for address, line in zip(addresses, lines) if address in in_a_list]
    for way, ((as_arguments, code, err), (as_list, list_code, list_err)) in result['ways'].items():
        assert as_arguments.splitlines(keepends=True) == lines, f'{way}: {err}'
        assert as_list.splitlines(keepends=True) == listed, f'{way}, as a list: {list_err}'
        assert (code, list_code) == (here_code, expected_code(listed)), way
    explained = [json.loads(line) for line in result['explained'].splitlines()]
    assert [(e['verdict'], e['reason']) for e in explained] == [tuple(line.split('\t')[1:3]) for line in lines]
    assert all((e['steps'][-1]['step'], e['steps'][-1]['name']) == ('verdict', e['reason']) for e in explained)
    for line, logged in zip(lines, result['logged']):
        verdict, reason = line.split('\t')[1:3]
        verdicts, logged_reason = says(logged)
        assert verdict in verdicts and reason == logged_reason, f'{line} but logged: {logged}'


def test_the_lists_have_nearly_all_addresses():
    """What cannot be in a list is too little for a mistake to hide behind it."""
    addresses = [ask.unescape(row[0]) for site in SITES for row in ask.rows(str(site))]
    assert len(addresses) > 5000 and len(site_vrfy.in_a_list(addresses)) > 0.98 * len(addresses)
