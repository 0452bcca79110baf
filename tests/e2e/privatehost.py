"""A host of a test's own: its /, /etc, /var, /service, processes and network.

Its programs are this host's, from /usr. It has a tree like netqmail's in /var/qmail,
the source of netqmail as far as make CONF= reads it, netqmail's users, and joe; what is
written there, also into the project's folder, is gone with it.

with PrivateHost() as host: host.run('svstat /service/*') -> what the command printed
"""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

import pytest
from namespaces import need_mounts
from qmailhost import ROOT, until

PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

# All that the kernel keeps apart; then a root on a tmpfs, with /usr of this host.
SETUP = r'''
set -e
top=$1 root=$2  # and $3: a folder with packages that have been unpacked
mount --make-rprivate /
mount -t tmpfs -o mode=755 none "$top"
cd "$top"
mkdir etc var tmp proc dev run root home service usr .upper .work
chmod 1777 tmp
if [ -n "$3" ] && [ -d "$3/usr" ]; then mount -t overlay overlay -o "lowerdir=$3/usr:/usr" usr; else mount --rbind /usr usr; fi
for name in bin sbin lib lib32 lib64 libx32; do
  if [ -L "/$name" ]; then cp -a "/$name" "$name"
  elif [ -d "/$name" ]; then mkdir "$name"; mount --rbind "/$name" "$name"; fi
done
cp -a /etc/. etc/
mount --rbind /dev dev
mount -t proc proc proc
mount -t tmpfs -o mode=755 none usr/local
mkdir -p ".$root"
mount -t overlay overlay -o "lowerdir=$root,upperdir=$top/.upper,workdir=$top/.work" ".$root"
ip link set lo up
ip address add 192.0.2.25/32 dev lo
ip address add 198.51.100.1/32 dev lo
'''
# The first process takes in those whose parents have ended.
INIT = 'import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN); print("ready", flush=True); signal.pause()'

USERS = {'alias': (7790, 2108, '/var/qmail/alias'), 'qmaild': (7791, 2108, '/var/qmail'),
         'qmaill': (7792, 2108, '/var/qmail'), 'qmailp': (7793, 2108, '/var/qmail'),
         'qmailq': (7794, 2107, '/var/qmail'), 'qmailr': (7795, 2107, '/var/qmail'),
         'qmails': (7796, 2107, '/var/qmail'), 'joe': (7801, 7801, '/home/joe')}
GROUPS = {'qmail': 2107, 'nofiles': 2108, 'joe': 7801}
NETQMAIL = {'conf-qmail': '/var/qmail\n\nThis is the qmail home directory.\n', 'conf-break': '-\n', 'conf-patrn': '002\n',
            'conf-users': 'alias\nqmaild\nqmaill\nroot\nqmailp\nqmailq\nqmailr\nqmails\n', 'conf-groups': 'qmail\nnofiles\n'}
SHOWCTL = ('#!/bin/sh\necho "qmail home directory: /var/qmail."\necho "user-ext delimiter: -."\n'
           'echo "paternalism (in decimal): 2."\n')


