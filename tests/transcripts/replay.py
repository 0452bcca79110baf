#!/usr/bin/python3
"""Replays sessions with qmail-smtpd and compares what comes of them.

  replay.py DIR --server PROG [--only GLOB,GLOB...] [-j N] [-v]
      replays the cases of DIR (recorded or ours; FORMAT.md says what a case
      is). The verification daemon is played from the cases' verify-site files.
  replay.py DIR --server PROG --only NAME --write
      writes what comes of the cases into them: for cases of our own, to be read
      before they are believed.
  replay.py --expand FILE.recipe
      prints the bytes of a recipe.

Each case has a network namespace, a qmail directory and a process of its own,
so that any number may run at once. The cases named realqueue-* need a real
netqmail in /var/qmail, and root.

The cases of DIR are netqmail's own, and so is their comparison, except where
they name the server "qmail-verify": then the log counts with the lines that
begin "verify: " and is compared to the letter.
"""
import argparse
import concurrent.futures
import fnmatch
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

QMAIL = '/var/qmail'
OURS = 'qmail-verify'

# ---- recipes

ESCAPES = {'r': 13, 'n': 10, 't': 9, '\\': 92, '"': 34}


def quote(data):
    """Bytes as a recipe has them."""
    shown = {value: '\\' + name for name, value in ESCAPES.items()}
    return '"' + ''.join(shown.get(c) or (chr(c) if 32 <= c < 127 else f'\\x{c:02x}') for c in data) + '"'


def unquote(text):
    text = text.strip()
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        raise ValueError('bad string ' + text)

    def one(match):
        escape = match.group(1)
        return chr(int(escape[1:], 16) if escape[0] == 'x' else ESCAPES[escape])

    return re.sub(r'\\(x[0-9a-fA-F]{2}|.)', one, text[1:-1]).encode('latin-1')


def count(rest):
    first, last, text = rest.split(' ', 2)
    text = unquote(text)
    number = re.search(rb'(?<!%)(?:%%)*(%(0?)(\d*)d)', text)
    before, after = (part.replace(b'%%', b'%') for part in (text[:number.start(1)], text[number.end(1):]))
    width = int(number.group(3) or 0)
    numbers = range(int(first), int(last) + 1)
    return b''.join(before + (b'%0*d' % (width, i) if width else b'%d' % i) + after for i in numbers)


def expand(text):
    """The bytes that a recipe makes."""
    out = []
    for line in text.split('\n'):
        line = line.strip()
        if not line or line[0] == '#':
            continue
        operation, rest = line.split(' ', 1)
        if operation == 'bytes':
            out.append(unquote(rest))
        elif operation == 'repeat':
            times, text_ = rest.split(' ', 1)
            out.append(unquote(text_) * int(times))
        elif operation == 'count':
            out.append(count(rest))
        else:
            raise ValueError('bad recipe line ' + line)
    return b''.join(out)


def load(path, otherwise=None):
    """The bytes of a file, or those that path.recipe makes."""
    try:
        with open(path, 'rb') as file:
            return file.read()
    except FileNotFoundError:
        pass
    try:
        with open(path + '.recipe', encoding='ascii') as file:
            return expand(file.read())
    except FileNotFoundError:
        return otherwise


def lines(data):
    """The lines of a small file that are neither empty nor comments, cut into words."""
    return [line.split() for line in (data or b'').decode().split('\n') if line.strip() and line[0] != '#']


# ---- what differs from run to run

MONTH = rb'(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)'
DATE = rb'\d{1,2} ' + MONTH + rb' \d{4} \d\d:\d\d:\d\d -0000'


def normal_out(data):
    return re.sub(rb'(?m)^250 ok \d+ qp \d+\r$', b'250 ok @TIME@ qp @PID@\r', data)


def normal_message(data):
    head = b''
    queued = re.match(rb'(Received: \(qmail )\d+( invoked [^)\n]*\); )' + DATE + rb'\n', data)
    if queued:
        head = queued.group(1) + b'@PID@' + queued.group(2) + b'@DATE@\n'
        data = data[queued.end():]
    field = re.match(rb'(Received: from [^\n]*\n  by [^\n]*; )' + DATE + rb'\n', data)
    if field:
        data = field.group(1) + b'@DATE@\n' + data[field.end():]
    return head + data


def normal_todo(data):
    return re.sub(rb'^(u\d+\0p)\d+\0', rb'\1@PID@\0', data)


