"""The mail hub and its stores as hosts of their own: what a network does to questions and answers.

Network namespaces are the hosts: a client, which asks by UDP with a key of its own, a hub,
and three stores, on which one.example, two.example and three.example are; both.example
is on two of them. Each scenario asks about many addresses, many at a time, of which it is
known whether they exist. There is never a wrong answer, and temporary ones only where
there have to be. The numbers are printed: pytest -s, or -rP.

HOSTS_QUESTIONS in the environment: how many addresses of each domain are asked about at a
time (150). Loss and delay are made by a process of the test's own (wire.py), since not
every kernel has sch_netem.
"""
import collections
import contextlib
import itertools
import multiprocessing
import os
import pathlib
import random
import re
import select
import socket
import statistics
import subprocess
import sys
import time

import hosts
import pytest
from packets import CLIENT, INVALID, TEMPORARY, VALID, field, parse, question
from qmailhost import BUILD, DEADLINE, ROOT, Host, until
from sealing import Key

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason='needs root: networks of its own')

MANY = int(os.environ.get('HOSTS_QUESTIONS', '150'))
AT_ONCE = 128
PORT = 11113
TRY, TRIES = 0.3, 6  # the hub: seconds for one server, and how often it asks
RATE, FLOOD_SECONDS = 50000, 2
ASSIGN = '+joe-:joe:7001:7001:{qmail}/home/joe:-::\n+:alias:7003:7003:{qmail}/alias:-::\n.\n'
SERVER_SILENT, ROUTE_LOOP = 57, 58
DOMAINS = {'one.example': (1,), 'two.example': (2,), 'three.example': (3,), 'both.example': (2, 3)}
Told = collections.namedtuple('Told', 'address result reason seconds')


class Site(Host):
    """A host's daemon, in its place, with keys: (key, peer)."""

    def __init__(self, place, at, keys, **control):
        super().__init__(assign=ASSIGN, files={'home/joe/.qmail-ok-default': './Maildir/\n'}, control=control)
        self.own(7001, 'home/joe')
        self.own(7003, 'alias')
        self.place = place
        self.env['LISTEN'] = ','.join(f'{address}:{PORT}' for address in ['127.0.0.1', *at])
        self.keys(keys)

    def keys(self, keys):
        if keys is not None:
            self.control('verifykeys', ''.join(key.line(peer) for key, peer in keys))
            (self.dir / 'control/verifykeys').chmod(0o600)

    def start(self):
        with self.place.here():
            return super().start()


class Client:
    """Asks a hub by UDP, with a key or without; many questions at a time, each of them once."""

    def __init__(self, place, hub, key):
        self.key = key
        with place.here():
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect((hub, PORT))

    def ask(self, addresses, more=lambda: b''):
        waiting, told, addresses = {}, [], iter(addresses)
        while True:
            for address in itertools.islice(addresses, AT_ONCE - len(waiting)):
                nonce = os.urandom(16)
                datagram = question(address.encode(), nonce=nonce) + more()
                waiting[nonce] = address, time.monotonic()
                self.socket.send(self.key.question(datagram) if self.key else datagram)
            if not waiting:
                return told
            assert select.select([self.socket], [], [], DEADLINE)[0], f'no answer about {waiting.values()}'
            answer = self.socket.recv(4096)
            at = answer.index(b'\0', 1) + 9
            address, begun = waiting.pop(answer[at:at + 16])
            assert self.key is None or self.key.good(address.encode(), answer), answer
            told.append(Told(address, *parse(answer)[:2], time.monotonic() - begun))

    def one(self, address):
        return self.ask([address])[0]


numbers = itertools.count(1)


def mixed(*domains, count=MANY):
    """Addresses in each of the domains that nobody has asked for before; every other one exists."""
    made = [f'joe-{"ok" if n % 2 else "no"}-{next(numbers)}@{domain}' for domain in domains for n in range(count)]
    random.shuffle(made)
    return made


def known(address):
    return VALID if '-ok-' in address else INVALID


