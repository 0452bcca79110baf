"""When a change counts: each rule of qmail-verify(8), WHEN A CHANGE COUNTS, with the
real daemon, which is asked all the while a file is changed."""
import contextlib
import os
import signal
import socket
import threading
import time

import namespaces
import pytest
import qmailhost
from qmailhost import DEADLINE, PASSWD, Host, newu, until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason='needs root: users of its own')

ASSIGN = ('=joe:joe:7001:7001:{qmail}/home/joe:::\n+joe-:joe:7001:7001:{qmail}/home/joe:-::\n'
          '+:alias:7003:7003:{qmail}/alias:-::\n.\n')
JOE, LIST, REMOTE, NO_JOE, NO_ALIAS = b'\x90joe', b'\xa0joe', b'\x10', b'\xe1joe', b'\xe1alias'
TAKEN_OVER = 'changed 10 seconds ago without SIGHUP: taken over'
HANGUP = 'SIGHUP: control/locals and control/virtualdomains read again'


def joes_host(control, **more):
    host = Host(control=control, assign=ASSIGN, files={'home/joe/.qmail-list': '&a@example.net\n', **more})
    host.own(7001, 'home/joe')
    host.own(7003, 'alias')
    return host


# ---- asking while something changes

def question(host, address):
    """The answer to an address that has one; asked again where a datagram was lost."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        with host.send(address + b'\0') as s:
            s.settimeout(2)
            with contextlib.suppress(socket.timeout):
                return s.recv(4096)
    raise AssertionError(f'no answer for {address!r} within {DEADLINE} s: {host.text()[-500:]}')


def counts_within_a_second(host, address, old, new, change):
    """No question that is asked later than a second after the change hears the old answer."""
    assert question(host, address) == old
    change()
    changed = time.monotonic()
    while True:
        asked = time.monotonic()
        answer = question(host, address)
        if answer == new:
            return
        assert answer == old and asked < changed + 1, (address, answer)


@contextlib.contextmanager
def asked(host, *addresses):
    """Asks all the while; yields the answers so far: a list of (address, answer)."""
    answers, trouble, enough = [], [], threading.Event()

    def ask():
        try:
            while not enough.is_set():
                for address in addresses:
                    answers.append((address, question(host, address)))
        except Exception as error:
            trouble.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield answers
    finally:
        enough.set()
        thread.join()
    assert not trouble, trouble
    assert len(answers) > len(addresses)


def heard(answers):
    """Address -> the set of its answers."""
    by_address = {}
    for address, answer in answers:
        by_address.setdefault(address, set()).add(answer)
    return by_address


def more_answers(answers, number):
    before = len(answers)
    until(f'{number} more answers', lambda: len(answers) >= before + number)


def overwrite(file, text, pieces, pause):
    """Changes a file in place, as some editors do: truncates it, then writes it piece by piece; the longest time
    between two steps."""
    longest, last = 0, time.monotonic()
    with open(file, 'r+b', buffering=0) as f:
        f.truncate(0)
        step = max(1, len(text) // pieces)
        for at in range(0, len(text), step):
            time.sleep(pause)
            f.write(text[at:at + step])
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
    return longest


def hangup(host):
    before = host.text().count(HANGUP)
    host.signal(signal.SIGHUP)
    until('SIGHUP has been obeyed', lambda: host.text().count(HANGUP) > before)


def comes_to(host, address, answer):
    until(f'the answer for {address!r} is {answer!r}', lambda: question(host, address) == answer)


# ---- what a delivery reads: within a second

def test_users_cdb_replaced_counts_within_a_second():
    late = ASSIGN.replace('+:', '=late:late:7001:7001:{qmail}/home/joe:::\n+:')
    with joes_host({'me': 'example.org\n'}) as host:
        for _ in range(5):
            counts_within_a_second(host, b'late@example.org', NO_ALIAS, b'\x90late', lambda: host.assign(late))
            counts_within_a_second(host, b'late@example.org', b'\x90late', NO_ALIAS, lambda: host.assign(ASSIGN))


def test_users_cdb_that_vanishes_and_returns_counts_as_for_a_delivery():
    """While it is away passwd decides, as for qmail-lspawn."""
    if namespaces.trouble():
        pytest.skip(f'needs a passwd of its own ({namespaces.trouble()})')
    host = Host(passwd=PASSWD, assign=ASSIGN, files={'home/joe/.qmail': ''})
    host.own(7001, 'home/joe')
    host.own(7790, 'alias')
    with host:
        place, aside = host.dir / 'users/cdb', host.dir / 'users/cdb~'
        counts_within_a_second(host, b'joe@example.org', JOE, NO_ALIAS, lambda: place.rename(aside))
        counts_within_a_second(host, b'joe@example.org', NO_ALIAS, JOE, lambda: aside.rename(place))


@pytest.mark.parametrize('header', ['first', 'last'])
def test_users_cdb_half_written_gives_no_wrong_answer(header):
    """Written in place, which qmail-newu never does: silence, or the answer of a whole file."""
    with joes_host({'me': 'example.org\n'}) as host:
        whole = (host.dir / 'users/cdb').read_bytes()
        cuts = sorted({*range(0, len(whole), len(whole) // 40), 2047, 2048, 2049, len(whole) - 1})
        for cut in cuts:
            half = whole[:cut]
            if header == 'last':  # as cdbmake writes: records and tables, then the header over zeros
                half = bytes(min(cut, 2048)) + whole[2048:cut]
            host.write('users/cdb', half)
            for address, right in ((b'joe@example.org', JOE), (b'joe-list@example.org', LIST),
                                   (b'none@example.org', NO_ALIAS), (b'joe-none@example.org', NO_JOE)):
                answer, line = host.ask(address)
                assert answer in (None, right), (cut, line)
        host.write('users/cdb', whole)
        assert host.ask(b'joe@example.org')[0] == JOE


class EtcHost(Host):
    """Its /etc is a folder of the test's, so that passwd can be replaced by rename, as vipw and useradd do."""

    def __init__(self, passwd, **more):
        namespaces.need_mounts()
        super().__init__(**more)
        self.etc('passwd', passwd)
        self.etc('group', qmailhost.GROUP)
        self.etc('nsswitch.conf', 'passwd: files\ngroup: files\n')

    def etc(self, name, text):
        self.write('etc/.new', text).rename(self.dir / 'etc' / name)

    def command(self):
        script = f'mount --make-rprivate / && mount --bind "{self.dir}/etc" /etc && exec "$0"'
        return ['unshare', '-m', 'sh', '-c', script, str(qmailhost.BUILD / 'qmail-verify')]


