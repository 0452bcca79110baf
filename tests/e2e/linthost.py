"""A healthy mail host of many kinds, for qmail-vrfy --lint and --selftest, and a way to
put faults into it and take them out again.

The users are joe and ann (passwd), a vpopmail domain, a fastforward domain, ezmlm lists
in a virtual domain of their own, and alias.
"""
import contextlib
import json
import os
import shutil
import stat
import subprocess
import tempfile

import pytest
import qmailhost
from qmailhost import BUILD, newu

JOE, ANN, LIST, OLD, VPOPMAIL, ALIAS = 11001, 11002, 11003, 11004, 11089, 7790

PASSWD = '\n'.join([
    'root:x:0:0::/root:/bin/sh', 'daemon:x:1:1::/usr/sbin:/bin/false', 'www-data:x:33:33::/var/www:/bin/false',
    'Debian-exim:x:101:101::/nonexistent:/bin/false', 'nobody:x:65534:65534::/nonexistent:/bin/false',
    f'alias:x:{ALIAS}:2108::{{qmail}}/alias:/bin/true', 'qmaild:x:7791:2108::{qmail}:/bin/true',
    'qmailp:x:7792:2108::{qmail}:/bin/true', 'qmailr:x:7795:2107::{qmail}:/bin/true',
    'qmails:x:7796:2107::{qmail}:/bin/true', f'joe:x:{JOE}:{JOE}::{{qmail}}/home/joe:/bin/sh',
    f'ann:x:{ANN}:{ANN}::{{qmail}}/home/ann:/bin/sh', f'list:x:{LIST}:{LIST}::{{qmail}}/home/list:/bin/false',
    f'vpopmail:x:{VPOPMAIL}:{VPOPMAIL}::{{qmail}}/home/vpopmail:/bin/false',
    f'gone:x:{OLD}:{OLD}::{{qmail}}/home/gone:/bin/sh', ''])

SHOP = '{qmail}/home/vpopmail/domains/shop.example'
CONTROL = {
    'me': 'mail.example.org\n',
    'defaultdomain': 'example.org\n',
    'plusdomain': 'example.org\n',
    'smtpgreeting': 'mail.example.org Welcome, and mind the step\n',
    'databytes': '10000000\n',
    'concurrencylocal': '20\n',
    'queuelifetime': '604800\n',
    'locals': 'localhost\nmail.example.org\nexample.org\n',
    'rcpthosts': '# ours\nlocalhost\nmail.example.org\nexample.org\n\nlists.example.org\nshop.example\nShop2.Example\n'
                 'fwd.example\n.wild.example\nbackup.example\n.parts.example\nboss.example\n',
    'morercpthosts': 'More.Example\nextra.example\n',
    'virtualdomains': 'lists.example.org:list\nshop.example:shop.example\nshop2.example:shop.example\n'
                      'fwd.example:alias\n'
                      '.wild.example:joe-wild\nout.wild.example:\nmore.example:ann-more\nextra.example:joe-extra\n'
                      'www.parts.example:joe\nJoe@Boss.Example:joe\n',
    'smtproutes': 'backup.example:\nother.example:192.0.2.7:2525\n.example.net:[192.0.2.8]\n',
    'badmailfrom': 'spammer@spam.example\n@spam2.example\n',
    'percenthack': '',
    'verifypolicy': '# tried out\nshop.example:observe\n.wild.example:off\n:refuse-null\n',
    'verifyclients': '192.0.2.0/24\n2001:db8::1\n',
    'verifykeys': 'store:00112233445566778899aabbccddeeff:192.0.2.0/24\nold:ffeeddccbbaa99887766554433221100\n',
    'verifylimits': 'badperminute:50\nexempt:192.0.2.1\n',
}
ASSIGN = (f'+shop.example-:shop.example:{VPOPMAIL}:{VPOPMAIL}:{SHOP}:-::\n'
          f'+shop2.example-:shop.example:{VPOPMAIL}:{VPOPMAIL}:{SHOP}:-::\n'
          f'=sales:joe:{JOE}:{JOE}:{{qmail}}/home/joe:-:sales:\n.\n')
VPASSWD = 'postmaster:x:1:0:Post:{shop}/postmaster:NOQUOTA\ninfo:x:1:0:Info:{shop}/info:NOQUOTA\n'
FILES = {
    'alias/.qmail-postmaster': '&joe@example.org\n',
    'alias/.qmail-mailer-daemon': '&joe@example.org\n',
    'alias/.qmail-root': '&joe@example.org\n',
    'alias/.qmail-default': '|fastforward -d {qmail}/etc/aliases.cdb\n',
    'home/joe/.qmail': './Maildir/\n',
    'home/joe/.qmail-default': '# mine\n|/usr/bin/procmail\n',
    'home/joe/.qmail-sales': 'ann@example.org\n',
    'home/joe/.qmail-info:old': '&ann@example.org\n',
    'home/joe/.qmail-sales.bak': 'Old/\n',
    'home/joe/.qmailrc': 'Whatever/\n',
    'home/ann/.qmail-default': '|bouncesaying "no"\n',
    'home/ann/Maildir/new/1': '',
    'home/list/talk/editor': '|/usr/bin/ezmlm-send {qmail}/home/list/talk\n',
    'home/list/.qmail-default': './Mailbox\n',
    'home/vpopmail/domains/shop.example/.qmail-default':
        "| {qmail}/home/vpopmail/bin/vdelivermail '' bounce-no-mailbox\n",
    'home/vpopmail/domains/shop.example/.qmailadmin-limits': '\n',
}


