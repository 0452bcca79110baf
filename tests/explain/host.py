#!/usr/bin/python3
"""What qmail-vrfy -v says of one address for each reason.

  host.py QMAIL-VRFY FOLDER [--nss FOLDER]

Run it under `unshare -m -n`, as root. Lays a mail host out in namespaces of its own (a
private /var/qmail, /home, passwd and group, with fixed ids, so that nothing of the
machine shows), asks qmail-vrfy about an address for each reason of qmail-verify.h, and
writes each transcript to FOLDER: remarks, the command, what it printed. In --nss is
libnss_qvtest.so.2, made of tests/nss.
"""
import argparse
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / 'e2e'), str(HERE.parent / 'verdicts')]
import ask  # noqa: E402
import newu  # noqa: E402
import packets  # noqa: E402

PASSWD = """root:x:0:0::/root:/bin/sh
alias:x:7790:2108::/var/qmail/alias:/bin/true
qmailp:x:7792:2108::/var/qmail:/bin/true
joe:x:1001:1001::/home/joe:/bin/sh
shop:x:1002:1002::/home/shop:/bin/sh
ff:x:1003:1003::/home/ff:/bin/sh
vpopmail:x:89:89::/home/vpopmail:/bin/sh
vm:x:1004:1004::/home/vm:/bin/sh
list:x:1005:1005::/home/list:/bin/sh
joe-moved:x:1006:1006::/home/moved:/bin/sh
joe-moved-away:x:1007:1007::/home/joe:/bin/sh
"""
GROUP = 'root:x:0:\nqmail:x:2107:\nnofiles:x:2108:\n'
UID = {line.split(':')[5]: int(line.split(':')[2]) for line in PASSWD.splitlines() if line.split(':')[5][:6] == '/home/'}
UID['/home/joe'] = 1001

CONTROL = {
    'me': 'mail.example.org\n',
    'locals': '# the host itself\nmail.example.org\nexample.org\n',
    'percenthack': 'hop.example\n',
    'virtualdomains': 'shop.example:shop\nelsewhere.example:\nvpop.example:vpop.example\ndelete.example:delete.example\n'
                      'sql.example:sql.example\n.example.com:list\noff.example:joe\nwatched.example:joe\n'
                      'refuse.example:shop-in\nfollow.example:joe-follow\n',
    'verifypolicy': '# trials\noff.example:off\nwatched.example:observe\ndelete.example:refuse-delete\n'
                    '.example.com:refuse-null\nrefuse.example:refuse=/var/qmail/bin/no-such-user\n'
                    'follow.example:follow\n',
}
ASSIGN = """=gone:joe:1001:1001:/home/gone:::
=relative:joe:1001:1001:home/joe:::
=super:root:0:0:/root:::
=groupless:joe:1001:4294967295:/home/joe:::
+writable-:joe:1001:1001:/home/writable:-::
+sticky-:joe:1001:1001:/home/sticky:-::
+vpop.example-:vpop.example:89:89:/home/vpopmail/domains/vpop.example:-::
+delete.example-:delete.example:89:89:/home/vpopmail/domains/delete.example:-::
+sql.example-:sql.example:89:89:/home/vpopmail/domains/sql.example:-::
.
"""
# path -> content, or (content, mode)
FILES = {
    '/home/joe/.qmail-list': '# the team\n&ann@example.net\n./Maildir/\n',
    '/home/joe/.qmail-empty': '',
    '/home/joe/.qmail-blank': '\n./Maildir/\n',
    '/home/joe/.qmail-xbit': ('&ann@example.net\n./Maildir/\n', 0o744),
    '/home/joe/.qmail-open': ('./Maildir/\n', 0o646),
    '/home/joe/.qmail-filter': '|procmail -t\n./Maildir/\n',
    '/home/joe/.qmail-large': '#' * 70000,
    '/home/joe/.qmail-closed': ('./Maildir/\n', 0),
    '/home/joe/.qmail-true': '|true\n',
    '/home/joe/.qmail-defer': '|exit 111\n',
    '/home/joe/.qmail-kept': './Maildir/\n|exit 100\n',
    '/home/joe/.qmail-follow-x': '&joe-nobody@example.org\n',
    '/home/shop/.qmail-default': "|bouncesaying 'no such user'\n",
    '/home/shop/.qmail-in-default': '|/var/qmail/bin/no-such-user\n',
    '/home/ff/.qmail-default': '|fastforward -d aliases.cdb\n',
    '/home/ff/.qmail-other': '|fastforward gone.cdb\n',
    '/home/ff/aliases.cdb': newu.cdb([(b':ann@example.org', b'&ann@example.net\0')]),
    '/home/vm/.qmail-default': '|vdeliver\n',
    '/home/vm/.qmail-broken': '|vdeliver\n',
    '/home/vm/passwd.cdb': newu.cdb([(b'ann', b':x:./ann\0')]),
    '/home/list/.qmail-talk': "|ezmlm-send '/home/list/talk'\n",
    '/home/list/.qmail-talk-default': "|ezmlm-manage '/home/list/talk'\n",
}
VPASSWD = {
    'vpop.example': [(b'ann', b'x:1:0:Ann:/home/vpopmail/domains/vpop.example/ann:NOQUOTA'),
                     (b'left', b'x:1:16:Left:/home/vpopmail/domains/vpop.example/left:NOQUOTA'),
                     (b'own', b'x:1:0:Own:/home/vpopmail/domains/vpop.example/own:NOQUOTA')],
    'delete.example': [],
}
ACTION = {'vpop.example': 'bounce-no-mailbox', 'delete.example': 'delete', 'sql.example': 'bounce-no-mailbox'}
BIN = ['bouncesaying', 'fastforward', 'vdelivermail', 'vdeliver', 'ezmlm-send', 'ezmlm-manage', 'no-such-user']