NEW = 'new:x:7100:7100::{qmail}/home/new:/bin/sh\n'


def test_passwd_changes_count_within_a_second():
    host = EtcHost(PASSWD, files={'home/new/.qmail': '', 'home/mew/.qmail-x': ''})
    host.own(7790, 'alias')
    host.own(7100, 'home/new', 'home/mew')
    with host:
        def append():
            with open(host.dir / 'etc/passwd', 'a') as f:
                f.write(host.fill(NEW))

        def same_size():
            text = (host.dir / 'etc/passwd').read_text()
            with open(host.dir / 'etc/passwd', 'r+') as f:
                f.write(text.replace('/home/new:', '/home/mew:'))

        address, known = b'new@example.org', b'\x90new'
        counts_within_a_second(host, address, NO_ALIAS, known, append)
        counts_within_a_second(host, address, known, NO_ALIAS, lambda: host.etc('passwd', PASSWD))
        for _ in range(5):
            counts_within_a_second(host, address, NO_ALIAS, known, lambda: host.etc('passwd', NEW + PASSWD))
            counts_within_a_second(host, address, known, NO_ALIAS, lambda: host.etc('passwd', PASSWD))
        counts_within_a_second(host, address, NO_ALIAS, known, lambda: host.etc('passwd', PASSWD + NEW))
        counts_within_a_second(host, b'new-x@example.org', b'\xe1new', b'\xa0new', same_size)


