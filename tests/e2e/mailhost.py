"""A mail host of a test's own, run as real ones are: svscan, supervise,
multilog, tcpserver, tcprules.

with Mailhost(rules={'127.0.0.1': 'VERIFY="{verify}"'}) as host:
    with host.smtp() as s: s.say('RCPT TO:<joe@example.org>') -> '250 ok'

The users are joe (joe-list-... too), shop (all of shop.example) and alias.
Run by root, the homes, qmail-smtpd and the logs belong to nobody.
"""
import os
import re
import shutil
import signal
import socket
import subprocess

import qmailhost
from qmailhost import BUILD, ROOT, quiet_port, until

UID, GID = (65534, 65534) if os.geteuid() == 0 else (os.getuid(), os.getgid())

CONTROL = {
    'me': 'mail.example.org\n',
    'locals': 'example.org\n',
    'rcpthosts': 'example.org\nshop.example\n',
    'virtualdomains': 'shop.example:shop\n',
}
ASSIGN = (f'=joe:joe:{UID}:{GID}:{{qmail}}/home/joe:::\n+joe-:joe:{UID}:{GID}:{{qmail}}/home/joe:-::\n'
          f'+shop-:shop:{UID}:{GID}:{{qmail}}/home/shop:-::\n+:alias:{UID}:{GID}:{{qmail}}/alias:-::\n.\n')
FILES = {
    'home/joe/.qmail-list-default': './Maildir/\n',
    'home/shop/.qmail-sales': '&joe@example.org\n',
    'alias/.qmail-postmaster': '&joe@example.org\n',
}
WORLD = {'127.0.0.1': 'VERIFY="{verify}"'}


def sanitizer_options():
    """For programs below supervise. Its svc -d sends SIGCONT after SIGTERM; that
    hangs the look for leaks, which stops the program by signal at that moment.
    Leaks are looked for where programs run without supervise."""
    options = {k: v for k, v in os.environ.items() if k.endswith('SAN_OPTIONS')}
    if 'ASAN_OPTIONS' in options:
        options['ASAN_OPTIONS'] += ':detect_leaks=0'
    return options


class Session:
    """An SMTP session; say() gives a reply's lines, joined by newlines."""

    def __init__(self, port, source='127.0.0.1'):
        self.socket = socket.create_connection(('127.0.0.1', port), 30, (source, 0))
        self.file = self.socket.makefile('rb')
        self.greeting = self.reply()

    def reply(self):
        lines = []
        while not lines or lines[-1][3:4] == '-':
            line = self.file.readline().decode('latin-1')
            assert line, 'the server closed the connection'
            lines.append(line.rstrip('\r\n'))
        return '\n'.join(lines)

    def send(self, command):
        self.socket.sendall(command.encode('latin-1') + b'\r\n')

    def say(self, command):
        self.send(command)
        return self.reply()

    def mail(self, *recipients):
        """HELO, MAIL and a RCPT for each: the replies to these."""
        self.say('HELO client.example.com')
        self.say('MAIL FROM:<sender@example.com>')
        return [self.say(f'RCPT TO:<{recipient}>') for recipient in recipients]

    def message(self, text='Subject: test\r\n\r\nHello.'):
        """DATA and a message: the last reply."""
        reply = self.say('DATA')
        return self.say(f'{text}\r\n.') if reply.startswith('354') else reply

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()
        self.socket.close()


class Service:
    """One service below supervise, and its log."""

    def __init__(self, folder):
        self.folder = folder

    def svc(self, options):
        subprocess.run(['svc', options, self.folder], check=True)

    def pid(self):
        """Of the program under supervise; None while it is down."""
        text = subprocess.run(['svstat', self.folder], check=True, capture_output=True, text=True).stdout
        up = re.search(r': up \(pid (\d+)\)', text)
        return int(up[1]) if up else None

    def up(self):
        self.svc('-u')
        return until(f'{self.folder} is up', self.pid)

    def down(self):
        self.svc('-d')
        until(f'{self.folder} is down', lambda: self.pid() is None)

    def log(self):
        """The complete lines in multilog's files, without time stamps."""
        lines = []
        for path in [*sorted((self.folder / 'log/main').glob('@*')), self.folder / 'log/main/current']:
            if path.exists():
                text = path.read_bytes().decode('latin-1')
                lines += text[:text.rfind('\n') + 1].split('\n')[:-1]
        assert all(re.match(r'@[0-9a-f]{24} ', line) for line in lines), lines
        return [line[26:] for line in lines]

    def logged(self, words, times=1):
        """Waits until that many lines hold the words; returns all that do."""
        def lines():
            return [line for line in self.log() if words in line]
        until(f'{times} lines with {words!r} in {self.folder}/log', lambda: len(lines()) >= times)
        return lines()


