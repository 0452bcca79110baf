"""Databases for fastforward, at random, and what the real one makes of them.

Sources are compiled by the real setforward, newaliases and setmaillist; answers
come from the real fastforward -n, with the environment that qmail-local gives.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys

BIN = '/usr/sbin:/usr/bin:/sbin:/bin'
NEEDED = ('fastforward', 'setforward', 'setmaillist')
NEWALIASES = shutil.which('qmail-newaliases', path=BIN)

HOSTS = ('me.example', 'virt.example', 'Sub.Virt.example')
USERS = ('ann', 'bob', 'Carl', 'dora.e', 'ed-x', 'list-fay', 'joe-gus', 'joe-list-hal', 'exact', 'owner-ann', 'a b',
         'q"t', 'b\\s', 'x,y', 'i;j', 'c:d', "o'k", '#no', 'k\xe9', 'u' * 90, 'at@in', 'UP', '')
LISTS = ('./l0.bin', './l1.bin', '{home}/l2.bin', './raw.bin')
BAD_LISTS = ('./missing.bin', './closed.bin', './folder', '/nowhere/l.bin')
PROGRAMS = ('|exit 0', '!true', '|/bin/false')
AWAY = ('p@away.example', 'Q@Away.Example', 'nobody', 'r@')


def lacking():
    """Which of the real programs are not there."""
    return [program for program in NEEDED if not shutil.which(program, path=BIN)]


def some_address(rng):
    shape = rng.random()
    user, host = rng.choice(USERS), rng.choice(HOSTS)
    if shape < 0.10:
        return '@' + host
    if shape < 0.20:
        return user + '@'
    if shape < 0.23:
        return user
    return user + '@' + host


def some_case(rng, text):
    return rng.choice((text, text, text.upper(), text.lower(), text.swapcase()))


class Maker:
    """Compiles sources into a home. rng decides what they say."""

    def __init__(self, rng, home):
        self.rng, self.home = rng, pathlib.Path(home)

    def run(self, program, text, *names):
        done = subprocess.run([program, *names], input=text.encode('latin-1'), cwd=self.home, env={'PATH': BIN},
                              capture_output=True)
        assert done.returncode == 0, f'{program}: {done.stderr!r} for {text!r}'

    def lists(self):
        (self.home / 'folder').mkdir(exist_ok=True)
        for name in ('l0.bin', 'l1.bin', 'l2.bin', 'closed.bin'):
            lines = [self.member() for _ in range(self.rng.randrange(5))]
            self.run('setmaillist', '\n'.join(['# a list', *lines, '']), name, 'l.tmp')
        (self.home / 'closed.bin').chmod(0o640)
        # what no setmaillist writes
        raw = [b'|exit 0\0', b'!true\0', b'p@away.example\0', b'\0', b'&p@away.example\0', b'&ann@me.example\0', b'.\0',
               b'&' + b'x' * self.rng.randrange(895, 905) + b'\0', b'&\0']
        (self.home / 'raw.bin').write_bytes(b''.join(self.rng.sample(raw, 3)) + self.rng.choice((b'', b'&unended')))

    def member(self):
        kind = self.rng.random()
        if kind < 0.1:
            return self.a_list()
        to = self.target_of_forward()
        return to if to[0].isalnum() else '&' + to

    def a_list(self):
        chosen = self.rng.choice(LISTS if self.rng.random() < 0.85 else BAD_LISTS)
        return chosen.replace('{home}', str(self.home))

    def target_of_forward(self):
        to = self.rng.choice(AWAY) if self.rng.random() < 0.4 else some_case(self.rng, some_address(self.rng))
        return to if to.strip() and not to.startswith('#') else '&' + AWAY[0]

    def command(self):
        kind = self.rng.random()
        if kind < 0.10:
            return self.rng.choice(PROGRAMS)
        if kind < 0.2:
            return self.a_list()
        if kind < 0.3:
            return '?' + self.rng.choice(('owner@away.example', '', 'x' * 300))
        return '&' + self.target_of_forward().removeprefix('&')

    @staticmethod
    def quoted(text):
        """With a backslash before each byte that means something to setforward."""
        return ''.join(c if c.isalnum() or c in '@.-&?|!/' else '\\' + c for c in text)

    def setforward(self, name):
        instructions = ['# made at random\n']
        for _ in range(self.rng.randrange(1, 60)):
            target = some_case(self.rng, some_address(self.rng)) or 'x'
            commands = [self.quoted(self.command()) for _ in range(self.rng.randrange(4))]
            instructions.append(f'{self.quoted(target)}: {", ".join(commands)};\n')
        self.run('setforward', ''.join(instructions), name, 'f.tmp')

    def alias_line(self):
        rng = self.rng
        plain = [user for user in USERS if user.replace('-', '').replace('.', '').isalnum() and user.isascii()]
        name = some_case(rng, rng.choice(plain))
        whole = rng.choice((name, name, f'{name}@{rng.choice(HOSTS)}', '@' + rng.choice(HOSTS), 'owner-' + name,
                            '"a b"', '"q\\"t"@me.example'))
        to = rng.choice((*plain, 'p@away.example', '"a b"@me.example', ':include:./l1', ':include:gone', '"|exit 0"',
                         ':include:' + str(self.home / 'l2'), '|/bin/true', 'Name <ann@Virt.example>'))
        return f'{whole}: {to}, {rng.choice(plain)}\n'

    def newaliases(self, name):
        """Has an /etc of its own, and control files in the place that the program knows."""
        etc, qmail = self.home / 'etc', self.home / 'qmail'
        (qmail / 'control').mkdir(parents=True, exist_ok=True)
        (qmail / 'control/me').write_text('me.example\n')
        etc.mkdir(exist_ok=True)
        lines = [self.alias_line() for _ in range(self.rng.randrange(1, 40))]
        (etc / 'aliases').write_bytes(''.join(['# aliases\n', *lines, '\n']).encode('latin-1'))
        script = ('mount --make-rprivate / && mount --bind "$1" /etc && mount --bind "$2" /var/lib/qmail '
                  '&& exec "$0"')
        done = subprocess.run(['unshare', '-m', 'sh', '-c', script, NEWALIASES, etc, qmail], capture_output=True,
                              env={'PATH': BIN})
        assert done.returncode == 0, f'{done.stderr!r} for {lines!r}'
        shutil.copyfile(etc / 'aliases.cdb', self.home / name)

    @staticmethod
    def can_newaliases():
        import namespaces  # here: the process that runs fastforward has no such module
        return NEWALIASES and os.path.isdir('/var/lib/qmail') and os.geteuid() == 0 and not namespaces.trouble()

    def damage(self, name):
        """Makes something of a good database that is none, or less of one."""
        place, rng = self.home / name, self.rng
        good = place.read_bytes()
        kind = rng.choice(('missing', 'folder', 'closed', 'empty', 'zero', 'noise', *['cut'] * 4, *['flip'] * 6))
        place.unlink()
        if kind == 'folder':
            place.mkdir()
        if kind in ('missing', 'folder'):
            return kind
        data = bytearray(good)
        if kind == 'flip':
            for _ in range(rng.randrange(1, 200)):
                data[rng.randrange(len(data))] = rng.randrange(256)
        made = {'empty': b'', 'zero': bytes(2048), 'cut': good[:rng.randrange(len(good))],
                'noise': rng.randbytes(rng.randrange(1, 5000))}
        place.write_bytes(made.get(kind, bytes(data)))
        place.chmod(0 if kind == 'closed' else 0o644)
        return kind


class Fastforward:
    """The real one, run again and again by a process of that user, which gets no more memory than a mail system gives:
    a damaged length makes fastforward ask for gigabytes."""

    def __init__(self, uid):
        own = [] if uid == os.geteuid() else ['setpriv', f'--reuid={uid}', f'--regid={uid}', '--clear-groups']
        command = [*own, 'prlimit', '--as=256000000', sys.executable, '-c', pathlib.Path(__file__).read_text()]
        # given as text: others may not be let into this folder
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd='/',
                                        env={'PATH': BIN})

    def ask(self, home, words, variables):
        """[(exit status, what it says)], for each of the environments: no other variable is set."""
        questions = [[{k.decode(): v.decode('latin-1') for k, v in given.items()}, str(home[at])]
                     for at, given in enumerate(variables)]
        self.process.stdin.write(json.dumps([words, questions]).encode() + b'\n')
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(20)


def serve():
    """What that process does."""
    for line in sys.stdin:
        words, questions = json.loads(line)
        answers = []
        for variables, home in questions:
            env = {k.encode(): v.encode('latin-1') for k, v in variables.items()}
            done = subprocess.run(['/usr/bin/fastforward', *words], cwd=home, env=env, stdin=subprocess.DEVNULL,
                                  capture_output=True)
            answers.append([done.returncode, done.stderr.decode('latin-1')])
        print(json.dumps(answers), flush=True)


if __name__ == '__main__':
    serve()
