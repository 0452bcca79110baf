"""The daemon's answers for lines that run fastforward, held against the real fastforward -n.

In each round two homes get a database (the same source, compiled by the real
setforward or newaliases, or damaged afterwards) and dot-qmail files with a
fastforward line; then both are asked about addresses at random.

FASTFORWARD_SEED repeats a run, FASTFORWARD_ROUNDS makes it longer.
"""
import collections
import os
import random
import select

import fastforward_rig as rig
import pytest
from qmailhost import DECISION, Host, until
from test_verdicts import ask

ROUNDS = int(os.environ.get('FASTFORWARD_ROUNDS', 50))
ADDRESSES = 50  # a round
UID = os.geteuid() or 7790

CONTROL = {'me': 'me.example\n', 'locals': 'me.example\n',
           'virtualdomains': 'virt.example:joe\n.virt.example:alias-v\n'}
ASSIGN = f'+joe-:joe:{UID}:{UID}:{{qmail}}/joe:-::\n+:alias:{UID}:{UID}:{{qmail}}/alias:-::\n.\n'
FILES = ('alias/.qmail-default', 'alias/.qmail-exact', 'joe/.qmail-default', 'joe/.qmail-list-default')

# options, and the words from the database on; the second of each are rarer
OPTIONS = ((['-d'], [], ['-D'], ['-p'], ['-pd'], ['-d', '-p'], ['-pP'], ['-dD'], ['-nd'], ['-np'], ['-dpn'],
            ['-N'], ['-Np']),
           (['-dx'], ['-h'], ['-p-']))
TAILS = ((['f.cdb'], ['./f.cdb']),
         (['f.cdb', '-p'], ['f.cdb', 'other', '-x'], ['--', 'f.cdb'], ['--x', 'f.cdb'], ['-'], ['-', 'f.cdb'], [],
          ['--'], ['']))
PROGRAMS = ('fastforward', '/usr/bin/fastforward', 'exec fastforward')


def one_of(rng, often, seldom, odds):
    return rng.choice(seldom if rng.random() < odds else often)


def write_as(rng, word):
    """A word as somebody may write it in a shell's line."""
    return rng.choice((word or "''", word or '""', f"'{word}'", f'"{word}"'))


class Case:
    """An address and what qmail-local makes of it, here."""

    def __init__(self, address):
        self.address = address
        user, _, host = address.rpartition(b'@')
        low = host.lower()
        prefix = b'' if low == b'me.example' else b'joe-' if low == b'virt.example' else b'alias-v-'
        self.local, self.host = prefix + user, host
        self.home, self.ext = ('joe', self.local[4:]) if self.local[:4].lower() == b'joe-' else ('alias', self.local)
        self.default = self.ext
        if self.home == 'joe' and self.ext[:5].lower() == b'list-':
            self.default = self.ext[5:]
        elif self.home == 'alias' and self.ext.lower() == b'exact':
            self.default = None

    def variables(self):
        given = {b'RECIPIENT': self.local + b'@' + self.host, b'LOCAL': self.local, b'HOST': self.host,
                 b'EXT': self.ext, b'SENDER': b'someone@away.example',
                 b'DTLINE': b'Delivered-To: ' + self.address + b'\n'}
        if self.default is not None:
            given[b'DEFAULT'] = self.default
        return given