QMAIL = pathlib.Path('/var/qmail')
DOMAINS = '/home/vpopmail/domains/'


# ---- laying out

def owner(path):
    return next((uid for home, uid in UID.items() if f'{path}/'.startswith(home + '/')), 0)


def folder(path, mode=0o755, uid=None):
    os.makedirs(path, exist_ok=True)
    os.chmod(path, mode)
    uid = owner(path) if uid is None else uid
    os.chown(path, uid, uid)


def write(path, content, mode=0o644):
    if isinstance(content, tuple):
        content, mode = content
    if not os.path.isdir(os.path.dirname(path)):
        folder(os.path.dirname(path))
    with open(path, 'wb') as f:
        f.write(content.encode() if isinstance(content, str) else content)
    os.chown(path, owner(path), owner(path))
    os.chmod(path, mode)


def mount(source, target):
    ask.run('mount', '--bind', source, target)


def lay_out(work):
    ask.run('mount', '--make-rprivate', '/')
    ask.run('ip', 'link', 'set', 'lo', 'up')
    ask.run('mount', '-t', 'tmpfs', '-o', 'mode=0755', 'tmpfs', work)
    ask.run('mount', '-t', 'tmpfs', '-o', 'mode=0755', 'tmpfs', '/home')
    for name in ('control', 'users', 'alias', 'bin'):
        os.makedirs(f'{work}/qmail/{name}')
    os.chown(f'{work}/qmail/alias', 7790, 2108)
    os.makedirs(QMAIL, exist_ok=True)
    mount(f'{work}/qmail', QMAIL)
    for name, text in {'passwd': PASSWD, 'group': GROUP, 'nsswitch.conf': 'passwd: files\ngroup: files\n'}.items():
        write(f'{work}/{name}', text)
        mount(f'{work}/{name}', f'/etc/{name}')
    for name, text in CONTROL.items():
        write(QMAIL / 'control' / name, text)
    assign(ASSIGN)
    for program in BIN:
        shutil.copy('/bin/true', QMAIL / 'bin' / program)
    for home in UID:
        if home != '/home/moved':
            folder(home)
    folder('/home/writable', 0o777, 1001)
    folder('/home/sticky', 0o1755, 1001)
    for path, content in FILES.items():
        write(path, content)
    for domain, action in ACTION.items():
        write(f'{DOMAINS}{domain}/.qmail-default', f"|/var/qmail/bin/vdelivermail '' {action}\n")
    for domain, users in VPASSWD.items():
        write(f'{DOMAINS}{domain}/vpasswd.cdb', newu.cdb(users))
    write(DOMAINS + 'vpop.example/own/.qmail', '&own@example.net\n')


def assign(text):
    write(QMAIL / 'users/cdb', newu.cdb(newu.records(text.encode())))


# ---- a daemon that gives the reason it is told to