def normal_log(data):
    data = re.sub(rb'(?m)^qmail-smtpd: pid \d+ ', b'qmail-smtpd: pid @PID@ ', data)
    data = re.sub(rb'(: Message accepted, qp )\d+( \()', rb'\1@PID@\2', data)
    return re.sub(rb'(: no answer in )\d+\.\d s', rb'\1@SECONDS@ s', data)


def same_log(want, got):
    """Equal, but for lines that begin "verify: ", and for the error text after a
    missing or empty answer, which is stale in the recordings (FORMAT.md, log)."""
    ours = re.compile(rb'qmail-smtpd: pid \S+ from .*?: verify: ')
    tail = b': temporary failure (file does not exist)'
    error = rb': (temporary failure \([^()]*\)|Timeout \(no response from verification server\))'
    want = want.split(b'\n')
    got = [line for line in got.split(b'\n') if not ours.match(line)]

    def same(line, other):
        stale = line.endswith(tail) and re.fullmatch(re.escape(line[:-len(tail)]) + error, other)
        return line == other or stale

    return len(want) == len(got) and all(map(same, want, got))


# ---- the queue program

RECORDER = r'''#!/usr/bin/python3 -IS
# stands in for qmail-queue: message on descriptor 0, envelope on 1
import os, sys, time
folder = os.environ['GOLDEN_QUEUE_DIR']
n = 1
while True:
    try: os.close(os.open('%s/start.%d' % (folder, n), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)); break
    except FileExistsError: n += 1
what = '0'
try:
    lines = [line for line in open(folder + '/queue-exit').read().split('\n') if line]
    what = lines[n - 1] if n <= len(lines) else '0'
except FileNotFoundError: pass
what = what.split()
open('%s/pid.%d' % (folder, n), 'w').write(str(os.getpid()))
if 'unread' in what: os._exit(int(what[0]))
if os.path.exists(folder + '/tell'):
    ignored = int([l.split()[1] for l in open('/proc/self/status') if l.startswith('SigIgn')][0], 16)
    told = [fd for fd in range(1024) if os.path.exists('/proc/self/fd/%d' % fd)]
    told = told[:-1] if not os.path.exists('/proc/self/fd/%d' % told[-1]) else told
    with open('%s/process.%d' % (folder, n), 'w') as f:
        f.write('descriptors %s\n' % ' '.join(map(str, told)))
        f.write('SIGCHLD %s\n' % ('ignored' if ignored >> 16 & 1 else 'default'))
        f.write('directory %s\n' % os.getcwd())
def slurp(fd):
    out = []
    while True:
        b = os.read(fd, 65536)
        if not b: return b''.join(out)
        out.append(b)
message = slurp(0)
open('%s/message.%d' % (folder, n), 'wb').write(message)
if 'no-envelope' in what: os._exit(int(what[0]))
envelope = slurp(1)
open('%s/envelope.%d' % (folder, n), 'wb').write(envelope)
if 'sleep' in what: time.sleep(float(what[what.index('sleep') + 1]))
if what[0] == 'crash': os.kill(os.getpid(), 11); time.sleep(5)
os._exit(int(what[0]))
'''


def envelope_complete(data):
    if not data.startswith(b'F') or not data.endswith(b'\0\0'):
        return False
    return all(part[:1] == b'T' for part in data[:-2].split(b'\0')[1:])


# ---- what listens on a verification port