class Round:
    """One line in all files, one database in both homes."""

    def __init__(self, host, rng):
        self.host, self.rng = host, rng
        self.maker = rig.Maker(rng, host.dir / 'alias')
        self.options, self.tail = one_of(rng, *OPTIONS, 0.04), one_of(rng, *TAILS, 0.15)
        self.refused_behind = rng.random() < 0.5
        self.what = self.databases()
        words = [write_as(rng, word) for word in self.options + self.tail]
        self.line = ' '.join(['|' + rng.choice(PROGRAMS), *words])
        for path in FILES:
            host.write(path, self.line + '\n' + ('|exit 100\n' if self.refused_behind else ''))
        host.own(UID, 'alias', 'joe')

    def databases(self):
        for home in (self.host.dir / 'alias', self.host.dir / 'joe'):
            rig.shutil.rmtree(home, ignore_errors=True)
            home.mkdir()
        self.maker.lists()
        aliases = self.maker.can_newaliases() and self.rng.random() < 0.3
        (self.maker.newaliases if aliases else self.maker.setforward)('f.cdb')
        what = 'newaliases' if aliases else 'setforward'
        if self.rng.random() < 0.3:
            what += ' ' + self.maker.damage('f.cdb')
        elif self.tail[:1] == ['-']:
            rig.shutil.copy(self.host.dir / 'alias/f.cdb', self.host.dir / 'alias/-')
        for place in (self.host.dir / 'alias').iterdir():
            if place.name in ('etc', 'qmail'):
                rig.shutil.rmtree(place)
            elif place.is_dir():
                (self.host.dir / 'joe' / place.name).mkdir()
            else:
                rig.shutil.copy2(place, self.host.dir / 'joe')
        return what

    def some_case(self):
        rng, hosts = self.rng, ('me.example', 'virt.example', 'sub.virt.example', 'Virt.Example', 'ME.example')
        users = [user for user in rig.USERS if user]
        user = rng.choice(users)
        if rng.random() < 0.15:
            user = ''.join(rng.choices('abj@oe-x.%/ "\xe9', k=rng.randrange(1, 9)))
        if rng.random() < 0.02:
            user = 'l' * rng.randrange(200, 900)
        return Case(rig.some_case(rng, f'{user}@{rng.choice(hosts)}').encode('latin-1'))

    def expected(self, fastforward, cases):
        """The reason that is to be ours, for each of them."""
        homes = [self.host.dir / case.home for case in cases]
        told = fastforward.ask(homes, [*self.options, '-n', *self.tail], [case.variables() for case in cases])
        return [self.reason(status, said) for status, said in told]

    def reason(self, status, said):
        if 'run ' in [line[:4] for line in said.split('\n')]:
            return 'program'
        if status == 111:
            return 'fastforward-trouble'
        if status == 99:
            return 'fastforward'
        if status == 100:
            return 'program-refuses' if 'usage' in said else 'fastforward-absent'
        assert status == 0, f'exit {status}: {said}'
        if not self.refused_behind:
            return 'fastforward' if said else 'program-accepts'
        delivers = '\nto <' in said and not any('n' in option for option in self.options)
        return 'kept' if delivers else 'program-refuses'


class Asking:
    """Asks about many addresses at once, and finds the line of each by its address: a question
    that waits for its home is decided later than those behind it."""

    def __init__(self, host):
        self.log, self.rest, self.host = open(host.dir / 'log', 'rb'), '', host
        self.lines()

    def lines(self):
        *lines, self.rest = (self.rest + self.log.read().decode('latin-1')).split('\n')
        return [line for line in lines if DECISION.match(line)]

    def ask(self, addresses):
        """[(answer or None, the line logged)]"""
        sockets = [self.host.send(address + b'\0') for address in addresses]
        logged = []

        def all_logged():
            logged.extend(self.lines())
            return self.host.died() or len(logged) >= len(addresses)

        until('all is decided', all_logged)
        assert not self.host.died() and len(logged) == len(addresses), self.host.text()[-2000:]
        answers = []
        for s in sockets:
            there = select.select([s], [], [], 0)[0]
            answers.append(s.recv(4096) if there else None)
            s.close()
        lines = ask.in_order(addresses, [line.encode('latin-1') for line in logged])
        return [(answer, line.decode('latin-1')) for answer, line in zip(answers, lines, strict=True)]


REFUSALS = {'program-refuses', 'fastforward-absent'}


def reason_of(line):
    words = line.split(' denied. ')[-1] if ' denied. ' in line else line.split(' for ', 1)[1].split('. ', 1)[1]
    return words.split(' ')[0]


def wrong(reason, answer, line):
    """What is wrong with one answer, or None."""
    if reason_of(line) != reason:
        return f'not {reason}'
    if (answer is None) != (reason == 'fastforward-trouble'):
        return f'answer {answer}'
    if answer is not None and (answer[0] & 15) != (reason in REFUSALS):
        return f'result {answer[0] & 15}'
    return None


@pytest.fixture
def host():
    if lacking := rig.lacking():
        pytest.skip(f'needs the package fastforward ({", ".join(lacking)})')
    uid = UID if os.geteuid() == 0 else None
    with Host(control=CONTROL, assign=ASSIGN, uid=uid, files={path: '' for path in FILES}) as running:
        yield running


def test_the_daemon_says_what_the_real_fastforward_does(host):
    seed = int(os.environ.get('FASTFORWARD_SEED', random.randrange(1 << 32)))
    rng, asking, seen = random.Random(seed), Asking(host), collections.Counter()
    with rig.Fastforward(UID) as fastforward:
        for number in range(ROUNDS):
            this = Round(host, rng)
            cases = [this.some_case() for _ in range(ADDRESSES)]
            answers = asking.ask([case.address for case in cases])
            for case, reason, (answer, line) in zip(cases, this.expected(fastforward, cases), answers, strict=True):
                seen[reason] += 1
                trouble = wrong(reason, answer, line)
                assert not trouble, (f'FASTFORWARD_SEED={seed}, round {number}, {this.what}, {this.line!r}, '
                                     f'{case.address!r} {case.variables()}: {trouble}; {line}')
    print(f'FASTFORWARD_SEED={seed}: {seen.total()} addresses, {dict(seen)}')
    assert seen.total() == ROUNDS * ADDRESSES and (ROUNDS < 50 or len(seen) >= 7), seen