def test_a_passwd_that_is_changed_all_the_time_gives_no_wrong_answer():
    """A user that stands in each of the files is found in each."""
    host = EtcHost(PASSWD + NEW, files={'home/new/.qmail': ''})
    host.own(7790, 'alias')
    host.own(7100, 'home/new')
    with host, asked(host, b'new@example.org', b'none@example.org') as answers:
        for round_ in range(200):
            many = ''.join(f'user{n}:x:{8000 + n}:8000::/nonexistent:/bin/sh\n' for n in range(round_ % 50))
            host.etc('passwd', many + NEW + PASSWD if round_ % 2 else PASSWD + NEW + many)
        more_answers(answers, 4)
    assert heard(answers) == {b'new@example.org': {b'\x90new'}, b'none@example.org': {NO_ALIAS}}


def test_the_group_nofiles_counts_after_about_a_second():
    """User qmailp looks with it at the homes of passwd users, and must be let near."""
    passwd = PASSWD + 'joe:x:7001:7001::{qmail}/closed/joe:/bin/sh\n'
    host = EtcHost(passwd, files={'closed/joe/.qmail': ''})
    host.own(7790, 'alias')
    host.own(7001, 'closed/joe')
    os.chown(host.dir / 'closed', 0, 2108)
    (host.dir / 'closed').chmod(0o705)
    with host:
        assert question(host, b'joe@example.org') == NO_ALIAS, "the group nofiles may not search joe's folder"
        host.etc('group', qmailhost.GROUP.replace('nofiles:x:2108', 'nofiles:x:2109'))
        comes_to(host, b'joe@example.org', JOE)


def test_homes_count_within_a_second():
    with joes_host({'me': 'example.org\n'}) as host:
        file, home = host.dir / 'home/joe/.qmail-new', host.dir / 'home/joe'
        counts_within_a_second(host, b'joe-new@example.org', NO_JOE, LIST, lambda: file.write_text('&a@example.net\n'))
        counts_within_a_second(host, b'joe-new@example.org', LIST, b'\xa1joe', lambda: file.write_text('|exit 100\n'))
        counts_within_a_second(host, b'joe-new@example.org', b'\xa1joe', NO_JOE, file.unlink)
        counts_within_a_second(host, b'joe-new@example.org', NO_JOE, b'\xf0joe', lambda: home.chmod(0o1755))
        counts_within_a_second(host, b'joe-new@example.org', b'\xf0joe', NO_JOE, lambda: home.chmod(0o755))


# ---- under load, when what was seen before is kept

@contextlib.contextmanager
def loaded(host, *addresses):
    """Keeps 64 questions on their way, so that the daemon keeps whatever it may keep of the homes and files behind
    these addresses."""
    enough = threading.Event()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect(('127.0.0.1', host.port))
        s.settimeout(0.2)

        def load():
            sent = 0
            for _ in range(64):
                s.send(addresses[(sent := sent + 1) % len(addresses)])
            while not enough.is_set():
                try:
                    s.recv(4096)
                    s.send(addresses[(sent := sent + 1) % len(addresses)])
                except TimeoutError:  # some are silent: that is an answer, too
                    for _ in range(64):
                        s.send(addresses[(sent := sent + 1) % len(addresses)])

        thread = threading.Thread(target=load)
        thread.start()
        try:
            yield
        finally:
            enough.set()
            thread.join()


KEPT = ('=joe:joe:7001:7001:{qmail}/home/joe:::\n+joe-:joe:7001:7001:{qmail}/home/joe:-::\n'
        '+vp.example-:vp.example:7002:7002:{qmail}/home/vp:-::\n+ff-:ff:7004:7004:{qmail}/home/ff:-::\n'
        '+link-:joe:7001:7001:{qmail}/home/link:-::\n.\n')


