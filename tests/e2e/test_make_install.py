"""make install and make uninstall: over a tree that looks like netqmail's, and back to it, byte for byte."""
import os
import pathlib
import shutil
import stat
import subprocess

import namespaces
import pytest
from making import make
from qmailhost import BUILD, ROOT

PROGRAMS = ('qmail-verify', 'qmail-vrfy')
root_only = pytest.mark.skipif(os.geteuid() != 0, reason='needs root: files of other owners')
as_installed = pytest.mark.skipif('sanitize' in BUILD.name, reason='installs what is not made for the sanitizers')


def picture(top):
    """Everything below a folder: names, kinds, modes, owners, times of files, contents."""
    seen = {}
    for path in sorted(pathlib.Path(top).rglob('*')):
        about = path.lstat()
        kind = stat.S_IFMT(about.st_mode)
        text = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        seen[str(path.relative_to(top))] = (kind, stat.S_IMODE(about.st_mode), about.st_uid, about.st_gid,
                                            None if kind == stat.S_IFDIR else about.st_mtime_ns, text)
    return seen


@pytest.fixture
def netqmail(tmp_path):
    """A DESTDIR with what netqmail leaves behind, and an old qmail-verify and a page in the way."""
    top = tmp_path / 'host'
    for folder in ('bin', 'boot', 'control', 'users', 'man/man8', 'alias', 'queue/mess/0'):
        (top / 'var/qmail' / folder).mkdir(parents=True)
    (top / 'usr/local/share/man/man8').mkdir(parents=True)
    for name in ('qmail-smtpd', 'qmail-send', 'qmail-lspawn', 'qmail-showctl', 'qmail-verify'):
        path = top / 'var/qmail/bin' / name
        path.write_text(f'#!/bin/sh\necho {name} of netqmail\n')
        path.chmod(0o755)
        os.utime(path, ns=(10 ** 18, 10 ** 18 + 7))
    (top / 'var/qmail/bin/qmail-lspawn').chmod(0o700)
    (top / 'var/qmail/bin/qmail-send').chmod(0o711)
    (top / 'var/qmail/bin/datemail').symlink_to('predate')
    (top / 'var/qmail/control/me').write_text('mail.example.org\n')
    (top / 'usr/local/share/man/man8/qmail-smtpd.8').write_text('.TH qmail-smtpd 8\n')
    return top


@as_installed
def test_installed_and_taken_away_the_tree_is_byte_for_byte_what_it_was(netqmail):
    before = picture(netqmail)
    told = make('install', f'DESTDIR={netqmail}')
    assert f'{netqmail}/var/qmail/bin/qmail-smtpd: what was there is kept as' in told
    bin_ = netqmail / 'var/qmail/bin'
    for name in (*PROGRAMS, 'qmail-smtpd'):
        assert (bin_ / name).read_bytes() == (BUILD / name).read_bytes()
        assert stat.S_IMODE((bin_ / name).stat().st_mode) == 0o755
    assert 'of netqmail' in (bin_ / 'qmail-smtpd.before-verify').read_text()
    assert (netqmail / 'usr/local/share/man/man8/qmail-smtpd.8.before-verify').read_text().startswith('.TH')
    for page in (ROOT / 'man').iterdir():
        installed = netqmail / 'usr/local/share/man' / f'man{page.suffix[1:]}' / page.name
        assert installed.read_bytes() == page.read_bytes()
    for name in ('lib/libqmailverify.a', 'lib/pkgconfig/qmailverify.pc', 'include/qmail-verify/verifyrcpt.h'):
        assert (netqmail / 'usr/local' / name).is_file()
    told = make('uninstall', f'DESTDIR={netqmail}')
    assert f'{netqmail}/var/qmail/bin/qmail-smtpd is again what it was' in told
    assert picture(netqmail) == before


@as_installed
def test_installed_twice_is_installed_once(netqmail):
    before = picture(netqmail)
    make('install', f'DESTDIR={netqmail}')
    once = picture(netqmail)
    assert make('install', f'DESTDIR={netqmail}') == ''
    again = picture(netqmail)
    assert {path: about[:4] + about[5:] for path, about in again.items()} == \
           {path: about[:4] + about[5:] for path, about in once.items()}
    make('uninstall', f'DESTDIR={netqmail}')
    assert picture(netqmail) == before


