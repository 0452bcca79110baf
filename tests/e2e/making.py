"""make, for tests that want more of it than "make check" has built."""
import fcntl
import os
import subprocess

from qmailhost import BUILD, ROOT


def make(*words, environment=None):
    """What "make WORDS" prints, with the settings that the programs were built with. One at a time: others want
    the same files."""
    with open(BUILD / 'making.lock', 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(['make', '-s', f'B={os.path.relpath(BUILD, ROOT)}', *map(str, words)], cwd=ROOT,
                              env={'PATH': os.environ['PATH'], **(environment or {})}, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, f'make {words}: {done.returncode}\n{done.stdout}{done.stderr}'
    return done.stdout + done.stderr