class Daemon(threading.Thread):
    def __init__(self, site, table):
        super().__init__(daemon=True)
        self.log, self.missing, self.answers = [], [], []
        self.table, self.mode, self.over = table, None, False
        for words in lines(site):
            if words[0] == 'listen':
                ip, port = words[1].split(':')
                self.address = (ip, int(port))
            else:
                self.mode = words[0]
                if words[0] == 'answer':
                    self.answers.append(words[1:])
        self.socket = None
        if self.mode != 'nothing':
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.socket.bind(self.address)
            self.socket.settimeout(0.05)
            self.start()

    def say(self, data, asker):
        self.log.append(b'< ' + (data.hex().encode() or b'-'))
        self.socket.sendto(data, asker)

    def run(self):
        asked, unanswered, seen = 0, set(), set()
        while not self.over:
            try:
                question, asker = self.socket.recvfrom(70000)
            except socket.timeout:
                continue
            except OSError:
                break
            if (question, asker) in seen:  # the same again, with the same nonce: a copy
                continue
            plain = question[:question.find(b'\0') + 1] or question  # a 1.32 daemon stops at the NUL
            if plain != question:
                seen.add((question, asker))
                question = plain
            if (question, asker) in unanswered:  # the same again while nothing came
                continue
            unanswered.add((question, asker))
            self.log.append(b'> ' + (question.hex().encode() or b'-'))
            if self.mode == 'site':
                answer = [self.table.get(question, 'e1')]
                if question not in self.table:
                    self.missing.append(question)
            else:
                answer = self.answers[asked] if asked < len(self.answers) else ['silent']
            asked += 1
            if answer != ['silent']:
                unanswered.discard((question, asker))
            if not self.answer(list(answer), asker):
                return
        self.socket.close()

    def answer(self, words, asker):
        """False: the port is closed now."""
        while words:
            word = words.pop(0)
            if word == 'silent':
                pass
            elif word == 'empty':
                self.say(b'', asker)
            elif word == 'late':
                time.sleep(float(words.pop(0)))
            elif word == 'close':
                self.socket.close()
                return False
            elif word == 'stranger':
                data = words.pop(0)
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                    other.bind((self.address[0], 0))
                    other.sendto(bytes.fromhex(data), asker)
                self.log.append(b'< stranger ' + data.encode())
            elif word == 'fill':
                data = words.pop(0)
                self.say(bytes.fromhex(data) * int(words.pop(0)), asker)
            else:
                self.say(bytes.fromhex(word), asker)
        return True

    def finish(self):
        self.over = True
        if self.is_alive():
            self.join()
        return b''.join(line + b'\n' for line in self.log)


def answer_table(path):
    """question: answer in hex, from base/verify-site/answers."""
    return {bytes.fromhex('' if words[0] == '-' else words[0]): words[1] for words in lines(load(path, b''))}


# ---- the client

class Gaveup(Exception):
    """The server did not do what the script waits for."""


def reply_end(data, at):
    """The end of the next whole reply at or after at, or -1."""
    while True:
        newline = data.find(b'\n', at)
        if newline < 0:
            return -1
        line, at = data[at:newline], newline + 1
        if re.match(rb'\d\d\d(?!-)', line):
            return at


class Client:
    def __init__(self, writing, reading, patience):
        self.writing, self.reading, self.patience = writing, reading, patience
        self.data, self.at = bytearray(), 0
        self.eof = self.dead = False
        self.last, self.closed = time.monotonic(), None
        os.set_blocking(writing, False)
        os.set_blocking(reading, False)

    def pump(self, seconds):
        """Reads what is there, or comes in that time."""
        if self.eof or self.reading is None or not select.select([self.reading], [], [], seconds)[0]:
            return
        try:
            data = os.read(self.reading, 65536)
        except BlockingIOError:
            return
        if not data:
            self.eof, self.closed = True, time.monotonic()
        self.data += data

    def send(self, data):
        end, rest = time.monotonic() + 2 * self.patience, memoryview(data)
        while rest and not self.dead:
            listening = [self.reading] if self.reading is not None and not self.eof else []
            readable, writable, _ = select.select(listening, [self.writing], [], max(0, end - time.monotonic()))
            if not readable and not writable:
                raise Gaveup('sending')
            if readable:
                self.pump(0)
            if writable:
                try:
                    rest = rest[os.write(self.writing, rest[:65536]):]
                except BlockingIOError:
                    pass
                except BrokenPipeError:
                    self.dead = True
        self.last = time.monotonic()

    def wait(self, replies):
        """False: the server is gone."""
        end = time.monotonic() + self.patience
        while replies:
            at = reply_end(self.data, self.at)
            if at >= 0:
                self.at, replies = at, replies - 1
            elif self.eof:
                return False
            elif time.monotonic() > end:
                raise Gaveup('waiting for a reply')
            else:
                self.pump(max(0, end - time.monotonic()))
        return True

    def close(self):
        if self.writing is not None:
            os.close(self.writing)
            self.writing = None

    def drain(self):
        end = time.monotonic() + self.patience
        while not self.eof and self.reading is not None:
            if time.monotonic() > end:
                raise Gaveup('waiting for the end')
            self.pump(max(0, end - time.monotonic()))

    def play(self, mode, data):
        """The script of a case."""
        at = 0
        script = lines(mode)
        if script[0] == ['pipelined']:
            script = [[], ['send', str(len(data))], ['eof']]
        for word, *rest in script[1:]:
            number = float(rest[0]) if rest else 0
            if word == 'wait':
                if not self.wait(int(number)):
                    return
            elif word == 'send':
                self.send(data[at:at + int(number)])
                at += int(number)
                if self.dead:
                    return
            elif word == 'lines':
                for _ in range(int(number)):
                    end = data.index(b'\n', at) + 1
                    self.send(data[at:end])
                    at = end
                    if self.dead or not self.wait(1):
                        return
            elif word == 'sleep':
                end = time.monotonic() + number
                while time.monotonic() < end and not self.eof:
                    self.pump(max(0, end - time.monotonic()))
            elif word == 'eof':
                self.close()
                self.last = time.monotonic()
            elif word == 'closeout':
                os.close(self.reading)
                self.reading = None
            elif word != 'hold':
                raise ValueError(word)