class Linthost(qmailhost.Host):
    def __init__(self, **changes):
        super().__init__(**{'control': CONTROL, 'passwd': PASSWD, 'files': FILES, **changes})
        self.name_file('passwd').write_text(self.fill(self.names['passwd']))
        if (self.dir / 'control/verifykeys').exists():
            (self.dir / 'control/verifykeys').chmod(0o600)
        self.undo = []

    def healthy(self):
        """The whole of the host above; itself."""
        self.write_assign(ASSIGN)
        self.write_cdb('etc/aliases.cdb', [(b':postmaster@fwd.example', b'&joe@example.org\0')])
        self.newmrh()
        shop = self.fill(SHOP)
        self.vpasswd(VPASSWD.replace('{shop}', shop))
        (self.dir / 'home/list/.qmail-talk').symlink_to(self.dir / 'home/list/talk/editor')
        for user, uid in (('joe', JOE), ('ann', ANN), ('list', LIST), ('vpopmail', VPOPMAIL)):
            self.own(uid, f'home/{user}')
        self.own(ALIAS, 'alias')
        (self.dir / 'verify').mkdir(mode=0o755)
        self.undo = []
        return self

    # ---- what a host's tools make

    def write_cdb(self, path, records):
        self.write(path, newu.cdb(records))

    def write_assign(self, text):
        self.write('users/assign', text)
        self.newu()

    def newu(self):
        self.write_cdb('users/cdb', newu.records((self.dir / 'users/assign').read_bytes()))

    def newmrh(self):
        names = (self.dir / 'control/morercpthosts').read_bytes().lower().split()
        self.write_cdb('control/morercpthosts.cdb', [(name, b'') for name in names])

    def vpasswd(self, text, folder='home/vpopmail/domains/shop.example'):
        self.write(f'{folder}/vpasswd', text)
        records = [tuple(line.encode().split(b':', 1)) for line in text.splitlines()]
        self.write_cdb(f'{folder}/vpasswd.cdb', records)

    # ---- faults; each can be undone

    def change(self, path):
        """The file is about to be changed: it, and what is below it, comes back with mend()."""
        target = self.dir / path
        if not os.path.lexists(target):
            return self.undo.append((target, None))
        copy = tempfile.mkdtemp(prefix='linthost.')
        subprocess.run(['cp', '-a', '--', str(target), copy + '/it'], check=True)
        self.undo.append((target, copy))

    def put(self, path, text, uid=None, mode=None):
        self.change(path)
        existed = (self.dir / path).exists()
        was = os.stat(self.dir / path) if existed else None
        target = self.write(path, text)
        if uid is not None:
            os.chown(target, uid, uid)
        elif was:
            os.chown(target, was.st_uid, was.st_gid)
        if mode is not None:
            target.chmod(mode)

    def append(self, path, text):
        self.put(path, (self.dir / path).read_bytes() + self.fill(text).encode('latin-1'))

    def replace(self, path, old, new):
        text = (self.dir / path).read_bytes()
        old, new = (self.fill(part).encode('latin-1') for part in (old, new))
        assert old in text
        self.put(path, text.replace(old, new, 1))

    def remove(self, path):
        self.change(path)
        target = self.dir / path
        shutil.rmtree(target) if target.is_dir() and not target.is_symlink() else target.unlink()

    def chmod(self, path, mode):
        self.change(path)
        (self.dir / path).chmod(mode)

    def chown(self, path, uid, gid=None):
        self.change(path)
        os.chown(self.dir / path, uid, uid if gid is None else gid)

    def user(self, line):
        """One more passwd entry."""
        self.append('etc.passwd', line + '\n')

    def mend(self):
        for target, copy in reversed(self.undo):
            if os.path.lexists(target):
                if target.name == 'etc.passwd':
                    shutil.copy2(copy + '/it', target)  # the same inode: it is mounted
                    continue
                shutil.rmtree(target) if stat.S_ISDIR(os.lstat(target).st_mode) else target.unlink()
            if copy:
                subprocess.run(['cp', '-a', '--', copy + '/it', str(target)], check=True)
        for _, copy in self.undo:
            if copy:
                shutil.rmtree(copy)
        self.undo = []

    # ---- asking

    @contextlib.contextmanager
    def daemon(self):
        """qmail-verify runs on it meanwhile."""
        self.start()
        try:
            yield
            assert self.stop() == 0, self.text()
        finally:
            if not self.died():
                self.process.kill()
            self.log.close()

    def vrfy(self, *options, env=None):
        """qmail-vrfy with these options, on this host: what subprocess.run gives."""
        env = {'PATH': '/usr/bin:/bin', 'QMAILDIR': str(self.dir), **(env or {})}
        env = {**env, **{k: v for k, v in os.environ.items() if k.endswith('SAN_OPTIONS')}}
        return subprocess.run(self.in_place(str(BUILD / 'qmail-vrfy'), *options), cwd='/', env=env, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, encoding='latin-1', timeout=120)

    def findings(self, **more):
        """(code, file, line) of each finding, with files relative to this host; the exit status."""
        done = self.vrfy('--lint', '-j', **more)
        assert not done.stderr, done.stderr
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        self.rows = rows
        short = str(self.dir) + '/'
        return [(row['code'], row['file'].removeprefix(short), row['line']) for row in rows], done.returncode

    def remove_all(self):
        self.mend()
        shutil.rmtree(self.dir)


# ---- for tests: from linthost import host, site

@pytest.fixture(scope='module')
def host():
    healthy = Linthost().healthy()
    yield healthy
    healthy.remove_all()


@pytest.fixture
def site(host):
    """The healthy host; what a test changes there is undone behind it."""
    yield host
    host.mend()
