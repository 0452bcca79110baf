"""A host with users in LDAP (passwd: files ldap): slapd, nslcd, libnss_ldap.so.2 and the daemon.

The first three are Debian's, unpacked below build/ldap (tests/packages ldap) and never
installed. slapd is on a port of 127.0.0.1; nslcd and the daemon have an /etc and a /run of
their own, in a mount namespace.

with LdapHost() as host: host.query(b'u00001@example.org'); host.slapd.freeze()
"""
import os
import pathlib
import select
import shutil
import signal
import socket
import subprocess
import tempfile

import packets
from qmailhost import GROUP, PASSWD, ROOT, Host, quiet_port, until

PACKAGES = ROOT / 'build/ldap'
USERS = 10000
FIRST_UID = 20000
BASE = 'dc=example,dc=org'
LISTED = 10  # one user in so many has a dot-qmail file for -list, one a .qmail-default
LOCAL = 'joe:x:7001:7001::{qmail}/home/joe:/bin/sh\nnslcd:x:7811:7811::/run/nslcd:/bin/false\n'
ASSIGN = '+sales-:sales:7002:7002:{qmail}/home/sales:-::\n.\n'

SLAPD_CONF = '''include {packages}/etc/ldap/schema/core.schema
include {packages}/etc/ldap/schema/cosine.schema
include {packages}/etc/ldap/schema/nis.schema
modulepath {packages}/usr/lib/ldap
moduleload back_mdb
database mdb
suffix "{base}"
rootdn "cn=admin,{base}"
rootpw secret
directory {folder}
maxsize 268435456
index objectClass,uid eq
'''
# Its own times are 10 s each, and no end. validnames: what may be asked for; by itself nslcd
# refuses names like a+b, and this looks as if it were away.
NSLCD_CONF = '''uid nslcd
gid nslcd
uri ldap://127.0.0.1:{port}/
base {base}
bind_timelimit 2
timelimit 2
reconnect_sleeptime 1
reconnect_retrytime 2
log {log} info
'''
NSCD_CONF = '''enable-cache passwd yes
positive-time-to-live passwd 600
negative-time-to-live passwd 20
enable-cache group no
enable-cache hosts no
enable-cache services no
enable-cache netgroup no
'''
ALL_NAMES = 'validnames /^/\n'


def libraries():
    """The folders of the packages with shared libraries, for LD_LIBRARY_PATH."""
    return ':'.join(str(folder) for folder in sorted([*PACKAGES.glob('lib/*-linux-gnu'), *PACKAGES.glob('usr/lib/*-linux-gnu')]))


def user(n):
    """The n-th user's name: every third one has dashes in it."""
    return f'u{n:05}' if n % 3 else f'u-{n:05}-x'


def entry(n, home):
    name = user(n)
    return (f'dn: uid={name},ou=people,{BASE}\nobjectClass: account\nobjectClass: posixAccount\nuid: {name}\ncn: {name}\n'
            f'uidNumber: {FIRST_UID + n}\ngidNumber: {FIRST_UID + n}\nhomeDirectory: {home}\n\n')