class Mailhost(qmailhost.Host):
    def __init__(self, rules=None, concurrency=40, smtpd_env=None, **more):
        """rules: the left side of tcp.smtp -> the environment it sets ({verify}: the daemon)."""
        super().__init__(**{'control': CONTROL, 'assign': ASSIGN, 'files': FILES, **more})
        for home in ('home/joe', 'home/shop', 'alias'):
            (self.dir / home).mkdir(parents=True, exist_ok=True)
        self.port, self.smtp_port = quiet_port(), quiet_port()
        self.concurrency, self.smtpd_env = concurrency, smtpd_env or {}
        self.verify = Service(self.dir / 'service/qmail-verify')
        self.smtpd = Service(self.dir / 'service/qmail-smtpd')
        self.maildir = self.dir / 'mail'
        for part in ('tmp', 'new', 'cur'):
            (self.maildir / part).mkdir(parents=True)
        (self.dir / 'bin').mkdir()  # copies: nobody may not be let into the source folder
        for program in (BUILD / 'qmail-verify', BUILD / 'qmail-smtpd', ROOT / 'service/demo.d/queue'):
            shutil.copy(program, self.dir / 'bin')
        self.rules(WORLD if rules is None else rules)
        self.services()
        if os.geteuid() == 0:
            self.own(UID, 'home', 'alias', 'mail')
            for service in (self.verify, self.smtpd):
                os.chown(service.folder / 'log/main', UID, GID)

    # ---- laying out

    def rules(self, rules):
        text = ''.join(f'{who}:allow{"," * bool(what)}{what}\n' for who, what in rules.items()) + ':deny\n'
        text = text.replace('{verify}', f'127.0.0.1:{self.port}')
        cdb = self.dir / 'tcp.smtp.cdb'
        subprocess.run(['tcprules', cdb, f'{cdb}.tmp'], input=text.encode(), check=True)

    def services(self):
        root = os.geteuid() == 0
        sanitizers = ' '.join(f"'{k}={v}'" for k, v in sanitizer_options().items())
        env = f'env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin {sanitizers} QMAILDIR={self.dir}'
        more = ' '.join(f"'{name}={value}'" for name, value in self.smtpd_env.items())
        runs = {
            self.verify: f'{env} LISTEN=127.0.0.1:{self.port} {self.dir}/bin/qmail-verify',
            self.smtpd: f'{env} QMAILQUEUE={self.dir}/bin/queue MAILDIR={self.maildir} {more} '
                        f'tcpserver {f"-u {UID} -g {GID}" if root else ""} -HR -l mail.example.org '
                        f'-c {self.concurrency} -b {self.concurrency} -x {self.dir}/tcp.smtp.cdb '
                        f'127.0.0.1 {self.smtp_port} {self.dir}/bin/qmail-smtpd',
        }
        as_nobody = f'setpriv --reuid {UID} --regid {GID} --clear-groups ' if root else ''
        for service, command in runs.items():
            (service.folder / 'log/main').mkdir(parents=True)
            self.script(service.folder / 'run', f'exec 2>&1\nexec {command}\n')
            self.script(service.folder / 'log/run', f'exec {as_nobody}multilog t s999999 n20 ./main\n')

    def script(self, path, text):
        path.write_text(f'#!/bin/sh\n{text}')
        path.chmod(0o755)

    # ---- running

    def within(self):
        """The words before the command that runs everything; none here."""
        return []

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.stop()
            shutil.rmtree(self.dir, ignore_errors=True)
            raise

    def start(self):
        with open(self.dir / 'svscan.log', 'wb') as log:
            self.process = subprocess.Popen([*self.within(), 'svscan', self.dir / 'service'], start_new_session=True,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.log = open(self.dir / 'svscan.log', 'rb')
        until('qmail-verify answers', lambda: self.question(b'postmaster@example.org'))
        until('tcpserver listens', self.listens)
        return self

    def question(self, address, seconds=0.5):
        """One plain question; the answer, None where none came."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(seconds)
            try:
                s.connect(('127.0.0.1', self.port))
                s.send(address)
                return s.recv(4096)
            except OSError:
                return None

    def listens(self):
        try:
            socket.create_connection(('127.0.0.1', self.smtp_port), 5).close()
        except ConnectionRefusedError:
            return False
        return True

    def smtp(self, source='127.0.0.1'):
        return Session(self.smtp_port, source)

    def swaks(self, *options, source='127.0.0.1'):
        """swaks against this host: its exit status, the dialogue."""
        command = ['swaks', '--server', f'127.0.0.1:{self.smtp_port}', '--local-interface', source,
                   '--helo', 'client.example.com', '--from', 'sender@example.com', *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout + done.stderr

    def mails(self):
        """Where the files in the Maildir were delivered to, sorted."""
        texts = [path.read_text('latin-1') for path in (self.maildir / 'new').iterdir()]
        return sorted(re.search(r'^Delivered-To: (.*)$', text, re.M)[1] for text in texts)

    def stop(self):
        """Ends the services as an administrator does, then whatever is left."""
        self.process.kill()  # svscan first: it would start again what ends
        folders = [part for s in (self.verify, self.smtpd) for part in (s.folder, s.folder / 'log')]
        subprocess.run(['svc', '-dx', *folders], stderr=subprocess.DEVNULL)

        def running():
            left = [folder for folder in folders if subprocess.run(['svok', folder]).returncode == 0]
            # said again: it also wakes a supervise that has not seen its child end
            subprocess.run(['svc', '-x', *left], stderr=subprocess.DEVNULL)
            return left

        try:
            until('the services have ended', lambda: not running())
        except AssertionError:
            group = subprocess.run(['ps', '-o', 'pid,stat,wchan:20,args', '-s', str(self.process.pid)],
                                   capture_output=True, text=True).stdout
            raise AssertionError(f'services that did not end: {running()}\n{group}') from None
        finally:
            os.killpg(self.process.pid, signal.SIGKILL)  # svscan, not waited for, still holds the id
            self.process.wait()
        return 0