# ---- one case

class Case:
    """A case in a place of its own: work, a directory that is made for it."""

    def __init__(self, folder, name, server, patience, work):
        self.folder, self.server = os.path.join(os.path.abspath(folder), name), server
        self.patience, self.work = patience, work
        base = os.path.join(folder, 'base')
        self.base = base if os.path.isdir(base) else os.path.join(folder, '../recorded/base')
        self.real = self.file('real-queue') is not None
        self.qmail = QMAIL if self.real else work + '/qmail'
        self.queue = work + '/q'
        self.problems = []

    def file(self, name, otherwise=None):
        return load(os.path.join(self.folder, name), otherwise)

    def lay_out(self):
        """The qmail directory, the queue program and where it writes."""
        control = self.qmail + '/control'
        for folder in (self.work, self.qmail, control, self.queue):
            os.makedirs(folder, exist_ok=True)
            os.chmod(folder, 0o777 if folder == self.queue else 0o755)
        for name in os.listdir(control):
            os.unlink(f'{control}/{name}')
        files = {}
        for source in (self.base + '/control', self.folder + '/control'):
            for name in sorted(os.listdir(source)) if os.path.isdir(source) else []:
                name = name.removesuffix('.recipe')
                files[name] = load(f'{source}/{name}')
        for what, name in lines(self.file('control.special')):
            files.pop(name, None)
            if what == 'directory':
                os.mkdir(f'{control}/{name}')
        for name, data in files.items():
            with open(f'{control}/{name}', 'wb') as file:
                file.write(data)
        with open(self.work + '/recorder', 'w', encoding='ascii') as file:
            file.write(RECORDER)
        os.chmod(self.work + '/recorder', 0o755)
        for name in ('queue-exit', 'tell'):
            data = self.file(name)
            if data is not None:
                with open(f'{self.queue}/{name}', 'wb') as file:
                    file.write(data)

    def environment(self):
        env = {}
        for line in self.file('env').split(b'\n'):
            if line:
                key, value = line.split(b'=', 1)
                env[key] = value.replace(b'@RECORDER@', self.work.encode() + b'/recorder')
        env[b'GOLDEN_QUEUE_DIR'] = self.queue.encode()
        env[b'QMAILDIR'] = self.qmail.encode()
        for key in (b'ASAN_OPTIONS', b'UBSAN_OPTIONS'):
            if key in os.environb:
                env[key] = os.environb[key]
        return env

    def prepare(self):
        """In the server's process, before it begins."""
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        for words in lines(self.file('start')):
            if words == ['ignore', 'SIGCHLD']:
                signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            elif words[0] == 'open':
                os.dup2(os.open('/dev/null', os.O_RDWR), int(words[1]), inheritable=True)
            elif words[0] == 'close':
                os.close(int(words[1]))
            elif words[0] == 'memory':
                import resource
                resource.setrlimit(resource.RLIMIT_AS, (int(words[1]), int(words[1])))
            else:
                raise ValueError(words)
        user = self.file('user')
        if user:
            import pwd
            entry = pwd.getpwnam(user.decode().strip())
            os.setgroups([])
            os.setgid(entry.pw_gid)
            os.setuid(entry.pw_uid)

    def daemons(self):
        table = answer_table(self.base + '/verify-site/answers')
        found = {}
        for name in ('verify-site', 'verify-site.2', 'verify-site.3'):
            site = self.file(name)
            if site is not None:
                found[name.replace('verify-site', 'udp')] = Daemon(site, table)
        return found

    def run(self):
        """What came of it: file name: bytes. Problems are in self.problems."""
        self.lay_out()
        daemons = self.daemons()
        log = open(self.work + '/stderr', 'wb+')
        client_in, server_out = os.pipe()
        server_in, client_out = os.pipe()
        began = int(time.time())
        # Descriptor 0 to 2 alone, and what "start" asks for.
        server = subprocess.Popen([self.server], stdin=server_in, stdout=server_out, stderr=log, cwd='/',
                                  env=self.environment(), preexec_fn=self.prepare, close_fds=False)
        os.close(server_in)
        os.close(server_out)
        client = Client(client_out, client_in, self.patience)
        try:
            client.play(self.file('mode'), self.file('in'))
            client.drain()
        except Gaveup as reason:
            self.problems.append(f'the client gave up {reason}')
            server.kill()
        client.close()
        try:
            status = server.wait(self.patience)
        except subprocess.TimeoutExpired:
            self.problems.append('the server does not end')
            server.kill()
            status = server.wait()
        took = max(0, (client.closed or time.monotonic()) - client.last)
        if client.reading is not None:
            os.close(client.reading)
        if not wait_for_orphans():
            self.problems.append('a child of the server does not end')
        result = {name: daemon.finish() for name, daemon in daemons.items()}
        self.problems += [f'unknown question {q!r}' for daemon in daemons.values() for q in daemon.missing]
        log.seek(0)
        result['log'] = normal_log(log.read())
        log.close()
        result['out'] = normal_out(bytes(client.data))
        result['exit'] = b'%d\n' % status if status >= 0 else b'signal %d\n' % -status
        self.collect(result)
        self.check_accepted(bytes(client.data), began)
        for low, high in [[float(words[1]) for words in lines(self.file('timing'))] or [0, 1e9]]:
            if not low <= took <= high:
                self.problems.append(f'took {took:.2f} s, not {low} to {high}')
        return result

    def collect(self, result):
        """What the queue program was given."""
        if self.real:
            return self.collect_real(result)
        self.pids, start, whole = [], 1, 0
        while os.path.exists(f'{self.queue}/start.{start}'):
            message, envelope, process = (load(f'{self.queue}/{what}.{start}')
                                          for what in ('message', 'envelope', 'process'))
            self.pids.append(load(f'{self.queue}/pid.{start}', b''))
            if message is not None and envelope is not None and envelope_complete(envelope):
                whole += 1
                result[f'queue.{whole}.message'] = normal_message(message)
                result[f'queue.{whole}.envelope'] = envelope
            if process is not None:
                process = process.replace(self.qmail.encode(), b'@QMAIL@')
                result[f'queue.{start}.process'] = process
            start += 1
        return None

    def collect_real(self, result):
        self.pids = None
        found = []
        for folder, _, names in os.walk(QMAIL + '/queue/todo'):
            found += [(os.stat(f'{folder}/{name}').st_mtime_ns, int(name), f'{folder}/{name}') for name in names]
        for number, (_, message, path) in enumerate(sorted(found), 1):
            text = load(f'{QMAIL}/queue/mess/{message % 23}/{message}')
            result[f'queue.{number}.message'] = normal_message(text)
            result[f'queue.{number}.todo'] = normal_todo(load(path))
        left = sum(len(names) for _, _, names in os.walk(QMAIL + '/queue/mess'))
        if left != len(found):
            result['queue.leftover'] = b'%d\n' % (left - len(found))

    def check_accepted(self, out, began):
        """The time is that of acceptance, qp the number of the queue program."""
        for when, pid in re.findall(rb'(?m)^250 ok (\d+) qp (\d+)\r$', out):
            if not began <= int(when) <= time.time() + 1:
                self.problems.append(f'wrong time {when!r}')
            if self.pids is not None and self.file('queue-exit') is None and pid not in self.pids:
                self.problems.append(f'wrong qp {pid!r}')

    def wanted(self):
        names = {name.removesuffix('.recipe') for name in os.listdir(self.folder)}
        results = re.compile(r'out|exit|log|udp(\.[23])?|queue\.\d+\.(message|envelope|todo|process)|queue\.leftover')
        return {name: self.file(name) for name in names if results.fullmatch(name)}

    def differences(self):
        """Texts: what is not as the case has it."""
        got, want = self.run(), self.wanted()
        ours = self.file('server').decode().strip() == OURS
        if self.file('server').decode().strip() == 'netqmail':
            got.pop('log')
        found = list(self.problems)
        for name in sorted(set(got) | set(want)):
            a, b = want.get(name), got.get(name)
            if a == b or (name == 'log' and not ours and a is not None and b is not None and same_log(a, b)):
                continue
            found.append(show(name, a, b))
        return found


