"""The mail hub: control/verifyroutes. A daemon asks others, and keeps what they say for a while."""
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

import pytest
import network
from packets import INVALID, TEMPORARY, VALID, field, parse, question
from qmailhost import BUILD, Host, quiet_port, until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason='needs root: users of its own')

ASSIGN = '=joe:joe:7001:7001:{qmail}/home/joe:::\n+:alias:7003:7003:{qmail}/alias:-::\n.\n'
NO_MAILBOX, DEFAULT_DELIVERY, POLICY_OBSERVE, POLICY_OFF = 16, 4, 49, 48
FLUSH = 7
SERVER_SILENT, ROUTE_LOOP, ROUTE_TROUBLE = 57, 58, 59


class Site(Host):
    """A host with its UNIX socket; its own domain has joe and no one else."""

    def __init__(self, domain, **control):
        super().__init__(assign=ASSIGN, files={'home/joe/Maildir/new': ''}, control={'me': f'{domain}\n', **control})
        self.own(7001, 'home/joe')
        self.own(7003, 'alias')
        self.path = self.dir / 's'
        self.env['LISTEN'] = f'127.0.0.1:{self.port},{self.path}'

    @property
    def at(self):
        return f'127.0.0.1:{self.port}'

    def tell(self, address, path=False, more=b''):
        """What it says about an address, by UDP or by the UNIX socket; None: nothing."""
        with socket.socket(socket.AF_UNIX if path else socket.AF_INET,
                           socket.SOCK_SEQPACKET if path else socket.SOCK_DGRAM) as s:
            s.settimeout(20)
            s.connect(str(self.path) if path else ('127.0.0.1', self.port))
            s.send(question(address) + more)
            return parse(s.recv(4096))

    def vrfy(self, *words):
        return subprocess.run([BUILD / 'qmail-vrfy', '-s', self.at, *words], capture_output=True, text=True, timeout=60)


def store():
    return Site('store.example')


def hub(routes, **control):
    return Site('hub.example', verifyroutes=routes, **control)


@pytest.mark.parametrize('path', [False, True], ids=['udp', 'socket'])
def test_a_routed_domain_is_asked_for_where_it_is(path):
    with store() as there, hub(f'store.example:{there.at}\n') as here:
        answer = here.tell(b'joe@store.example', path)
        assert answer == (VALID, DEFAULT_DELIVERY, b'joe')
        assert here.tell(b'nobody@Store.Example', path) == (INVALID, NO_MAILBOX, b'alias')
        here.logged(f'joe@store.example permitted for joe. default-delivery {there.at}\n')
        here.logged(f'nobody@Store.Example denied. no-mailbox {there.at}\n')
        there.logged('joe@store.example permitted for joe. default-delivery')


def test_what_is_local_is_judged_here_whatever_the_routes_say():
    with hub('hub.example:127.0.0.1:9\n:127.0.0.1:9\n', virtualdomains='virtual.example:joe\nexcept.virtual.example:\n') as here:
        assert here.tell(b'joe@hub.example').result == VALID
        assert here.tell(b'nobody@hub.example') == (INVALID, NO_MAILBOX, b'alias')
        assert here.tell(b'x@virtual.example').result == INVALID
        assert here.tell(b'x@except.virtual.example').reason == SERVER_SILENT, 'an exception is remote'


def test_what_is_not_routed_is_remote_as_ever():
    with hub('store.example:127.0.0.1:9\n') as here:
        assert here.tell(b'x@elsewhere.example').reason == 1
        assert here.tell(b'x@a.store.example').reason == 1


def test_answers_are_kept_for_a_while_and_forgotten_when_told():
    with store() as there, hub(f'store.example:{there.at}\n') as here:
        assert here.tell(b'joe@store.example').result == VALID
        asked = len(until('the store has been asked', there.decisions))
        assert here.tell(b'joe@STORE.example').result == VALID
        here.logged('joe@STORE.example permitted for joe. default-delivery kept\n')
        assert len(there.decisions()) == asked
        done = here.vrfy('--flush', 'store.EXAMPLE')
        assert (done.returncode, done.stdout) == (0, '1\n'), done
        here.logged('forgotten, as qmail-vrfy --flush wants it: 1 answers about store.EXAMPLE')
        assert here.tell(b'joe@store.example').result == VALID
        until('the store has been asked again', lambda: len(there.decisions()) == asked + 1)
        assert here.vrfy('--flush').stdout == '1\n'
        assert here.vrfy('--flush').stdout == '0\n'


def test_a_new_mailbox_is_found_within_a_second():
    with store() as there, hub(f'store.example:{there.at}\n') as here:
        assert here.tell(b'new@store.example').result == INVALID
        there.write('alias/.qmail-new', './Maildir/\n')
        there.own(7003, 'alias')
        begun = time.monotonic()
        until('the new mailbox is found', lambda: here.tell(b'new@store.example').result == VALID)
        assert time.monotonic() - begun < 8, 'a second, and what a loaded machine takes'


