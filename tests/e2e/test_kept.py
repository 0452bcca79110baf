"""Answers that a hub keeps in shared memory: several threads and processes at the same time,
watched by ThreadSanitizer."""
import pathlib
import subprocess

import pytest

PROGRAM = pathlib.Path(__file__).resolve().parents[2] / 'build/sanitize-thread/kept-threads'


def test_kept_under_ThreadSanitizer():
    if not PROGRAM.exists():
        pytest.skip('not built: "make threads" does, where the compiler has ThreadSanitizer')
    done = subprocess.run([PROGRAM, '20'], capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr[-4000:]
    assert int(done.stdout) > 0 and not done.stderr