class PrivateHost:
    def __init__(self, packages=''):
        """packages: a folder where Debian packages are unpacked that this host lacks."""
        need_mounts()
        for program in ('unshare', 'nsenter', 'ip', 'svscan', 'tcpserver'):
            if not shutil.which(program, path='/usr/sbin:/usr/bin:/sbin:/bin'):
                pytest.skip(f'needs {program} below /usr')
        self.top = pathlib.Path(tempfile.mkdtemp(prefix='privatehost.'))
        self.services, self.packages = None, packages

    # ---- laying out

    def write(self, path, text, mode=0o644, owner=0):
        target = self.within(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)
        os.chown(target, owner, owner)

    def within(self, path):
        """A path of the host as this process can reach it."""
        return pathlib.Path(f'/proc/{self.pid}/root{path}')

    def lay_out(self):
        self.names('passwd', [f'{name}:x:{uid}:{gid}::{home}:/bin/true' for name, (uid, gid, home) in USERS.items()])
        self.names('group', [f'{name}:x:{gid}:' for name, gid in GROUPS.items()])
        self.write('/etc/nsswitch.conf', 'passwd: files\ngroup: files\nhosts: files dns\n')
        self.within('/etc/resolv.conf').unlink(missing_ok=True)
        self.write('/etc/resolv.conf', 'nameserver 127.0.0.1\n')  # nobody there: refused at once
        self.write('/etc/hosts', '127.0.0.1 localhost\n')
        for name, text in NETQMAIL.items():
            self.write(f'/usr/local/src/netqmail-1.06/{name}', text)
        for folder in ('bin', 'boot', 'users', 'queue'):
            self.within(f'/var/qmail/{folder}').mkdir(parents=True)
        for name, text in (('me', 'mail.example.org\n'), ('locals', 'example.org\n'), ('rcpthosts', 'example.org\n')):
            self.write(f'/var/qmail/control/{name}', text)
        self.write('/var/qmail/alias/.qmail-postmaster', '&joe\n', owner=7790)
        self.write('/var/qmail/bin/qmail-showctl', SHOWCTL, 0o755)
        self.write('/var/qmail/bin/qmail-smtpd', '#!/bin/sh\necho 220 netqmail of before\n', 0o755)
        self.write('/var/qmail/bin/qmail-queue', f'#!/bin/sh\nMAILDIR=/var/mailbox exec {ROOT}/service/demo.d/queue\n', 0o755)
        for folder in ('/home/joe', '/var/qmail/alias', '/var/mailbox/tmp', '/var/mailbox/new', '/var/mailbox/cur'):
            self.within(folder).mkdir(parents=True, exist_ok=True)
        os.chown(self.within('/home/joe'), 7801, 7801)
        os.chown(self.within('/var/qmail/alias'), 7790, 2108)
        for folder in ('tmp', 'new', 'cur'):
            os.chown(self.within(f'/var/mailbox/{folder}'), 7791, 2108)

    def names(self, file, lines):
        """Adds lines to passwd or group, in the place of those of the same names."""
        ours = {line.split(':')[0] for line in lines}
        kept = [line for line in self.within(f'/etc/{file}').read_text().splitlines() if line.split(':')[0] not in ours]
        self.write(f'/etc/{file}', '\n'.join([*kept, *lines, '']))

    # ---- running

    def __enter__(self):
        try:
            command = ['unshare', '-m', '-n', '-p', '-f', '--kill-child', 'sh', '-c',
                       SETUP + 'exec chroot . /usr/bin/python3 -c "$4"', 'sh', self.top, ROOT, self.packages, INIT]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                            stderr=subprocess.STDOUT, text=True, start_new_session=True)
            said = self.process.stdout.readline()
            if said != 'ready\n':
                said += self.process.communicate(timeout=60)[0]
                if 'overlay' in said:
                    pytest.skip(f'needs an overlay over the project\'s folder: {said}')
                raise AssertionError(said)
            [self.pid] = pathlib.Path(f'/proc/{self.process.pid}/task/{self.process.pid}/children').read_text().split()
            self.lay_out()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error):
        process = getattr(self, 'process', None)
        if process:
            process.kill()  # and with it, by --kill-child, the first process and so all others
            process.wait()
        shutil.rmtree(self.top, ignore_errors=True)

    def command(self, *words, folder='/'):
        """The words of a command for a process of the host, with a clean environment."""
        return ['nsenter', '-t', self.pid, '-m', '-n', '-p', f'-r/proc/{self.pid}/root', f'-w/proc/{self.pid}/root{folder}',
                'env', '-i', f'PATH={PATH}', 'HOME=/root', 'LC_ALL=C', *words]

    def run(self, script, *, folder='/', status=0, seconds=240):
        """A shell script; what it printed. status None: any."""
        done = subprocess.run(self.command('sh', '-c', script, folder=folder), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds)
        assert status is None or done.returncode == status, f'{script}\nexit status {done.returncode}\n{done.stdout}'
        return done.stdout

    def start(self, *words):
        """A process of the host that goes on; what it says is in /var/log/said."""
        script = 'exec "$@" </dev/null >>/var/log/said 2>&1'
        self.within('/var/log').mkdir(exist_ok=True)
        return subprocess.Popen(self.command('sh', '-c', script, 'sh', *words), start_new_session=True)

    def pids(self, name):
        """Of the host's processes with this name: their ids there, the oldest first."""
        return [int(pid) for pid in self.run(f'ps -o pid= --sort=start_time,pid -C {name}', status=None).split()]

    def kill(self, number, *pids):
        """Those that are gone by then do not count."""
        self.run(f'kill -{signal.Signals(number).name[3:]} {" ".join(map(str, pids))}', status=None)

    # ---- the services

    def svscan(self):
        """As it is started at boot."""
        self.services = self.start('svscan', '/service')

    def lines(self, service):
        """What multilog has written for a service, without time stamps."""
        text = self.run(f'cd /service/{service}/log/main && cat $(ls @* 2>/dev/null) current', status=None)
        return [re.sub(r'^@[0-9a-f]{24} ', '', line) for line in text.splitlines() if line[0] == '@']

    def logged(self, service, words):
        try:
            return until(f'{service} logs {words!r}', lambda: [line for line in self.lines(service) if words in line])
        except AssertionError as error:
            raise AssertionError(f'{error}: {self.lines(service)[-5:]}') from None

    def swaks(self, recipient, source='198.51.100.1'):
        """The dialogue of a session that brings one message, from the world or from another source."""
        return self.run(f'swaks --server 192.0.2.25 --local-interface {source} --helo client.example.com '
                        f'--from sender@example.com --to {recipient}', status=None, seconds=60)

    def mails(self):
        texts = [path.read_text('latin-1') for path in self.within('/var/mailbox/new').iterdir()]
        return sorted(re.search(r'^Delivered-To: (.*)$', text, re.M)[1] for text in texts)