def database(*pairs):
    return newu.cdb([(key.encode(), value.encode()) for key, value in pairs])


def replace(path, content):
    """As a careful program does it: beside its place, then renamed; the old owner."""
    new, st = path.with_name('.new'), path.stat()
    new.write_bytes(content)
    os.chown(new, st.st_uid, st.st_gid)
    new.rename(path)


def rewrite(path, content):
    """In place, without a moment in which it is shorter."""
    with open(path, 'r+b') as f:
        f.write(content)
        f.truncate()


@pytest.mark.parametrize('by', ['the address itself', 'many addresses'])
def test_under_load_each_kind_of_change_shows_within_a_second(by):
    vdelivermail = "| {qmail}/bin/vdelivermail '' bounce-no-mailbox\n"
    host = EtcHost(PASSWD, control={'me': 'example.org\n', 'virtualdomains': 'vp.example:vp.example\nff.example:ff\n'},
                   assign=KEPT, files={'home/joe/.qmail-list': '&a@example.net\n', 'home/new/.qmail': '',
                                       'home/other/.qmail-moved': '&a@example.net\n', 'home/one/.qmail-x': '',
                                       'home/two/.qmail-y': '', 'home/vp/.qmail-default': vdelivermail,
                                       'home/ff/.qmail-default': '|fastforward -d x.cdb\n',
                                       'bin/vdelivermail': '\x7fELF', 'bin/fastforward': '\x7fELF'})
    homes = host.dir / 'home'
    (homes / 'link').symlink_to('one')
    for program in ('vdelivermail', 'fastforward'):
        (host.dir / 'bin' / program).chmod(0o755)
    user = ('ann', 'x:7002:0::/home/vp/ann:NOQUOTA')
    (homes / 'vp/vpasswd.cdb').write_bytes(database(user))
    (homes / 'ff/x.cdb').write_bytes(database((':a@ff.example', '&b@example.net\0')))
    for uid, *names in ((7790, 'alias'), (7001, 'home/joe', 'home/other', 'home/one', 'home/two'),
                        (7002, 'home/vp'), (7004, 'home/ff'), (7100, 'home/new')):
        host.own(uid, *names)
    joe, assign = homes / 'joe', host.dir / 'users/cdb'
    late = KEPT.replace('=joe', '=late:joe:7001:7001:{qmail}/home/joe:::\n=joe', 1)

    def vp(name):
        return name + b'@vp.example'

    load = (b'joe@example.org', b'joe-list@example.org', b'joe-a-b-c@example.org', b'link-x@example.org',
            b'late@example.org', b'new@example.org', vp(b'ann'), vp(b'bob'), b'a@ff.example', b'b@ff.example')
    def changes(address, *steps):
        """Each step: what to do, and the answer from then on; the first is how it is."""
        old = steps[0]
        with loaded(host, address, *(load if by == 'many addresses' else ())):
            for change, new in steps[1:]:
                time.sleep(0.1)  # nothing that has not stood for 50 ms is kept
                counts_within_a_second(host, address, old, new, change)
                old = new

    with host:
        for _ in range(3):
            changes(b'joe-x@example.org', NO_JOE,
                    (lambda: (joe / '.qmail-x').write_text('&a@example.net\n'), LIST),
                    (lambda: (joe / '.qmail-x').write_text('|exit 100\n'), b'\xa1joe'),
                    (lambda: (joe / '.qmail-x').rename(joe / '.qmail-default'), b'\xc1joe'),
                    (lambda: (joe / '.qmail-default').unlink(), NO_JOE),
                    (lambda: (homes / 'other/.qmail-moved').rename(joe / '.qmail-x'), LIST),
                    (lambda: (joe / '.qmail-x').chmod(0o666), b'\xa0joe'),
                    (lambda: (joe / '.qmail-x').rename(homes / 'other/.qmail-moved'), NO_JOE))
            (homes / 'other/.qmail-moved').chmod(0o644)
            changes(b'joe-y@example.org', NO_JOE,
                    (lambda: joe.chmod(0o1755), b'\xf0joe'), (lambda: joe.chmod(0o757), b'\xf0joe'),
                    (lambda: joe.chmod(0o755), NO_JOE),
                    (lambda: (joe.rename(homes / 'away'), (homes / 'two').rename(joe)), LIST),
                    (lambda: (joe.rename(homes / 'two'), (homes / 'away').rename(joe)), NO_JOE))
            changes(b'link-y@example.org', NO_JOE,
                    (lambda: ((homes / 'new-link').symlink_to('two'), (homes / 'new-link').rename(homes / 'link')), LIST),
                    (lambda: ((homes / 'new-link').symlink_to('one'), (homes / 'new-link').rename(homes / 'link')), NO_JOE))
            changes(b'late@example.org', NO_ALIAS,
                    (lambda: host.assign(late), JOE), (lambda: host.assign(KEPT), NO_ALIAS),
                    (lambda: rewrite(assign, newu.cdb(newu.records(host.fill(late).encode()))), JOE),
                    (lambda: rewrite(assign, newu.cdb(newu.records(host.fill(KEPT).encode()))), NO_ALIAS))
            changes(b'new@example.org', NO_ALIAS,
                    (lambda: host.etc('passwd', PASSWD + NEW), b'\x90new'), (lambda: host.etc('passwd', PASSWD), NO_ALIAS))
            changes(vp(b'bob'), b'\xc1vp.example',
                    (lambda: replace(homes / 'vp/vpasswd.cdb', database(user, ('bob', user[1]))), b'\xc0vp.example'),
                    (lambda: rewrite(homes / 'vp/vpasswd.cdb', database(user)), b'\xc1vp.example'))
            changes(b'b@ff.example', b'\xc1ff',
                    (lambda: replace(homes / 'ff/x.cdb', database((':@ff.example', '&b@example.net\0'))), b'\xc0ff'),
                    (lambda: rewrite(homes / 'ff/x.cdb', database((':a@ff.example', '&b@example.net\0'))), b'\xc1ff'))
        assert 'worker' not in host.text()