def judge(told, what, spared=lambda one: False, right=known):
    """Prints the numbers. No answer is wrong, none is temporary but where that is spared; how many these are."""
    temporary = [one for one in told if one.result == TEMPORARY]
    wrong = [one for one in told if one.result not in (right(one.address), TEMPORARY)]
    ms = [1000 * one.seconds for one in told]
    print(f'{what}: {len(told)} asked, {len(told) - len(temporary) - len(wrong)} right, {len(temporary)} temporary, '
          f'{len(wrong)} wrong; median {statistics.median(ms):.1f} ms, worst {max(ms):.1f} ms')
    assert not wrong
    assert {one.reason for one in temporary} <= {SERVER_SILENT}
    assert [one for one in temporary if not spared(one)] == []
    return len(temporary)


class Net:
    """The client, the hub and the stores 1 to 3; links: addresses at the hub's end and at the store's."""

    def __init__(self, cables, trouble=None, keyed=True, **hub_control):
        """trouble: what happens between hub and stores, for lossy(). keyed: have the stores keys?"""
        self.store, self.links = [None], [None]
        self.hub_place, self.client_place = cables.place(), cables.place()
        places = [cables.place() for _ in range(3)]
        self.key = Key('client', os.urandom(16))
        self.keys = [None, *(Key(f'store{n}', os.urandom(16)) for n in (1, 2, 3))]
        client_at, self.at = cables.cable(self.client_place, self.hub_place)
        for n, place in enumerate(places, 1):
            near, far = (cables.lossy(self.hub_place, place, seed=n, **trouble) if trouble
                         else cables.cable(self.hub_place, place))
            self.links.append((near, far))
            local = ''.join(f'{domain}\n' for domain, stores in DOMAINS.items() if n in stores)
            self.store.append(Site(place, [far], [(self.keys[n], near)] if keyed else None,
                                   me=f'store{n}.example\n', locals=local))
        routes = ''.join(f'{domain}:{",".join(map(self.server, stores))}\n' for domain, stores in DOMAINS.items())
        keys = [(self.keys[n], self.links[n][1]) for n in (1, 2, 3) if keyed] + [(self.key, client_at)]
        self.hub = Site(self.hub_place, [self.at, *(near for near, _ in self.links[1:])], keys,
                        me='hub.example\n', verifyroutes=routes, **hub_control)
        self.client = Client(self.client_place, self.at, self.key)

    def server(self, n):
        return f'{self.links[n][1]}:{PORT}'

    def cut(self, n, state='down'):
        """Pulls the plug at the store's end."""
        self.store[n].place.ip('link', 'set', self.links[n][0], state)


@contextlib.contextmanager
def network(**how):
    with hosts.cables() as cables, contextlib.ExitStack() as stack:
        net = Net(cables, **how)
        for site in [*net.store[1:], net.hub]:
            stack.enter_context(site)
        stack.enter_context(net.client.socket)
        yield net


def expected_at_most(told, part):
    """A bound that chance does not pass, nor a loaded machine, which loses some more."""
    mean = part * len(told)
    return mean + 6 * mean ** 0.5 + 0.01 * len(told) + 3


def lines_of(site, words):
    return [line for line in site.text().split('\n') if words in line]


# ---- a) nothing is wrong

def test_all_is_well():
    with network() as net:
        judge(net.client.ask(mixed(*DOMAINS)), 'all well, first questions')
        judge(net.client.ask(mixed(*DOMAINS)), 'all well')
        for n in (1, 2, 3):
            assert lines_of(net.store[n], ' denied. no-mailbox'), 'each store has been asked'


# ---- b) a store is cut off

def test_one_store_is_cut_off():
    with network(verifylimits='keepvalid:1\n') as net:
        before = net.client.ask(mixed(*DOMAINS))
        judge(before, 'before one is cut off')
        were = [one.address for one in before if one.result == VALID and one.address.endswith('@two.example')]
        net.cut(2)
        told = net.client.ask(mixed(*DOMAINS))
        judge(told, 'two cut off', lambda one: one.address.endswith('@two.example'))
        net.hub.logged(f'control/verifyroutes: {net.server(2)} does not answer: set aside')
        told = net.client.ask(mixed(*DOMAINS))
        silent = judge(told, 'two set aside', lambda one: one.address.endswith('@two.example'))
        assert silent == MANY, 'nothing is known of addresses that nobody has asked for'
        others = [one for one in told if not one.address.endswith('@two.example')]
        judge(others, 'of these, all other domains')
        assert statistics.median(one.seconds for one in others) < TRY, 'nobody waits for the silent server'
        until('what was kept has become old', lambda: net.client.one(were[0]).result == VALID
              and re.search(r'@two\.example permitted .* stale', net.hub.text()))
        judge(net.client.ask(were), 'kept answers of two, stale')
        net.cut(2, 'up')
        begun = time.monotonic()
        until('two answers again', lambda: net.client.one(mixed('two.example', count=1)[0]).result != TEMPORARY)
        print(f'two is back after {time.monotonic() - begun:.2f} s')
        judge(net.client.ask(mixed(*DOMAINS)), 'two joined again')