@as_installed
def test_every_program_is_installed_and_those_in_the_readme(tmp_path):
    make('install', f'DESTDIR={tmp_path}')
    there = {path.name for path in (tmp_path / 'var/qmail/bin').iterdir()}
    assert there == {path.name for path in BUILD.iterdir() if path.name.startswith('qmail-') and path.is_file()
                     and os.access(path, os.X_OK)}
    make('uninstall', f'DESTDIR={tmp_path}')
    assert list(tmp_path.iterdir()) == []


@as_installed
@root_only
def test_a_host_is_looked_at_before_something_is_put_into_it(tmp_path):
    """Without DESTDIR: in a private /var/qmail, where the host's settings count."""
    namespaces.need_mounts()
    script = f'''
        set -e
        cp -a /etc {tmp_path}/etc
        mount --bind {tmp_path} /mnt && mount --bind /mnt/etc /etc
        mount -t tmpfs none /var && mount -t tmpfs none /usr/local && mkdir /var/qmail
        make() {{ command make -s B={os.path.relpath(BUILD, ROOT)} "$@" 2>&1; }}
        ! make install
        mkdir /var/qmail/bin /var/qmail/control
        sed -i /^qmail:/d /etc/group
        ! make install
        echo 'qmail:x:2107:' >>/etc/group
        printf '#!/bin/sh\\necho "qmail home directory: /var/qmail."; echo "user-ext delimiter: +."; echo "paternalism (in decimal): 18."\\n' >/var/qmail/bin/qmail-showctl
        chmod 755 /var/qmail/bin/qmail-showctl
        ! make install
        sed -i 's/: +\\./: -./' /var/qmail/bin/qmail-showctl
        ! make install
        sed -i 's/: 18\\./: 2./' /var/qmail/bin/qmail-showctl
        ls -A /var/qmail /usr/local
        make install
        stat -c '%A %U:%G %n' /var/qmail/bin/qmail-verify /var/qmail/bin/qmail-smtpd /var/qmail/verify
        mkdir -p /etc/service/qmail-verify
        echo 'exec /var/qmail/bin/qmail-verify' >/etc/service/qmail-verify/run
        ! make uninstall
        rm /etc/service/qmail-verify/run
        LISTEN=/var/qmail/verify/s /var/qmail/bin/qmail-verify 2>/mnt/log & pid=$!
        tail --pid=$pid -n +1 -f /mnt/log | grep -q -m 1 Listening
        ! make uninstall
        kill $pid; wait $pid || true
        make uninstall
        ls -A /var/qmail /usr/local
    '''
    done = subprocess.run(['unshare', '-m', '-p', '-f', '--mount-proc', 'sh', '-c', script], cwd=ROOT,
                          capture_output=True, text=True, timeout=300)
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    for words in ('/var/qmail/bin and /var/qmail/control are not there', 'there is no group qmail on this host',
                  "was built for the break character -, and the host's qmail has + (qmail-showctl)",
                  "BREAK='+', then make install",
                  'was built for the forbidden mode bits 002, and the host\'s qmail has 022',
                  '-rwxr-xr-x root:qmail /var/qmail/bin/qmail-verify', '-rwxr-xr-x root:qmail /var/qmail/bin/qmail-smtpd',
                  'drwxr-xr-x root:root /var/qmail/verify', '/etc/service/qmail-verify/run starts /var/qmail/bin/qmail-verify',
                  '/var/qmail/bin/qmail-verify is running (process '):
        assert words in told, f'{words}: not in\n{told}'
    empty = '/usr/local:\n\n/var/qmail:\nbin\ncontrol\n'
    assert told.count(empty) == 2, told


# ---- service/install by itself: other people's files, and an end at any moment

class Tree:
    """A DESTDIR, one file to be put into it, and what was there."""

    def __init__(self, top):
        self.top, self.place = top / 'root', top / 'root/opt/bin/thing'
        self.place.parent.mkdir(parents=True)
        self.source = top / 'thing'
        self.source.write_text('ours')

    def run(self, *options, path=None):
        return subprocess.run(['sh', ROOT / 'service/install', *options, '/opt/verify/installed', self.top],
                              input=f'755\t-\t-\t{self.source}\t/opt/bin/thing\n', capture_output=True, text=True,
                              timeout=60, env={'PATH': path or os.environ['PATH']})

    def install(self):
        done = self.run()
        assert done.returncode == 0, done.stderr
        return done.stdout

    def kept(self, more=''):
        return pathlib.Path(f'{self.place}.before-verify{more}')


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