# ---- locals and virtualdomains: as qmail-send

OLD_LISTS = {'locals': 'example.org\nback.example\nother.example\n',
             'virtualdomains': 'shop.example:joe\nmoved.example:joe\n'}
NEW_LISTS = {'locals': 'example.org\nmoved.example\nother.example\n',
             'virtualdomains': 'shop.example:joe\nback.example:joe\n'}
STEADY = {b'joe@example.org': {JOE}, b'none@example.org': {NO_ALIAS}, b'joe@other.example': {JOE},
          b'list@shop.example': {LIST}, b'none@shop.example': {NO_JOE}}
# By the old files moved.example is virtual and back.example local, by the new ones it is the other way round, and by a
# mixture one of the two is neither.
MOVED, BY_OLD, BY_NEW = b'joe@moved.example', NO_JOE, JOE
BACK = b'joe@back.example'


def set_lists(host, lists):
    for name, text in lists.items():
        host.control(name, text)


def test_sighup_takes_over_both_files_at_once_or_none():
    with joes_host({'me': 'example.org\n', **OLD_LISTS}) as host:
        with asked(host, MOVED, BACK, *STEADY) as answers:
            for round_ in range(20):
                new = round_ % 2 == 0
                set_lists(host, NEW_LISTS if new else OLD_LISTS)
                assert question(host, MOVED) == (BY_OLD if new else BY_NEW), 'not before SIGHUP'
                hangup(host)
                comes_to(host, MOVED, BY_NEW if new else BY_OLD)
                more_answers(answers, 10)
        assert heard(answers) == {MOVED: {BY_OLD, BY_NEW}, BACK: {BY_OLD, BY_NEW}, **STEADY}
        assert TAKEN_OVER not in host.text()