# ---- c) and d) packets are lost, or late

def test_a_fifth_of_all_packets_is_lost():
    with network(trouble={'loss': 0.2}) as net:
        told = net.client.ask(mixed(*DOMAINS))
        silent = judge(told, '20% lost each way', lambda one: True)
        part = (1 - 0.8 ** 2) ** TRIES
        aside = len(lines_of(net.hub, 'set aside'))
        print(f'expected {part * len(told):.1f} temporary; {aside} times a store was set aside')
        assert silent <= expected_at_most(told, part)


def test_each_packet_is_late():
    with network(trouble={'delay_ms': 80}) as net:
        told = net.client.ask(mixed(*DOMAINS))
        judge(told, '80 ms late each way')
        assert min(one.seconds for one in told) >= 0.16


# ---- e) a flood of forged answers

@contextlib.contextmanager
def flood(net, n):
    """From store n to the hub; yields its process, then prints what it reached."""
    near, far = net.links[n]
    words = [far, PORT, near, RATE, net.hub.process.pid, net.keys[n].name.decode()]
    with net.store[n].place.here():
        process = subprocess.Popen([sys.executable, ROOT / 'tests/e2e/flood.py', *map(str, words)],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with process:
        yield
        sent, seconds = process.communicate()[0].split()
        print(f'flood: {int(sent)} forged answers in {float(seconds):.2f} s, {int(sent) / float(seconds):.0f} a second')


def ignored(net):
    """Datagrams to where the hub asks from that were no answers."""
    with net.hub.place.here():
        done = subprocess.run([BUILD / 'qmail-vrfy', '-s', f'127.0.0.1:{PORT}', '--stats=prometheus'],
                              capture_output=True, text=True)
    return int(re.search(r'ignored_total\{why="no-answer"\} (\d+)$', done.stdout, re.M)[1])


@pytest.mark.parametrize('keyed', [True, False], ids=['keys', 'nonces'])
def test_forged_answers_are_not_believed(keyed):
    """Without keys one is safe from the second answer on: a server that nobody has heard may be a plain one."""
    with network(keyed=keyed) as net:
        if not keyed:
            judge(net.client.ask(mixed(*DOMAINS)), 'before the flood')
        told = []
        with flood(net, 1):
            end = time.monotonic() + FLOOD_SECONDS
            until('the flood has gone on for long enough', lambda: told.extend(net.client.ask(mixed(*DOMAINS)))
                  or time.monotonic() > end and ignored(net) > 1000)
        silent = judge(told, f'under a flood, {"keys" if keyed else "nonces alone"}', lambda one: True)
        assert silent <= expected_at_most(told, 0)
        print(f'{ignored(net)} of them were read and ignored')
        judge(net.client.ask(mixed(*DOMAINS)), 'after the flood')


# ---- what is not signed

@contextlib.contextmanager
def server(place, at, answers):
    """Says to each question what answers(question) gives: any number of datagrams."""
    with place.here():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((at, PORT))

    def serve():
        while True:
            datagram, where = s.recvfrom(65536)
            for answer in answers(datagram):
                s.sendto(answer, where)

    process = multiprocessing.get_context('fork').Process(target=serve)
    process.start()
    with s:
        try:
            yield
        finally:
            process.terminate()
            process.join()


def test_a_question_that_is_not_signed_is_not_answered():
    with network() as net:
        unsigned = Client(net.client_place, net.at, None)
        guessed = Client(net.store[3].place, net.links[3][0], Key('client', os.urandom(16)))
        with unsigned.socket, guessed.socket:
            datagram = question(b'joe-no-0@one.example')
            unsigned.socket.send(datagram)
            guessed.socket.send(guessed.key.question(datagram))
            judge(net.client.ask(mixed(*DOMAINS)), 'signed, while others ask without a key')
            net.hub.logged('ignored: it is not signed, and there is control/verifykeys')
            net.hub.logged(f'{net.links[3][1]} ignored: it is signed, but not with a key of control/verifykeys')
            assert select.select([unsigned.socket, guessed.socket], [], [], 0)[0] == []


def test_an_answer_that_is_not_signed_counts_for_nothing():
    """Who reads each question, and even has the key of another store, says that nobody exists."""
    with network() as net:
        def lies(asked):
            at = asked.index(b'\0')
            extended = b'\xe1alias\0' + asked[at + 1:at + 25] + b'\0\x10'
            yield b'\xe1alias'
            yield extended
            yield asked
            for key in (net.keys[2], Key('store1', net.keys[2].secret), Key('store1', os.urandom(16))):
                yield extended + key.seal(b'a', asked[:at], extended)

        net.store[1].stop()
        with server(net.store[1].place, net.links[1][1], lies):
            told = net.client.ask(mixed(*DOMAINS))
            silent = judge(told, 'lies from one', lambda one: one.address.endswith('@one.example'))
            assert silent == MANY
            net.hub.logged(f'an answer of {net.server(1)} is not signed with key store1 of control/verifykeys: ignored')
        net.store[1].start()
        until('one is believed again', lambda: net.client.one(mixed('one.example', count=1)[0]).result != TEMPORARY)
        judge(net.client.ask(mixed(*DOMAINS)), 'after the lies')


# ---- f) hubs that ask each other

def test_two_hubs_ask_each_other():
    with hosts.cables() as cables:
        places = [cables.place() for _ in range(3)]
        key, between = Key('client', os.urandom(16)), Key('between', os.urandom(16))
        client_at, at = cables.cable(places[0], places[1])
        first_at, second_at = cables.cable(places[1], places[2])
        first = Site(places[1], [at, first_at], [(key, client_at), (between, second_at)], me='first.example\n',
                     verifyroutes=f'lost.example:{second_at}:{PORT}\n')
        second = Site(places[2], [second_at], [(between, first_at)], me='second.example\n',
                      verifyroutes=f'lost.example:{first_at}:{PORT}\n')
        client = Client(places[0], at, key)
        with first, second, client.socket:
            told = client.ask(mixed('lost.example'))
            print(f'a circle: {len(told)} asked, all temporary; worst {1000 * max(one.seconds for one in told):.1f} ms')
            assert {one[1:3] for one in told} == {(TEMPORARY, ROUTE_LOOP)}
            first.logged('. route-loop')
            until('the circle is told', lambda: 'daemons ask each other in a circle' in first.text() + second.text())


# ---- g) a store of version 1.32

def test_a_store_of_version_1_32():
    """What it says was recorded. Names without a domain are left out: they are the hub's own."""
    recorded = re.findall(r'^CAPTURED\("([0-9a-f]*)", "([0-9a-f]+)"\)',
                          (ROOT / 'tests/unit/captured-1.32.inc').read_text(), re.M)
    says = {bytes.fromhex(asked)[:-1].decode(): bytes.fromhex(answer) for asked, answer in recorded}
    says = {address: answer for address, answer in says.items() if '@' in address}
    assert {answer[0] & 15 for answer in says.values()} == {VALID, INVALID}
    with hosts.cables() as cables:
        client_place, hub_place, old = [cables.place() for _ in range(3)]
        key = Key('client', os.urandom(16))
        client_at, at = cables.cable(client_place, hub_place)
        near, far = cables.cable(hub_place, old)
        hub = Site(hub_place, [at, near], [(key, client_at)], me='hub.example\n', verifyroutes=f':{far}:{PORT}\n',
                   verifylimits='keepvalid:0\nkeepinvalid:0\n')
        client = Client(client_place, at, key)
        with server(old, far, lambda asked: [says[asked[:asked.index(b'\0')].decode()]]), hub, client.socket:
            addresses = list(says) * max(MANY // 10, 1)
            random.shuffle(addresses)
            told = client.ask(addresses, lambda: field(CLIENT, os.urandom(4)))
            assert judge(told, 'recorded with 1.32', right=lambda address: says[address][0] & 15) == 0
