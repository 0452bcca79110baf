"""The Debian packages that "make deb" left in build/deb: lintian, and what dpkg makes of them in a root of their own,
beside a local netqmail: installed, upgraded, removed, purged, and nothing is left behind."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DEBS = ROOT / 'build/deb'
NAMES = ('qmail-verify', 'qmail-verify-dev')


def run(*command, **how):
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True, **how)
    assert done.returncode == 0, f'{command}: {done.returncode}\n{done.stdout}{done.stderr}'
    return done.stdout


def package(name):
    (found,) = DEBS.glob(f'{name}_*.deb')
    return found


def listed(name):
    return {line.split()[5][1:] for line in run('dpkg-deb', '-c', package(name)).splitlines()}


def test_lintian_has_nothing_to_say():
    (changes,) = DEBS.glob('*.changes')
    told = run('lintian', '--allow-root', '--fail-on', 'warning', changes)
    assert not re.search('^[EW]:', told, re.M), told


def test_the_packages_have_the_version_of_the_programs():
    version = re.search('QV_VERSION "(.*)"', (ROOT / 'qmail-verify.h').read_text())[1]
    for name in NAMES:
        assert re.match(re.escape(version) + r'(?![\d.])', run('dpkg-deb', '-f', package(name), 'Version'))


def test_nothing_is_run_by_installing_them(tmp_path):
    for name in NAMES:
        folder = tmp_path / name
        run('dpkg-deb', '-e', package(name), folder)
        files = {path.name for path in folder.iterdir()}
        assert files == {'control', 'md5sums'}, 'scripts, questions or triggers'


def test_nothing_goes_where_a_local_qmail_is_or_where_services_start():
    for name in NAMES:
        for path in listed(name):
            assert not re.match(r'/(var|etc|service|usr/local|home|lib/systemd/system/.*wants)', path), path


def test_every_program_and_every_manual_page_is_in_one_of_them():
    there = {pathlib.PurePath(path).name.removesuffix('.gz') for name in NAMES for path in listed(name)}
    wanted = {page.name for page in (ROOT / 'man').iterdir()} - {'qmail-smtpd.8'} | {'qmail-smtpd.8verify'}
    wanted |= set(re.search(r'^PROGRAMS = (.*(?:\\\n.*)*)', (ROOT / 'Makefile').read_text(), re.M)[1].replace('\\', '').split())
    assert wanted <= there, wanted - there


@pytest.fixture
def root(tmp_path):
    """A root directory with an empty dpkg database, and a netqmail."""
    top = tmp_path / 'root'
    for folder in ('var/lib/dpkg/info', 'var/lib/dpkg/updates', 'var/qmail/bin', 'etc/tcprules'):
        (top / folder).mkdir(parents=True)
    (top / 'var/lib/dpkg/status').touch()
    (top / 'var/qmail/bin/qmail-smtpd').write_text('netqmail\n')
    return top


def tree(top):
    return {str(path.relative_to(top)): path.read_bytes() if path.is_file() and not path.is_symlink() else None
            for path in top.rglob('*') if 'var/lib/dpkg' not in str(path)}


def dpkg(top, *words):
    run('fakeroot', 'dpkg', f'--root={top}', '--force-depends', '--force-not-root', f'--log={top}/var/lib/dpkg/log', *words)


def older(tmp_path, name):
    """The same package with a smaller version."""
    folder = tmp_path / f'{name}.older'
    run('dpkg-deb', '-R', package(name), folder)
    control = folder / 'DEBIAN/control'
    control.write_text(re.sub('^Version: .*', 'Version: 1.99', control.read_text(), flags=re.M))
    run('dpkg-deb', '--root-owner-group', '-b', folder, tmp_path / f'{name}.deb')
    return tmp_path / f'{name}.deb'


def test_installed_upgraded_removed_and_purged_nothing_is_left(root, tmp_path):
    before = tree(root)
    dpkg(root, '-i', *(older(tmp_path, name) for name in NAMES))
    dpkg(root, '-i', *(package(name) for name in NAMES))
    now = tree(root)
    assert now['var/qmail/bin/qmail-smtpd'] == before['var/qmail/bin/qmail-smtpd']
    told = run(root / 'usr/sbin/qmail-verify', '-V')
    assert 'qmail directory: /var/qmail\n' in told
    assert 'qmail-vrfy' in run(root / 'usr/bin/qmail-vrfy', '--help')
    dpkg(root, '-r', *NAMES)
    dpkg(root, '-P', *NAMES)
    assert tree(root) == before


def test_a_program_in_c_builds_with_the_dev_package(root, tmp_path):
    if not shutil.which('pkg-config'):
        pytest.skip('pkg-config is not installed')
    dpkg(root, '-i', package('qmail-verify-dev'))
    source = tmp_path / 'ask.c'
    source.write_text('#include <verifyrcpt.h>\n#include <address.h>\nint main(void) { return 0; }\n')
    (pc,) = root.glob('usr/lib/*/pkgconfig')
    flags = run('pkg-config', '--cflags', '--libs', 'qmailverify',
                env={**os.environ, 'PKG_CONFIG_LIBDIR': str(pc), 'PKG_CONFIG_SYSROOT_DIR': str(root)}).split()
    run('gcc', '-o', tmp_path / 'ask', source, *flags)