def show(name, want, got):
    if want is None or got is None:
        return f'{name}: want {want and quote(want[:200])} got {got and quote(got[:200])}'
    at = len(os.path.commonprefix([want, got]))
    want, got = (quote(data[max(0, at - 60):at + 140]) for data in (want, got))
    return f'{name} differs at byte {at}\n      want ...{want}\n      got  ...{got}'


def wait_for_orphans():
    """For what the server left behind (this process is a subreaper)."""
    end = time.monotonic() + 25
    while time.monotonic() < end:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.003)
        except ChildProcessError:
            return True
    return False


# ---- namespaces

def unshare(real=False):
    """The words that give a command a network of its own, or None."""
    if real:
        return ['unshare', '-m', '-n']
    for words in (['unshare', '-n'], ['unshare', '-Urn']):
        try:
            if subprocess.run([*words, 'ip', 'link', 'set', 'lo', 'up'], capture_output=True).returncode == 0:
                return words
        except FileNotFoundError:
            return None
    return None


def inside(args):
    """In the namespace: one case, its differences on standard output."""
    import ctypes
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    subprocess.check_call(['ip', 'link', 'set', 'lo', 'up'])
    with tempfile.TemporaryDirectory(prefix='qmail-verify-transcript-') as work:
        case = Case(args.folder, args.inside, args.server, args.patience, work)
        if case.real:  # a copy of the real one, seen by this namespace only
            subprocess.check_call(['mount', '--make-rprivate', '/'])
            subprocess.check_call(['cp', '-a', QMAIL, work + '/copy'])
            subprocess.check_call(['mount', '--bind', work + '/copy', QMAIL])
        try:
            if args.write:
                write(case)
                return 0
            found = case.differences()
        finally:
            if case.real:
                subprocess.call(['umount', QMAIL])
    print('\n'.join(found))
    return 1 if found else 0