class Service:
    """A program that is stopped and started: command() makes its words, ready() tells whether it serves."""

    def __init__(self, name, command, ready, log):
        self.name, self.command, self.ready, self.log, self.process = name, command, ready, log, None

    def start(self):
        with open(self.log, 'ab') as log:
            self.process = subprocess.Popen(self.command(), cwd='/', stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'LD_LIBRARY_PATH': libraries()})
        until(f'{self.name} serves', lambda: self.process.poll() is not None or self.ready())
        assert self.process.poll() is None, f'{self.name} ended: {self.log.read_text(errors="replace")[-2000:]}'

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)
        state = pathlib.Path(f'/proc/{self.process.pid}/stat')
        until(f'{self.name} is stopped', lambda: state.read_text().rpartition(')')[2].split()[0] == 'T')

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def end(self, number=signal.SIGKILL):
        """Ends it, and is back when it has ended."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.send_signal(signal.SIGCONT)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class LdapHost(Host):
    def __init__(self, users=USERS, nslcd_conf=ALL_NAMES, sources='files ldap', nscd=False, **more):
        super().__init__(assign=ASSIGN, passwd=PASSWD + LOCAL, nsswitch=f'passwd: {sources}\ngroup: files\n',
                         files={'alias/.qmail-info': '&a@example.net\n', 'home/sales/.qmail-list': '&a@example.net\n'},
                         env={'LD_LIBRARY_PATH': libraries(), **more.pop('env', {})}, **more)
        self.users, self.ldap_port = users, quiet_port()
        self.etc, self.run = self.dir / 'etc', self.dir / 'run'
        # in memory, where there is such a place: ten thousand are made and removed in no time there
        self.homes = tempfile.TemporaryDirectory(prefix='ldaphost.', dir='/dev/shm' if os.path.ismount('/dev/shm') else None)
        os.chmod(self.homes.name, 0o755)
        self.lay_out_etc(nslcd_conf)
        self.lay_out_homes()
        self.load()
        self.slapd = Service('slapd', self.slapd_command, self.slapd_ready, self.dir / 'slapd.log')
        self.nslcd = Service('nslcd', self.nslcd_command, self.nslcd_ready, self.dir / 'nslcd.out')
        self.nscd = Service('nscd', self.nscd_command, self.nscd_ready, self.dir / 'nscd.out')
        self.services = [self.slapd, self.nslcd, *([self.nscd] if nscd else [])]

    # ---- laying out

    def lay_out_etc(self, more):
        for folder in (self.etc, self.run / 'nslcd', self.run / 'nscd'):
            folder.mkdir(parents=True)
        os.chown(self.run / 'nslcd', 7811, 7811)
        self.write('etc/passwd', self.names['passwd'])
        self.write('etc/group', GROUP + 'nslcd:x:7811:\n')
        self.write('etc/nsswitch.conf', self.names['nsswitch.conf'])
        self.write('etc/hosts', '127.0.0.1 localhost\n')
        self.write('etc/nslcd.conf', NSLCD_CONF.format(port=self.ldap_port, base=BASE, log=self.dir / 'nslcd.log') + more)
        self.write('etc/nscd.conf', NSCD_CONF)
        log = self.write('nslcd.log', '')
        os.chown(log, 7811, 7811)
        if pathlib.Path('/etc/ld.so.cache').exists():
            shutil.copy('/etc/ld.so.cache', self.etc)

    def home(self, n):
        return pathlib.Path(self.homes.name, f'{n:05}')

    def lay_out_homes(self):
        for name, uid in (('joe', 7001), ('sales', 7002)):
            (self.dir / 'home' / name).mkdir(parents=True, exist_ok=True)
            self.own(uid, f'home/{name}')
        self.own(7790, 'alias')
        for n in range(self.users):
            self.home(n).mkdir()
            if n % LISTED < 2:
                (self.home(n) / ('.qmail-default', '.qmail-list-default')[n % LISTED]).write_text('&a@example.net\n')
            os.chown(self.home(n), FIRST_UID + n, FIRST_UID + n)

    def load(self):
        folder = self.dir / 'ldap'
        folder.mkdir()
        self.write('slapd.conf', SLAPD_CONF.format(packages=PACKAGES, base=BASE, folder=folder))
        root = (f'dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\no: example\ndc: example\n\n'
                f'dn: ou=people,{BASE}\nobjectClass: organizationalUnit\nou: people\n\n')
        self.write('users.ldif', root + ''.join(entry(n, self.home(n)) for n in range(self.users)))
        done = subprocess.run([PACKAGES / 'usr/sbin/slapadd', '-q', '-f', self.dir / 'slapd.conf', '-l', self.dir / 'users.ldif'],
                              env={'LD_LIBRARY_PATH': libraries()}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    # ---- running

    def in_place(self, *command):
        """In a mount namespace where /etc and /run are this host's."""
        script = ('mount --make-rprivate / && mount --bind "$1" /etc && mount --bind "$2" /run && shift 2 && exec "$@"')
        return ['unshare', '-m', 'sh', '-c', script, 'sh', str(self.etc), str(self.run), *map(str, command)]

    def slapd_command(self):
        return [PACKAGES / 'usr/sbin/slapd', '-d', '0', '-f', self.dir / 'slapd.conf', '-h', f'ldap://127.0.0.1:{self.ldap_port}/']

    def slapd_ready(self):
        with socket.socket() as s:
            return s.connect_ex(('127.0.0.1', self.ldap_port)) == 0

    def nslcd_command(self):
        return self.in_place(PACKAGES / 'usr/sbin/nslcd', '-n')

    def nslcd_ready(self):
        with socket.socket(socket.AF_UNIX) as s:
            return s.connect_ex(str(self.run / 'nslcd/socket')) == 0

    def nscd_command(self):
        return self.in_place(PACKAGES / 'usr/sbin/nscd', '-F')

    def nscd_ready(self):
        return (self.run / 'nscd/socket').exists() and self.getent(user(0))

    def start(self):
        for service in self.services:
            service.start()
        return super().start()

    def __exit__(self, *error):
        try:
            for service in reversed(self.services):
                service.end()
        finally:
            self.homes.cleanup()
            super().__exit__(*error)

    def modify(self, program, text, *words):
        """ldapadd or ldapdelete, as the directory's administrator."""
        subprocess.run([PACKAGES / 'usr/bin' / program, '-x', '-H', f'ldap://127.0.0.1:{self.ldap_port}', '-D', f'cn=admin,{BASE}',
                        '-w', 'secret', *words], input=text, env={'LD_LIBRARY_PATH': libraries()}, check=True,
                       capture_output=True, text=True)

    def getent(self, name):
        """Do other programs of the host, which ask nscd where there is one, know this user?"""
        return subprocess.run(self.in_place('getent', 'passwd', name), env={'PATH': '/usr/bin:/bin', 'LD_LIBRARY_PATH': libraries()},
                              stdout=subprocess.DEVNULL).returncode == 0

    # ---- asking

    def query(self, address, seconds=5):
        """The answer; None: none came."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.connect(('127.0.0.1', self.port))
            s.settimeout(seconds)
            s.send(packets.question(address))
            try:
                return packets.parse(s.recv(4096))
            except TimeoutError:
                return None

    def sweep(self, addresses, together=32):
        """All of them, so many in flight: address -> answer. A question that gets none is asked again."""
        answers, asked, left = {}, {}, list(reversed(addresses))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.connect(('127.0.0.1', self.port))
            for _ in range(20 * len(addresses)):
                while left and len(asked) < together:
                    nonce = os.urandom(16)
                    asked[nonce] = left.pop()
                    s.send(packets.question(asked[nonce], nonce=nonce))
                if not asked:
                    return answers
                if not select.select([s], [], [], 5)[0]:
                    left += asked.values()
                    asked.clear()
                    continue
                datagram = s.recv(4096)
                at = datagram.index(b'\0', 1) + 1 + len(packets.MAGIC)
                address = asked.pop(datagram[at:at + 16], None)
                if address:
                    answers[address] = packets.parse(datagram)
        raise AssertionError(f'{len(asked) + len(left)} addresses without an answer, again and again')
