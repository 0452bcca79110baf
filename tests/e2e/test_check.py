"""The check itself: what it counts, and what it says when something is lacking."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest
from qmailhost import ROOT

REPORT = '''<?xml version="1.0"?><testsuites><testsuite name="s">
<testcase name="good" status="run" classname="s"/>
<testcase name="off" status="notrun" classname="s"/>
<testcase name="skipped" status="run" classname="s"><skipped message="not here"/></testcase>
{more}</testsuite></testsuites>'''
BAD = '<testcase name="bad" status="run" classname="s"><failure message="1 is not 2"/></testcase>'


def run_units(folder, script):
    """tests/run.py over a unit-tests that is this shell script; its exit status, its lines."""
    if script is not None:
        program = folder / 'unit-tests'
        program.write_text('#!/bin/sh\nreport=${1#--gtest_output=xml:}\n' + script)
        program.chmod(0o755)
    done = subprocess.run([sys.executable, ROOT / 'tests/run.py', '--build', folder, '--only', 'unit'],
                          capture_output=True, text=True)
    return done.returncode, done.stdout.splitlines()


def reporting(text, end=''):
    return f"cat >\"$report\" <<'XML'\n{text}\nXML\n{end}"


@pytest.mark.parametrize('script, status, last', [
    (reporting(REPORT.format(more='')), 0, '1 passed, 0 failed, 2 skipped'),
    (reporting(REPORT.format(more=BAD), 'exit 1'), 1, '1 passed, 1 failed, 2 skipped'),
    (reporting(REPORT.format(more=''), 'kill -SEGV $$'), 1, '1 passed, 1 failed, 2 skipped'),
    ('kill -SEGV $$', 1, '0 passed, 1 failed'),
    ('exit 0', 1, '0 passed, 1 failed'),
    (None, 1, '0 passed, 1 failed'),
], ids=['good', 'bad', 'crash at the end', 'crash', 'no report', 'no program'])
def test_what_is_counted(tmp_path, script, status, last):
    code, lines = run_units(tmp_path, script)
    assert (code, lines[-1]) == (status, last), lines


def test_a_sanitizer_report_of_any_program_counts(tmp_path):
    script = reporting(REPORT.format(more=''), 'echo "a leak" >"${ASAN_OPTIONS##*log_path=}.4711"')
    status, lines = run_units(tmp_path, script)
    assert status == 1 and lines[-1] == '1 passed, 1 failed, 2 skipped'
    assert any('a leak' in line for line in lines)


def test_what_is_left_running_counts(tmp_path):
    status, lines = run_units(tmp_path, reporting(REPORT.format(more=''), 'setsid sleep 300 >/dev/null 2>&1 &'))
    assert status == 1 and lines[-1] == '1 passed, 1 failed, 2 skipped'
    assert any('left running: sleep 300' in line for line in lines)


# ---- tests/packages

def packages(target, path, user=None):
    command = ['/bin/sh', ROOT / 'tests/packages', target]
    if user is not None:
        command = [shutil.which('setpriv'), f'--reuid={user}', f'--regid={user}', '--clear-groups', *command]
    done = subprocess.run(command, env={'PATH': path}, capture_output=True, text=True, cwd='/')
    return done.returncode, done.stdout, done.stderr


def readable_by_all():
    return all(folder.stat().st_mode & 0o005 == 0o005 for folder in (ROOT, *ROOT.parents))


@pytest.mark.parametrize('target', ['demo', 'check'])
def test_packages_is_silent_where_nothing_is_lacking(target):
    status, out, err = packages(target, os.environ['PATH'] + ':/usr/sbin:/sbin')
    assert status == 0 and err == '' and 'installing' not in out


@pytest.mark.skipif(not readable_by_all(), reason='the source folder is closed to other users')
def test_packages_says_what_to_install():
    """A path with the shell's needs alone, no daemontools. Never as root, who would install."""
    with tempfile.TemporaryDirectory() as folder:
        tools = pathlib.Path(folder)
        tools.chmod(0o755)
        for name in ('dirname', 'id', 'cat', 'g++', 'gcc', 'ar', 'make', 'setpriv', 'setsid', 'tcprules'):
            if shutil.which(name):
                (tools / name).symlink_to(shutil.which(name))
        status, out, err = packages('demo', folder, 65534 if os.geteuid() == 0 else None)
    assert status == 1, out + err
    assert 'apt-get install --no-install-recommends daemontools ucspi-tcp\n' in err
    assert 'postfix' not in err