def test_a_newer_one_of_ours_takes_the_place_of_an_older_one(tree):
    tree.place.write_text('theirs')
    tree.install()
    tree.source.write_text('ours, newer')
    assert tree.install() == '' and tree.place.read_text() == 'ours, newer'
    assert tree.kept().read_text() == 'theirs' and not tree.kept('.1').exists()
    assert tree.run('-u').returncode == 0
    assert tree.place.read_text() == 'theirs' and not tree.kept().exists()


def test_what_somebody_put_over_ours_is_kept_beside_what_was_there_first(tree):
    tree.place.write_text('theirs')
    tree.install()
    tree.place.write_text('theirs, newer')
    assert f'{tree.kept()} is now {tree.kept(".1")}' in tree.install()
    assert (tree.place.read_text(), tree.kept().read_text()) == ('ours', 'theirs, newer')
    assert tree.kept('.1').read_text() == 'theirs'
    assert tree.run('-u').returncode == 0
    assert tree.place.read_text() == 'theirs, newer'


def test_what_somebody_put_over_ours_stays_when_ours_is_taken_away(tree):
    tree.place.write_text('theirs')
    tree.install()
    tree.place.write_text('theirs, newer')
    done = tree.run('-u')
    assert done.returncode == 1 and 'is left as it is: it is not what was installed' in done.stdout
    assert (tree.place.read_text(), tree.kept().read_text()) == ('theirs, newer', 'theirs')
    shutil.move(tree.kept(), tree.place)
    assert tree.run('-u').returncode == 0
    assert sorted(path.name for path in tree.top.rglob('*')) == ['bin', 'opt', 'thing']


def test_ours_stays_where_what_it_replaced_is_gone(tree):
    tree.place.write_text('theirs')
    tree.install()
    tree.kept().unlink()
    done = tree.run('-u')
    assert done.returncode == 1 and '(' + str(tree.kept()) + ') is gone' in done.stdout and tree.place.exists()


def test_a_link_is_kept_as_a_link(tree):
    tree.place.symlink_to('thing.tls')
    (tree.place.parent / 'thing.tls').write_text('theirs')
    tree.install()
    assert not tree.place.is_symlink() and tree.kept().is_symlink()
    assert (tree.place.parent / 'thing.tls').read_text() == 'theirs'
    assert tree.run('-u').returncode == 0 and os.readlink(tree.place) == 'thing.tls'


def test_nothing_to_take_away_is_said(tree):
    done = tree.run('-u')
    assert done.returncode == 111 and 'installed is not there' in done.stderr


@pytest.mark.parametrize('undo', [False, True])
def test_an_end_at_any_moment_loses_nothing(tree, tmp_path, undo):
    """Each command in turn fails and ends it; then it is done again, and taken back."""
    tools = tmp_path / 'tools'
    tools.mkdir()
    for name in ('mkdir', 'mv', 'cp', 'ln', 'chmod', 'rm', 'sync', 'rmdir'):
        (tools / name).write_text(f'#!/bin/sh\nread n <{tmp_path}/left; echo $((n - 1)) >{tmp_path}/left\n'
                                  f'[ $n -gt 0 ] || exit 1\nexec {shutil.which(name)} "$@"\n')
        (tools / name).chmod(0o755)
    path, ends = f'{tools}:{os.environ["PATH"]}', 0
    for moment in range(100):
        shutil.rmtree(tree.top)
        tree.place.parent.mkdir(parents=True)
        tree.place.write_text('theirs')
        before = picture(tree.top)
        if undo:
            tree.install()
        (tmp_path / 'left').write_text(f'{moment}\n')
        done = tree.run(*(['-u'] if undo else []), path=path)
        assert tree.place.read_text() in ('ours', 'theirs'), f'moment {moment}: lost'
        if int((tmp_path / 'left').read_text()) >= 0:
            assert done.returncode == 0, done.stderr
            break
        ends += done.returncode != 0
        tree.install()
        assert (tree.place.read_text(), tree.kept().read_text()) == ('ours', 'theirs'), f'moment {moment}'
        assert tree.run('-u').returncode == 0
        after = picture(tree.top)
        if undo and 'opt/verify' not in before:
            after.pop('opt/verify', None)  # an end between the manifest and its folder leaves that, empty
        assert after == before, f'moment {moment}'
    assert 3 <= ends and moment < 99
