"""Whether a test can have mounts of its own, with its own /etc/passwd and homes.

Root can, except in a chroot whose / is not a mount point: there unshare -m
cannot make the mounts private, and a test's would be seen outside.
"""
import functools
import subprocess

import pytest


@functools.cache
def trouble():
    """Why not; empty where it can."""
    try:
        done = subprocess.run(['unshare', '-m', 'true'], capture_output=True, text=True)
    except FileNotFoundError as error:
        return str(error)
    return '' if done.returncode == 0 else done.stderr.strip() or f'unshare -m true: {done.returncode}'


def need_mounts():
    """Skips the test where it cannot."""
    if trouble():
        pytest.skip(f'needs root, and a root directory that is a mount point ({trouble()})')