class Server:
    def __init__(self, reason):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(('127.0.0.1', 11113))
        self.reason, self.status = reason, b'\xf2'
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            question, client = self.socket.recvfrom(65536)
            nonce = question.split(b'\0', 1)[1][8:24]
            self.socket.sendto(self.status + b'joe\0' + packets.MAGIC + nonce + struct.pack('>H', self.reason), client)


# ---- what there is to ask

# reason -> address; these need nothing but the host as it is laid out
PLAIN = {
    'remote': 'ann@example.net',
    'exception': 'ann@elsewhere.example',
    'empty-local': '@example.org',
    'default-delivery': 'joe',
    'dotqmail': 'joe-list@example.org',
    'dotqmail-empty': 'joe-empty@example.org',
    'dotqmail-blank': 'joe-blank@example.org',
    'dotqmail-xbit': 'joe-xbit@example.org',
    'dotqmail-writable': 'joe-open@example.org',
    'home-writable': 'writable-x@example.org',
    'home-sticky': 'sticky-x@example.org',
    'root': 'super@example.org',
    'program': 'joe-filter@example.org',
    'dotqmail-large': 'joe-large@example.org',
    'too-long': 'x' * 991 + '@example.org',
    'no-mailbox': 'joe-moved-away-x%example.org@hop.example',
    'home-not-absolute': 'relative@example.org',
    'home-unreachable': 'gone@example.org',
    'dotqmail-unreadable': 'joe-closed@example.org',
    'identity-trouble': 'groupless@example.org',
    'program-accepts': 'joe-true@example.org',
    'program-defers': 'joe-defer@example.org',
    'program-refuses': 'Nobody@Shop.Example',
    'kept': 'joe-kept@example.org',
    'fastforward': 'ff-ann@example.org',
    'fastforward-absent': 'ff-bob@example.org',
    'fastforward-trouble': 'ff-other@example.org',
    'vpopmail-user': 'ann@vpop.example',
    'vpopmail-no-user': 'bob@vpop.example',
    'vpopmail-bounce-flag': 'left@vpop.example',
    'vpopmail-bad-name': 'a"b@vpop.example',
    'vpopmail-elsewhere': 'ann@sql.example',
    'vpopmail-own': 'own@vpop.example',
    'vmailmgr-user': 'vm-ann@example.org',
    'vmailmgr-no-user': 'vm-bob@example.org',
    'ezmlm': 'talk-subscribe@lists.example.com',
    'ezmlm-list': 'talk@lists.example.com',
    'policy-off': 'nobody@off.example',
    'policy-observe': 'nobody@watched.example',
    'policy-refuse': 'nobody@refuse.example',
    'policy-delete': 'bob@delete.example',
    'policy-follow': 'x@follow.example',
}


