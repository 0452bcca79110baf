"""The rows run as the tests in tests/e2e do; each is held against its row in TABLE.

With SOAK in the environment they are long. What was seen is shown behind the results.
"""
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

FAULT = pathlib.Path(__file__).resolve().parent
if os.environ.get('SOAK'):
    os.environ.setdefault('TEST_SECONDS', '3600')
sys.path.insert(0, str(FAULT.parent / 'e2e'))  # mailhost and its like
spec = importlib.util.spec_from_file_location('e2e_conftest', FAULT.parent / 'e2e/conftest.py')
e2e = importlib.util.module_from_spec(spec)
spec.loader.exec_module(e2e)
pytest_runtest_protocol = e2e.pytest_runtest_protocol
build, plain = e2e.build, e2e.plain


@pytest.fixture(scope='session')
def tools(build, tmp_path_factory):
    """The folder with queue and shim.so, made from queue.c and shim.c."""
    folder = tmp_path_factory.mktemp('tools')
    options = ['cc', '-std=gnu11', '-O1', '-Wall', '-Wextra', '-Werror']
    subprocess.run([*options, '-o', folder / 'queue', FAULT / 'queue.c'], check=True)
    subprocess.run([*options, '-shared', '-fPIC', '-o', folder / 'shim.so', FAULT / 'shim.c'], check=True)
    return folder


@pytest.fixture(scope='session')
def dynamic_smtpd(plain, tmp_path_factory):
    """qmail-smtpd from the same objects, but linked with the shared libc: shim.c can stand before it."""
    if not (plain / 'libsmtp.a').exists() or not shutil.which('g++'):
        pytest.skip('needs the objects of the build, and g++')
    program = tmp_path_factory.mktemp('smtpd') / 'qmail-smtpd'
    objects = [plain / name for name in ('qmail-smtpd.o', 'libsmtp.a', 'libqmail.a', 'libclient.a')]
    subprocess.run(['g++', '-pie', '-static-libstdc++', '-static-libgcc', '-o', program, *objects], check=True)
    return program


@pytest.fixture
def seen(request):
    """What the clients see; at the end it has to be what the row has."""
    from faulthost import Seen, table
    row = request.node.name.removeprefix('test_')
    seen, failed = Seen(), request.session.testsfailed
    yield seen
    if request.session.testsfailed == failed:
        assert row in table(), f'TABLE has no row {row}'
        seen.check(table()[row])
        request.node.user_properties.append(('seen', f'{row}: {seen}'))


def pytest_terminal_summary(terminalreporter):
    reports = [report for some in terminalreporter.stats.values() for report in some]
    properties = [pair for report in reports for pair in getattr(report, 'user_properties', [])]
    for line in sorted({value for name, value in properties if name == 'seen'}):
        terminalreporter.write_line(line)