def test_sighup_takes_over_what_is_gone():
    """A domain that was removed, and a file: locals is then what control/me says."""
    with joes_host({'me': 'example.org\n', **OLD_LISTS}) as host:
        assert question(host, b'joe@other.example') == JOE
        (host.dir / 'control/locals').unlink()
        (host.dir / 'control/virtualdomains').unlink()
        assert question(host, b'joe@other.example') == JOE
        hangup(host)
        comes_to(host, b'joe@other.example', REMOTE)
        comes_to(host, b'list@shop.example', REMOTE)
        assert question(host, b'joe@example.org') == JOE
        assert TAKEN_OVER not in host.text()


def test_a_change_without_sighup_is_taken_over_after_ten_seconds_and_refuses_nothing_new():
    with joes_host({'me': 'example.org\n', 'locals': 'example.org\n'}) as host:
        begin = time.monotonic()
        host.control('locals', 'new.example\n')
        host.control('virtualdomains', 'example.org:joe\n')
        host.logged(f'control/locals, control/virtualdomains {TAKEN_OVER}, but an address is refused only where the '
                    'old files refuse it too; send SIGHUP to qmail-send and qmail-verify')
        assert time.monotonic() - begin >= 9.9
        comes_to(host, b'joe@new.example', JOE)
        assert question(host, b'joe@example.org') == JOE, 'the old files still accept it'
        assert question(host, b'list@example.org') == LIST, 'the new files accept it'
        assert question(host, b'none@example.org') == NO_JOE, 'both refuse it'
        assert question(host, b'none@new.example') == REMOTE, 'remote by the old files'
        hangup(host)
        comes_to(host, b'joe@example.org', NO_JOE)
        assert question(host, b'none@new.example') == NO_ALIAS
        assert host.text().count(TAKEN_OVER) == 1


def test_files_edited_in_place_count_when_they_are_whole_and_have_stood():
    """Truncated, then written in pieces, the daemon asked all the while; nobody sends SIGHUP."""
    with joes_host({'me': 'example.org\n', **OLD_LISTS}) as host:
        with asked(host, MOVED, BACK, *STEADY) as answers:
            for name, text in NEW_LISTS.items():
                overwrite(host.dir / 'control' / name, text.encode(), pieces=7, pause=0.2)
            whole = time.monotonic()
            assert {answer for address, answer in answers if address == MOVED} == {BY_OLD}
            host.logged(f'control/locals, control/virtualdomains {TAKEN_OVER}')
            assert time.monotonic() - whole >= 9.9, 'ten seconds from the last piece'
            comes_to(host, MOVED, BY_NEW)
            more_answers(answers, 10)
        assert heard(answers) == {MOVED: {BY_OLD, BY_NEW}, BACK: {JOE}, **STEADY}, 'and still nothing new is refused'
        assert host.text().count(TAKEN_OVER) == 1


def test_files_that_vanish_and_return_change_nothing():
    """The dance of editors: away under another name, for some seconds nothing or half of it there, then whole."""
    with joes_host({'me': 'example.org\n', **OLD_LISTS}) as host:
        files = [host.dir / 'control' / name for name in OLD_LISTS]
        with asked(host, MOVED, BACK, *STEADY) as answers:
            for file in files:
                file.rename(f'{file}~')
            end = time.monotonic() + 2.5  # the daemon looks once a second
            while time.monotonic() < end:
                more_answers(answers, 6)
            for file in files:
                os.rename(f'{file}~', file)
            for name, text in OLD_LISTS.items():
                (host.dir / 'control' / name).rename(host.dir / 'control' / f'{name}~')
                host.write(f'control/{name}', text[:9])
                more_answers(answers, 6)
                host.write(f'control/{name}', text)
            hangup(host)
            more_answers(answers, 12)
        assert heard(answers) == {MOVED: {BY_OLD}, BACK: {JOE}, **STEADY}
        assert TAKEN_OVER not in host.text() and 'cannot be read' not in host.text()


# ---- me, envnoathost and percenthack: at a start only