class Asker:
    def __init__(self, args, work):
        self.program, self.out, self.nss, self.work = os.path.abspath(args.program), pathlib.Path(args.folder), args.nss, work

    def ask(self, reason, address, *options, remark='', env=None):
        done = subprocess.run([self.program, *options, address], cwd='/', stdin=subprocess.DEVNULL, capture_output=True,
                              env={'PATH': '/usr/bin:/bin', 'QMAILDIR': str(QMAIL), **(env or {}),
                                   **{k: v for k, v in os.environ.items() if k.endswith('SAN_OPTIONS')}})
        remarks = ''.join(f'# {line}\n' for line in remark.splitlines())
        command = ' '.join(['qmail-vrfy', *options, address])
        text = f'{remarks}$ {command}\n'.encode() + done.stdout + f'exit code {done.returncode}\n'.encode()
        (self.out / reason).write_bytes(text)

    def json(self, name, addresses, *options):
        done = subprocess.run([self.program, '-j', '-v', *options, '--', *addresses], cwd='/', capture_output=True,
                              stdin=subprocess.DEVNULL, env={'PATH': '/usr/bin:/bin', 'QMAILDIR': str(QMAIL)})
        (self.out / name).write_bytes(done.stdout)

    def plain(self):
        for reason, address in PLAIN.items():
            self.ask(reason, address, '-n', '-v')
        self.json('json-here', [*PLAIN.values(), b'joe-\xff\x1b"\\@example.org'], '-n')
        self.ask('ezmlm-null-sender', 'talk@lists.example.com', '-n', '-v', '--sender=',
                 remark='the envelope sender is the null sender')

    def changed(self, reason, address, path, content, remark, **more):
        """With another content in the place of a file, for this question."""
        with open(path, 'rb') as f:
            before = f.read()
        with open(path, 'wb') as f:
            f.write(content)
        self.ask(reason, address, '-n', '-v', remark=remark, **more)
        with open(path, 'wb') as f:
            f.write(before)

    def troubles(self):
        joe = 'joe@example.org'
        etc = self.work
        self.changed('cdb-trouble', joe, QMAIL / 'users/cdb', b'x' * 3000, 'users/cdb is damaged')
        self.control_trouble(joe)
        self.changed('no-alias-user', 'nobody@example.org', f'{etc}/passwd', without('alias'), 'passwd has no user alias')
        self.changed('home-stat-trouble', joe, f'{etc}/passwd', without('qmailp'), 'passwd has no user qmailp')
        self.changed('vpopmail-catchall', 'bob@vpop.example', DOMAINS + 'vpop.example/.qmail-default',
                     b"|/var/qmail/bin/vdelivermail '' ann@example.org\n", 'another action for unknown users')
        self.changed('vpopmail-delete', 'bob@delete.example', QMAIL / 'control/verifypolicy', b'',
                     'control/verifypolicy is empty')
        self.changed('vpopmail-trouble', 'ann@vpop.example', DOMAINS + 'vpop.example/vpasswd.cdb', b'x' * 3000,
                     'vpasswd.cdb is damaged')
        self.changed('vmailmgr-trouble', 'vm-ann@example.org', '/home/vm/passwd.cdb', b'x' * 3000,
                     'passwd.cdb is damaged')
        write(f'{etc}/how', 'UNAVAIL 5')
        self.changed('passwd-trouble', 'nobody@example.org', '/etc/nsswitch.conf', b'passwd: files qvtest\ngroup: files\n',
                     'nsswitch.conf names a source that fails (tests/nss)',
                     env={'LD_LIBRARY_PATH': self.nss, 'QVTEST_NSS': f'{etc}/how'})

    def control_trouble(self, address):
        locals_ = QMAIL / 'control/locals'
        locals_.rename(QMAIL / 'control/kept')
        locals_.mkdir()
        self.ask('control-trouble', address, '-n', '-v', remark='control/locals is a directory')
        locals_.rmdir()
        (QMAIL / 'control/kept').rename(locals_)

    def by_a_daemon(self):
        """What only a daemon says: one that says it whatever it is asked."""
        server = Server(0)
        for reason, number in {'resource-trouble': 26, 'home-hangs': 54, 'worker-lost': 55, 'limited': 56}.items():
            server.reason = number
            self.ask(reason, 'joe-list@example.org', '-v', '-s', '127.0.0.1',
                     remark='the daemon is one that gives this reason whatever it is asked')
        (QMAIL / 'control/verifyroutes').write_text(
            '# stores\nstore.example.net:192.0.2.1,192.0.2.2:12345\nlost.example.net:mail.example.net\n')
        for reason, number, domain in (('server-silent', 57, 'store'), ('route-loop', 58, 'store'),
                                       ('route-trouble', 59, 'lost'), ('plain-unsure', 60, 'store')):
            server.reason, server.status = number, b'\xf0' if reason == 'plain-unsure' else b'\xf2'
            self.ask(reason, f'joe@{domain}.example.net', '-v', '-s', '127.0.0.1',
                     remark='the daemon is one that gives this reason whatever it is asked')
        (QMAIL / 'control/verifyroutes').unlink()
        server.reason, server.status = 56, b'\xf2'
        self.json('json-daemon', PLAIN.values(), '-s', '127.0.0.1')


def without(user):
    return ''.join(line for line in PASSWD.splitlines(True) if not line.startswith(user + ':')).encode()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('program')
    parser.add_argument('folder')
    parser.add_argument('--nss', default='')
    args = parser.parse_args()
    work = tempfile.mkdtemp(prefix='explain.')
    try:
        lay_out(work)
        asker = Asker(args, work)
        asker.plain()
        asker.troubles()
        asker.by_a_daemon()
    finally:
        subprocess.run(['umount', '-l', work], stderr=subprocess.DEVNULL)
        os.rmdir(work)


if __name__ == '__main__':
    main()
