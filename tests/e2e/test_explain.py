"""qmail-vrfy -v and -j: why an address got its verdict.

tests/explain has a transcript for each reason of qmail-verify.h. They are made anew in
namespaces (tests/explain/host.py) and compared byte for byte.
"""
import json
import os
import re
import subprocess
import sys

import namespaces
import pytest
from qmailhost import BUILD, ROOT

TRANSCRIPTS = ROOT / 'tests/explain'
REASONS = re.findall(r'^  X\( ?\d+, \w+, +"([a-z-]+)"', (ROOT / 'qmail-verify.h').read_text(), re.M)
STEPS = re.findall(r'^  X\((\w+), +"([a-z-]+)", +"([a-z-]+)", +"(.*)"\)', (ROOT / 'address/steps.h').read_text(), re.M)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason='needs root: a host has namespaces and users of its own')


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    """The folder in which the transcripts are made."""
    namespaces.need_mounts()
    nss, out = tmp_path_factory.mktemp('nss'), tmp_path_factory.mktemp('explain')
    library = nss / 'libnss_qvtest.so.2'
    subprocess.run(['gcc', '-shared', '-fPIC', '-o', str(library), str(ROOT / 'tests/nss/nss_qvtest.c')], check=True)
    done = subprocess.run(['unshare', '-m', '-n', sys.executable, str(TRANSCRIPTS / 'host.py'), str(BUILD / 'qmail-vrfy'),
                           str(out), '--nss', str(nss)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out


def test_there_are_reasons_and_steps():
    assert len(REASONS) >= 60 and REASONS[0] == 'remote' and len(STEPS) >= 90


def test_no_reason_is_without_a_transcript():
    assert {path.name for path in TRANSCRIPTS.iterdir()} - {'host.py', '__pycache__'} == set(REASONS)


@pytest.mark.parametrize('reason', REASONS)
def test_a_transcript_has_its_reason(reason):
    *_, result, code = (TRANSCRIPTS / reason).read_text().splitlines()
    assert result.split('\t')[2] == reason
    assert code == {'invalid': 'exit code 1', 'temporary': 'exit code 111'}.get(result.split('\t')[1], 'exit code 0')


@needs_root
@pytest.mark.parametrize('reason', REASONS)
def test_transcript(made, reason):
    assert (made / reason).read_bytes().decode() == (TRANSCRIPTS / reason).read_text(), \
        'if this is as it ought to be, put the new transcript into tests/explain'


@pytest.mark.parametrize('symbol', [step[0] for step in STEPS])
def test_each_step_is_told_somewhere(symbol):
    sources = ''.join(path.read_text() for room in ('address', 'vrfy') for path in (ROOT / room).glob('*.cpp'))
    assert f'trace_step::{symbol}' in sources


def test_the_manual_has_all_steps():
    """The table STEPS of qmail-vrfy(1): each word of address/steps.h, and no other."""
    table = (ROOT / 'man/qmail-vrfy.1').read_text().split('.Sh STEPS\n')[1].split('\n.Sh ')[0]
    found, step = [], None
    for line in table.splitlines():
        if heading := re.fullmatch(r'\.It Sy ([a-z-]+)', line):
            step = heading[1]
        elif word := re.fullmatch(r'\.It Li ([a-z-]+)', line):
            found.append((step, word[1]))
    assert found == [(step, word) for _, step, word, _ in STEPS]


@needs_root
def test_json_says_what_the_text_says(made):
    """One object for each address, with all members in order, whoever judges."""
    for way in ('json-here', 'json-daemon'):
        for line in (made / way).read_text().splitlines():
            answer = json.loads(line)
            assert list(answer)[:6] == ['address', 'verdict', 'reason', 'meaning', 'position', 'user']
            assert answer['reply']['text'].startswith(str(answer['reply']['code']))
            assert all(list(step) == ['step', 'found', 'file', 'line', 'name', 'error', 'text', 'depth']
                       for step in answer['steps'])
            assert {(s['step'], s['found']) for s in answer['steps']} <= {(step, found) for _, step, found, _ in STEPS}
            assert answer['steps'][-1]['step'] == 'verdict'
            differs = way == 'json-daemon'
            assert ('here' in answer) == ('differs' in answer) == differs
            assert (answer['here'] if differs else answer)['reason'] == answer['steps'][-1]['name']
