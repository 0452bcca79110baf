"""Users from LDAP through NSS: right while the directory is there, temporary while it is away, never wrong."""
import collections
import contextlib
import random
import signal
import statistics
import threading
import time

import namespaces
import pytest
from ldaphost import LISTED, PACKAGES, USERS, LdapHost, entry, user
from packets import INVALID, TEMPORARY, VALID
from qmailhost import until

WORDS = {VALID: 'valid', INVALID: 'invalid', TEMPORARY: 'temporary'}
# Local users: in /etc/passwd and in users/cdb, whom nobody else is asked for.
LOCAL = {b'joe@example.org': VALID, b'sales-list@example.org': VALID, b'sales-other@example.org': INVALID}
# Both answers of a source are good for a second, so that they may be heard for so long after it has gone.
KEPT = 1.1
# So long it is away: the daemon tries what hangs every 5 s, nslcd here every 2 s.
AWAY = 6
CLIENTS = 4
Record = collections.namedtuple('Record', 'address asked answered result')

if not (PACKAGES / 'complete').exists():
    pytestmark = pytest.mark.skip(reason=f'{PACKAGES} is not complete: "sh tests/packages ldap" could not unpack slapd and nslcd')
elif namespaces.trouble():
    pytestmark = pytest.mark.skip(reason=f'needs root, and a root directory that is a mount point ({namespaces.trouble()})')


def address(local):
    return f'{local}@example.org'.encode()


def names(n):
    """The addresses of the n-th user's name, and what they are."""
    default, listed = n % LISTED == 0, n % LISTED == 1
    return {address(user(n)): VALID, address(user(n).upper()): VALID,
            address(f'{user(n)}-any-more'): VALID if default else INVALID,
            address(f'{user(n)}-list-a-b'): VALID if default or listed else INVALID,
            address(f'{user(n)}x'): INVALID, address(f'x{user(n)}-list'): INVALID}


OTHERS = {b'info@example.org': VALID, b'Info@example.org': VALID, b'noone@example.org': INVALID, b'a+b@example.org': INVALID,
          b'-a@example.org': INVALID, b'joe-other@example.org': INVALID, b'x@elsewhere.example': VALID}


@pytest.fixture(scope='module')
def host():
    with LdapHost() as host:
        yield host


@pytest.fixture
def tell(record_property):
    return lambda text: record_property('measured', text)


def wrong(answers, expected):
    return [(a, WORDS[got.result], got.reason) for a, got in answers.items() if got.result != expected[a]]


def right(host, expected):
    return not wrong(host.sweep(list(expected)), expected)


# ---- while it is there

def test_all_users_of_the_directory_and_nobody_else(host, tell):
    users = {address(user(n)): VALID for n in range(USERS)}
    began = time.monotonic()
    answers = host.sweep(list(users))
    tell(f'{USERS} users, each once: {USERS / (time.monotonic() - began):.0f} look-ups a second')
    assert not wrong(answers, users)
    assert all(a.split(b'@')[0] == answer.user for a, answer in answers.items())

    more = {**OTHERS, **LOCAL}
    for n in range(0, USERS, 7):
        more.update(names(n))
    assert not wrong(host.sweep(list(more)), more)


def test_a_user_counts_as_soon_as_the_directory_has_him(host):
    new = address('newcomer')
    home = host.dir / 'home/newcomer'
    text = entry(USERS, home).replace(user(USERS), 'newcomer')
    home.mkdir()
    host.own(30000, 'home/newcomer')
    assert host.query(new).result == INVALID
    host.modify('ldapadd', text)
    until('the new user is known', lambda: host.query(new).result == VALID)
    host.modify('ldapdelete', '', text.split('\n')[0].removeprefix('dn: '))
    until('he is not any more', lambda: host.query(new).result == INVALID)


def test_libnss_ldap_says_no_such_file_while_nslcd_is_away():
    """Not "no such user": getpwnam(3) lists this error for both."""
    with LdapHost(users=3) as host:
        host.nslcd.end(signal.SIGTERM)
        assert host.query(address(user(1))).result == TEMPORARY
        host.logged(f'passwd-trouble {user(1)}: No such file or directory')
        host.logged('passwd look-ups fail: No such file or directory')
        host.nslcd.start()
        until('it is asked again', lambda: host.query(address(user(1))).result == VALID)


@pytest.mark.parametrize('sources, nscd', [('files ldap systemd', False), ('ldap files', False), ('files ldap', True)],
                         ids=['systemd behind it', 'files behind it', 'nscd before it'])
def test_a_directory_that_is_away_is_not_hidden(sources, nscd):
    """The C library says "no such user" for all of these."""
    with LdapHost(users=9, sources=sources, nscd=nscd) as host:
        everybody = {**OTHERS, **{a: result for n in range(9) for a, result in names(n).items()}}
        assert right(host, everybody)
        host.nslcd.end(signal.SIGTERM)
        away = time.monotonic()
        until('what was known is forgotten', lambda: time.monotonic() > away + KEPT)
        answers = host.sweep([*everybody, b'joe@example.org'])
        assert not [a for a, answer in answers.items() if answer.result == INVALID]
        assert answers[address(user(1))].result == TEMPORARY
        assert answers[b'joe@example.org'].result == VALID
        assert [host.getent(user(n)) for n in (0, 1)] == [nscd, False]  # nscd kept the one, and failed at the other
        host.nslcd.start()
        until('all is right again', lambda: right(host, everybody))