def test_a_valid_answer_serves_while_no_server_does_an_invalid_one_never():
    with hub('', verifylimits='keepvalid:1\nkeepstale:100\n') as here, store() as there:
        here.control('verifyroutes', f'store.example:{there.at}\n')
        here.logged('control/verifyroutes, or control/smtproutes which it follows, has changed: taken over')
        assert here.tell(b'nobody@store.example').result == INVALID
        assert here.tell(b'joe@store.example').result == VALID
        there.stop()
        fresh = re.escape('joe@store.example permitted for joe. default-delivery ')
        until('the kept answer is an old one',
              lambda: here.tell(b'joe@store.example').result == VALID and re.search(fresh + 'stale', here.text()))
        here.logged(f'control/verifyroutes: {there.at} does not answer: set aside, tried about once a second.')
        until('the kept invalid answer is over', lambda: here.tell(b'nobody@store.example').reason == SERVER_SILENT)
        here.logged(f'nobody@store.example not answered for UNKNOWN. server-silent {there.at}\n')
        there.start()
        until('the server is found again', lambda: here.tell(b'nobody@store.example').result == INVALID)
        here.logged(f'control/verifyroutes: {there.at} answers again.')


def test_silence_is_temporary_in_time_for_the_client():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(('127.0.0.1', 0))
        with hub(f'store.example:127.0.0.1:{silent.getsockname()[1]}\n') as here:
            for path in (False, True):
                assert here.tell(b'%d@store.example' % path, path)[:2] == (TEMPORARY, SERVER_SILENT)


def test_the_next_server_is_asked():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent, store() as there:
        silent.bind(('127.0.0.1', 0))
        with hub(f'store.example:127.0.0.1:{silent.getsockname()[1]},{there.at},127.0.0.1:{quiet_port()}\n') as here:
            for n in range(20):
                assert here.tell(b'nobody%d@store.example' % n).result == INVALID


def test_a_server_behind_a_unix_socket():
    with store() as there, hub(f'store.example:{there.path}\n') as here:
        assert here.tell(b'joe@store.example').result == VALID
        there.stop()
        assert here.tell(b'nobody@store.example').result == TEMPORARY
        there.start()
        until('it is found again', lambda: here.tell(b'nobody@store.example').result == INVALID)
        there.stop()


def test_control_smtproutes_is_followed():
    """To port 11113 of the hosts there, where nobody listens."""
    with hub(':smtproutes\n', smtproutes='a.example:127.0.0.9:26\nb.example:mail.b.example\nc.example:\n') as here:
        here.logged('control/smtproutes line 2: "mail.b.example": host names are not looked up')
        assert here.tell(b'x@b.example').reason == ROUTE_TROUBLE
        assert here.tell(b'x@c.example').reason == 1
        assert here.tell(b'x@a.example').reason == SERVER_SILENT
        here.logged('server-silent 127.0.0.9:11113\n')
        here.control('smtproutes', 'c.example:127.0.0.9\n')
        until('the change is in force', lambda: here.tell(b'x@c.example').reason == SERVER_SILENT)
        assert here.tell(b'x@b.example').reason == 1


def test_two_that_route_to_each_other_notice_the_circle():
    with hub('') as one, Site('other.example', verifyroutes=f'lost.example:{one.at}\n') as two:
        one.control('verifyroutes', f'lost.example:{two.at}\n')
        one.logged('has changed: taken over')
        answer = one.tell(b'joe@lost.example')
        assert answer[:2] == (TEMPORARY, ROUTE_LOOP)
        said = until('the circle is told', lambda: [line for line in (one.text() + two.text()).split('\n') if 'circle' in line])
        assert re.search(r'lost\.example: daemons ask each other in a circle: control/verifyroutes here names 127\.0\.0\.1:\d+ '
                         r'for it, and control/verifyroutes of 127\.0\.0\.1:\d+, which has just asked, names this host; take '
                         r'it out of one of them\.', said[0]), said
        one.logged('joe@lost.example not answered for UNKNOWN. route-loop')


def test_one_that_routes_to_itself_notices_it():
    here = hub('')
    here.control('verifyroutes', f'lost.example:{here.at}\n')
    with here:
        assert here.tell(b'joe@lost.example')[:2] == (TEMPORARY, ROUTE_LOOP)


def test_what_policy_says_of_a_routed_domain():
    with store() as there, Site('hub.example', verifyroutes=f':{there.at}\n',
                                verifypolicy='store.example:observe\noff.example:off\n') as here:
        assert here.tell(b'nobody@store.example') == (VALID, POLICY_OBSERVE, b'alias')
        here.logged(f'nobody@store.example permitted for alias. policy-observe no-mailbox {there.at}\n')
        assert here.tell(b'nobody@store.example')[:2] == (VALID, POLICY_OBSERVE)
        assert here.tell(b'nobody@off.example').reason == 1
        there.stop()
        assert here.tell(b'other@store.example')[:2] == (VALID, POLICY_OBSERVE)
        there.start()


