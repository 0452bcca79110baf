"""Postfix's smtp-source, as tests/packages has unpacked it or as it is installed."""
import glob
import os
import pathlib
import shutil

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def smtp_source():
    """Postfix's smtp-source and the environment to run it in; None: not here."""
    debs = ROOT / 'build/debs'
    if (debs / 'complete').exists():
        libraries = [str(debs / 'usr/lib/postfix'), *glob.glob(f'{debs}/usr/lib/*-linux-gnu')]
        return str(debs / 'usr/sbin/smtp-source'), {**os.environ, 'LD_LIBRARY_PATH': ':'.join(libraries)}
    found = shutil.which('smtp-source', path=f'{os.environ.get("PATH", "")}:/usr/sbin')
    return (found, dict(os.environ)) if found else None