def write(case):
    """What came of a case becomes what it wants."""
    for name, data in case.run().items():
        if len(data) < 10000 or not os.path.exists(f'{case.folder}/{name}.recipe'):
            with open(f'{case.folder}/{name}', 'wb') as file:
                file.write(data)
    print('\n'.join(case.problems))


def replay(folder, name, server, patience=30.0, words=None, write_=False):
    """Replays one case in a namespace of its own; returns its differences, a text
    that is empty where there is none. words: what unshare() gave."""
    if os.path.exists(f'{folder}/{name}/real-queue'):
        words = unshare(real=True)
    command = [*(words or unshare()), sys.executable, os.path.abspath(__file__), folder, '--server', server,
               '--patience', str(patience), '--inside', name] + (['--write'] if write_ else [])
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True)
    text = (done.stdout + done.stderr).decode(errors='replace').strip()
    return text if done.returncode or write_ else ''


def case_names(folder, only='*'):
    return [name for name in sorted(os.listdir(folder))
            if os.path.exists(f'{folder}/{name}/mode') and any(fnmatch.fnmatch(name, glob) for glob in only.split(','))]


def real_queue_missing(folder, name):
    return os.path.exists(f'{folder}/{name}/real-queue') and not os.path.exists(QMAIL + '/bin/qmail-queue')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder', nargs='?')
    parser.add_argument('--server')
    parser.add_argument('--only', default='*')
    parser.add_argument('--patience', type=float, default=30, help='seconds that the client waits for something')
    parser.add_argument('-j', type=int, default=4)
    parser.add_argument('-v', action='store_true')
    parser.add_argument('--write', action='store_true')
    parser.add_argument('--expand')
    parser.add_argument('--inside', help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.expand:
        with open(args.expand, encoding='ascii') as file:
            sys.stdout.buffer.write(expand(file.read()))
        return 0
    args.folder, args.server = os.path.abspath(args.folder), os.path.abspath(args.server)
    if args.inside:
        return inside(args)
    names = case_names(args.folder, args.only)
    able = [name for name in names if not real_queue_missing(args.folder, name)]
    words, failed = unshare(), 0
    with concurrent.futures.ThreadPoolExecutor(args.j) as pool:
        texts = pool.map(lambda name: replay(args.folder, name, args.server, args.patience, words, args.write), able)
        for name, text in zip(able, texts):
            failed += bool(text)
            if text:
                print(f'FAIL {name}\n   ' + text.replace('\n', '\n   '))
            elif args.v:
                print('ok  ', name)
    print(f'{len(able) - failed} ok, {failed} failed, {len(names) - len(able)} skipped')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
