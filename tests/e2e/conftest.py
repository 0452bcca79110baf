"""What all tests with real programs share: the programs, and a time limit.

BUILD names the build directory; without it build/plain is taken. A test that
does not end by itself is ended after LIMIT seconds and fails where it stood.
"""
import faulthandler
import os
import pathlib
import signal

import pytest

LIMIT = int(os.environ.get('TEST_SECONDS', '300'))
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
os.environ.setdefault('BUILD', str(ROOT / 'build/plain'))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    """Ends a test that hangs, fixtures included."""

    def too_long(*_):
        faulthandler.dump_traceback()
        raise TimeoutError(f'{item.name} did not end within {LIMIT} s')

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(LIMIT)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope='session')
def build():
    """The build directory; the tests that ask for it need its programs."""
    folder = pathlib.Path(os.environ['BUILD']).resolve()
    for program in ('qmail-verify', 'qmail-smtpd', 'qmail-vrfy', 'qmail-verify-report', 'qmail-verify-migrate',
                'qmail-verify-conf', 'qmail-smtpd-conf', 'qmail-rcptcheck'):
        assert (folder / program).exists(), f'{folder / program} does not exist: run make'
    return folder


@pytest.fixture(scope='session')
def plain(build):
    """The build directory, for tests of the programs as they are installed."""
    if build.name != 'plain':
        pytest.skip('a build with sanitizers is not what is installed')
    return build