def test_sighup_does_not_take_over_what_qmail_send_reads_at_its_start_only():
    with joes_host({'me': 'example.org\n', 'envnoathost': 'example.org\n'}) as host:
        host.control('me', 'new.example\n')  # locals is what it says: there is no control/locals
        host.control('envnoathost', 'far.example\n')
        host.control('percenthack', 'example.org\n')
        hangup(host)
        began = time.monotonic()
        by_old = {b'joe@example.org': JOE, b'joe@new.example': REMOTE, b'none': NO_ALIAS,
                  b'joe%new.example@example.org': NO_ALIAS, b'none@new.example': REMOTE}
        assert {address: question(host, address) for address in by_old} == by_old

        host.logged(f'control/me, control/envnoathost, control/percenthack {TAKEN_OVER}')
        assert time.monotonic() - began >= 9.9
        by_both = {b'joe@example.org': REMOTE, b'joe@new.example': JOE, b'none': REMOTE,
                   b'joe%new.example@example.org': JOE, b'none@new.example': REMOTE}
        comes_to(host, b'joe@new.example', JOE)
        assert {address: question(host, address) for address in by_both} == by_both
        hangup(host)
        assert {address: question(host, address) for address in by_both} == by_both, 'a restart ends it, not SIGHUP'

        assert host.stop() == 0
        host.log.close()
        host.start()
        assert question(host, b'none@new.example') == NO_ALIAS


# ---- our own files: once they have stood for a second

POLICY_CHANGED = 'control/verifypolicy has changed: taken over'
POLICY = {'me': 'example.org\n', 'locals': 'example.org\nexample.net\n'}
OFF, OBSERVED = b'\xf0', b'\xf0alias'
# What half of the second would say is none of these: a word that cannot be read, or example.net judged.
OLD_POLICY = 'example.org:off\nexample.net:observe\n'
NEW_POLICY = 'example.org:observe\n# in between\nexample.net:off\n'
NONES = (b'none@example.org', b'none@example.net')


def test_a_policy_counts_when_it_has_stood_for_a_second():
    with joes_host({**POLICY, 'verifypolicy': OLD_POLICY}) as host:
        time.sleep(0.5)  # between two looks of the daemon
        began = time.monotonic()
        host.control('verifypolicy', NEW_POLICY)
        comes_to(host, NONES[0], OBSERVED)
        assert time.monotonic() - began >= 0.99
        assert question(host, NONES[1]) == OFF


@pytest.mark.parametrize('how', ['edited in place', 'moved away and back'])
def test_a_policy_in_between_does_not_count(how):
    """Steps so close to each other that nothing in between stands for a second."""
    for _ in range(10):
        with joes_host({**POLICY, 'verifypolicy': OLD_POLICY}) as host, asked(host, *NONES) as answers:
            if how == 'edited in place':
                longest = overwrite(host.dir / 'control/verifypolicy', NEW_POLICY.encode(), pieces=12, pause=0.2)
            else:
                longest = move_about(host, host.dir / 'control/verifypolicy')
            if longest < 0.9:
                host.logged(POLICY_CHANGED)
                comes_to(host, NONES[1], OFF)
                more_answers(answers, 4)
                assert heard(answers) == {NONES[0]: {OFF, OBSERVED}, NONES[1]: {OBSERVED, OFF}}
                assert host.text().count('verifypolicy') == 1, host.text()
                return
    pytest.skip('this machine is too busy: a step of a fifth of a second took a whole one')


def move_about(host, file):
    """An editor's dance, twice, the second time with the new text; the longest time that the file was away."""
    longest = 0
    for text, before in ((OLD_POLICY, 0.6), (NEW_POLICY, 1.3)):  # the daemon looks at 1, 2, 3 seconds
        time.sleep(before)
        file.rename(f'{file}~')
        gone = time.monotonic()
        time.sleep(0.7)
        host.control('verifypolicy', text)
        longest = max(longest, time.monotonic() - gone)
    return longest