def test_a_name_that_nslcd_does_not_ask_for_is_no_answer():
    """By its own validnames: the same as if it were away. So the manual tells to widen them."""
    with LdapHost(users=3, nslcd_conf='') as host:
        assert host.query(address(user(1))).result == VALID
        assert [host.query(a).result for a in (b'a+b@example.org', b'-a@example.org')] == [TEMPORARY] * 2
        assert host.query(b'noone@example.org').result == INVALID


# ---- while it is away

class Load:
    """Clients that ask all the time, each one question after the other: of the directory's users and others, and,
    one of them, of local users."""

    def __init__(self, host):
        self.host, self.over = host, threading.Event()
        self.expected = {a: result for a, result in OTHERS.items() if b'elsewhere' not in a}
        for n in random.Random(8).sample(range(USERS), 400):
            self.expected.update(names(n))
        self.records, self.local, self.broken = [], [], []

    def client(self, addresses, records, seed):
        choice = random.Random(seed)
        try:
            while not self.over.wait(0.002):
                one, asked = choice.choice(addresses), time.monotonic()
                answer = self.host.query(one)
                records.append(Record(one, asked, time.monotonic(), answer.result if answer else None))
        except Exception as error:
            self.broken.append(error)

    def __enter__(self):
        addresses = list(self.expected)
        self.threads = [threading.Thread(target=self.client, args=(addresses, self.records, n)) for n in range(CLIENTS)]
        self.threads.append(threading.Thread(target=self.client, args=(list(LOCAL), self.local, CLIENTS)))
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()
        assert not self.broken, self.broken

    def more(self, records, count):
        """Waits for so many more answers to questions that are asked from now on."""
        now, at = time.monotonic(), len(records)
        until(f'{count} more questions have been answered', lambda: self.broken or
              sum(r.asked > now for r in records[at:]) >= count)


def took(records, begin, end):
    """(median, worst) in milliseconds of what was asked between these times."""
    times = [1000 * (r.answered - r.asked) for r in records if begin <= r.asked < end]
    return statistics.median(times), max(times)


def check(load, away, back):
    """Every answer that was heard: away, back: since when nobody can have had an answer of the directory's, and
    from when on one may."""
    for r in load.local:
        assert r.result == LOCAL[r.address], r
        assert r.answered - r.asked < 2, r
    for r in load.records:
        assert r.result in (load.expected[r.address], TEMPORARY, None), (r, 'wrong')
    meanwhile = [r for r in load.records if r.asked > away + KEPT and r.answered < back]
    assert len(meanwhile) > 100
    assert {r.result for r in meanwhile} <= {TEMPORARY, None}, [r for r in meanwhile if r.result in (VALID, INVALID)][:5]
    return meanwhile


@contextlib.contextmanager
def frozen(*services):
    for service in services:
        service.freeze()
    yield
    for service in services:
        service.thaw()


@contextlib.contextmanager
def ended(*services, number=signal.SIGKILL):
    for service in services:
        service.end(number)
    yield
    for service in services:
        service.start()


FAULTS = {
    'slapd stopped': lambda host: frozen(host.slapd),
    'slapd killed': lambda host: ended(host.slapd),
    'nslcd stopped': lambda host: frozen(host.nslcd),
    'nslcd ended': lambda host: ended(host.nslcd, number=signal.SIGTERM),
    'both killed': lambda host: ended(host.slapd, host.nslcd),
}


@pytest.mark.parametrize('fault', FAULTS)
def test_temporary_while_it_is_away_and_never_wrong(host, tell, fault):
    some = {a: result for n in range(3, USERS, 499) for a, result in names(n).items()}
    until('all is right', lambda: right(host, some))
    with Load(host) as load:
        begin = time.monotonic()
        load.more(load.local, 300)
        with FAULTS[fault](host):
            away = time.monotonic()
            until('both have tried', lambda: time.monotonic() > away + AWAY)
            load.more(load.records, 100)
            back = time.monotonic()
        restored = time.monotonic()
        until('all is right again', lambda: right(host, some))
        again = time.monotonic()
        load.more(load.local, 300)
    meanwhile = check(load, away, back)
    before, during = took(load.local, begin, away), took(load.local, away, back)
    silent = sum(r.result is None for r in meanwhile)
    tell(f'{fault} for {back - away:.1f} s: {len(meanwhile)} questions temporary, {silent} of them unanswered; right again '
         f'{again - restored:.1f} s after it was back; local users: median {during[0]:.2f} ms ({during[0] / before[0]:.2f} of '
         f'before), worst {during[1]:.1f} ms ({during[1] / before[1]:.2f} of before)')