def test_a_percent_is_undone_before_the_domain_is_looked_for():
    with store() as there, hub(f'store.example:{there.at}\n', percenthack='hub.example\n') as here:
        assert here.tell(b'joe%store.example@hub.example').result == VALID
        assert here.tell(b'nobody%store.example@hub.example').result == INVALID
        there.logged('nobody@store.example denied.')


def test_an_older_control_state_that_delivers_here_wins():
    """qmail-send still has the domain in locals until it is told: what it delivers is not refused."""
    with store() as there, hub(f'moved.example:{there.at}\n', locals='hub.example\nmoved.example\n') as here:
        assert here.tell(b'joe@moved.example').result == VALID
        here.control('locals', 'hub.example\n')
        until('the change is seen', lambda: 'control' in here.text() and here.tell(b'nobody@moved.example').reason != NO_MAILBOX
              or 'verified against both' in here.text())
        assert here.tell(b'joe@moved.example').result == VALID, 'by the control files of before'
        here.signal(signal.SIGHUP)
        until('the store is asked', lambda: re.search(r'joe@moved\.example .*' + re.escape(there.at), here.text())
              or here.tell(b'joe@moved.example') is None)


def test_the_process_that_asks_is_replaced():
    with store() as there, hub(f'store.example:{there.at}\n') as here:
        assert here.tell(b'joe@store.example').result == VALID

        def children():
            return {int(p) for p in pathlib.Path(f'/proc/{here.process.pid}/task/{here.process.pid}/children').read_text().split()}
        before = children()
        assert len(before) == 2, 'one that judges, one that asks'
        for pid in before:
            os.kill(pid, signal.SIGKILL)
            until('another one has taken its place', lambda: len(children()) == 2 and pid not in children())
        n = iter(range(10000))
        until('it answers again', lambda: here.tell(b'nobody%d@store.example' % next(n)).result == INVALID)
        assert here.tell(b'joe@store.example').result == VALID, 'what was kept is still there'
        here.logged('default-delivery kept')
        assert here.text().count('another one takes its place') == 2


def test_sigterm_waits_for_what_is_being_asked():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as slow:
        slow.bind(('127.0.0.1', 0))
        slow.settimeout(20)
        with hub(f'store.example:127.0.0.1:{slow.getsockname()[1]}\n') as here:
            with here.send(question(b'joe@store.example')) as client:
                asked, where = slow.recvfrom(4096)
                here.signal(signal.SIGTERM)
                at = asked.index(b'\0') + 1
                slow.sendto(b'\xa0joe\0' + asked[at:at + 24] + b'\0\5', where)
                client.settimeout(20)
                assert parse(client.recv(4096)) == (VALID, 5, b'joe')


def test_a_file_that_goes_and_comes():
    with store() as there, hub(f'store.example:{there.at}\n') as here:
        assert here.tell(b'nobody@store.example').result == INVALID
        (here.dir / 'control/verifyroutes').unlink()
        here.logged('control/verifyroutes is gone: no other server is asked.')
        assert here.tell(b'nobody@store.example').reason == 1
        here.control('verifyroutes', f'store.example:{there.at}\nother.example:store\n')
        here.logged('control/verifyroutes line 2: "store": host names are not looked up')
        assert here.tell(b'nobody@store.example').result == INVALID
        assert here.tell(b'nobody@other.example').reason == ROUTE_TROUBLE
        complaints = here.text().count('host names are not looked up')
        here.signal(signal.SIGHUP)
        until('the complaint is repeated', lambda: here.text().count('host names are not looked up') > complaints)


def test_counters_of_the_hub():
    with store() as there, hub(f'store.example:{there.at}\n') as here:
        here.tell(b'joe@store.example')
        here.tell(b'joe@store.example')
        text = here.vrfy('--stats=prometheus').stdout
        assert re.search(r'routed_total\{by="server"\} 1$', text, re.M), text
        assert re.search(r'routed_total\{by="kept"\} 1$', text, re.M), text
        assert re.search(r'servers_asked_total 1$', text, re.M), text


def test_only_who_is_on_this_host_may_have_answers_forgotten():
    with network.own('192.0.2.1', '192.0.2.2'):
        here = hub('store.example:127.0.0.1:9\n')
        here.env['LISTEN'] += f',192.0.2.1:{here.port}'
        with here, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind(('192.0.2.2', 0))
            s.sendto(question(b'') + field(FLUSH, b''), ('192.0.2.1', here.port))
            here.logged('ignored: only who is on this host may have answers forgotten')
            assert here.vrfy('--flush').returncode == 0
