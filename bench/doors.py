"""The doors: qmail-verify asked through qmail-verify-gate, in each protocol, and by
qmail-rcptcheck, beside direct questions in the same minute.

Gate and daemon share the servers' processor, as a host that runs both may have it, so
that a rate through a door is that of both together.
"""
import contextlib
import json
import os
import shutil
import socket
import subprocess
import time

import classes
import rig

# What the documentation of Qmail::Deliverable says of its own server, on which machine it does not say.
PUBLISHED = {'qmail_deliverabled': 300}
# protocol, over TCP rather than a UNIX socket, connections that are kept. As their servers use them: Postfix and
# qpsmtpd keep connections, Exim's readsocket and Haraka's plugin do not.
DOORS = [('socketmap', False, True), ('socketmap', True, True), ('policy', False, True), ('policy', True, True),
         ('tcp_table', True, True), ('line', False, True), ('line', False, False), ('line', True, False),
         ('qd1', True, True), ('qd1', True, False)]
RUNS = ('an empty static program', 'qmail-rcptcheck, not verifying', 'qmail-rcptcheck, by UDP', 'qmail-rcptcheck, over a UNIX socket')


def title(protocol, by_tcp, kept):
    return f"{protocol}, {'TCP' if by_tcp else 'UNIX'}{'' if kept else ', a connection each'}"


def spoken(build):
    """The protocols that this gate knows, by its usage."""
    said = subprocess.run([build / 'qmail-verify-gate', '-h'], capture_output=True, text=True)
    return set((said.stdout + said.stderr).replace(',', ' ').replace('|', ' ').split())


class Gate(rig.Server):
    """qmail-verify-gate, listening with each protocol over both kinds of sockets."""

    def __init__(self, build, site, store, processor, protocols):
        self.places = {(name, by_tcp): f'127.0.0.1:{rig.free_port()}' if by_tcp else f'{site.place}/{name}'
                       for name in protocols for by_tcp in (False, True)}
        command = [build / 'qmail-verify-gate', *(f'{name}={where}' for (name, _), where in self.places.items())]
        super().__init__('qmail-verify-gate', command, 0, {'VERIFY': f'STRICT,127.0.0.1:{store.port}'}, processor)

    def wait_until_it_answers(self):
        end = time.monotonic() + rig.STARTS_IN
        waited_for = list(self.places.values())
        while waited_for and time.monotonic() < end:
            if self.process.poll() is not None:
                raise rig.Trouble(f'{self.name} ended with status {self.process.returncode}: {self.last_words()}')
            if listens(waited_for[0]):
                waited_for.pop(0)
            else:
                time.sleep(0.005)
        if waited_for:
            raise rig.Trouble(f'{self.name} does not listen at {waited_for[0]}')


def listens(where):
    by_path = where.startswith('/')
    with socket.socket(socket.AF_UNIX if by_path else socket.AF_INET, socket.SOCK_STREAM) as s:
        try:
            s.connect(where if by_path else ('127.0.0.1', int(where.rpartition(':')[2])))
            return True
        except OSError:
            return False


# ---- through the gate

class Door:
    """One way to ask the gate."""

    def __init__(self, bench, site, gate, door):
        self.bench, self.site, self.gate, self.door, self.asked = bench, site, gate, door, {}

    def ask(self, c):
        """One round; what is wrong with its answers makes the run fail."""
        protocol, by_tcp, kept = self.door
        bench, first = self.bench, self.asked.get(c.key, 0)
        before = self.gate.cpu()
        result = json.loads(rig.run(
            bench.build / 'bench/doors_load', f'server={self.gate.places[protocol, by_tcp]}', f'protocol={protocol}',
            f'address={c.address}', f'expect={c.expect}', f'count={classes.count_of(c, self.site.sizes)}', f'first={first}',
            f"seed={int.from_bytes(os.urandom(8), 'little')}", f'connections={bench.options.in_flight}', f'kept={int(kept)}',
            f'seconds={bench.options.seconds}', 'timeout=5',
            *([f'processor={bench.load.processor}'] if bench.load.processor is not None else [])))
        self.asked[c.key] = first + result['sent']
        result['cpu_us'] = (self.gate.cpu() - before) * 1e6 / result['answered'] if result['answered'] else None
        wrong = [f'{result[key]:,} {key}' for key in ('wrong', 'lost') if result[key]]
        if wrong:
            bench.out.fail(f"{title(*self.door)}, {c.title}: of {result['sent']:,} answers {', '.join(wrong)}"
                           f" ({result['example']})")
        return result


def middle(values):
    values = sorted(value for value in values if value is not None)
    return values[len(values) // 2] if values else None


def of_class(bench, c, site, store, doors):
    """The rows of a class: rounds of the direct way and of each door take turns."""
    bench.warm_up(store, c, site)
    direct, through = [], {door: [] for door in doors}
    for _ in range(bench.options.rounds):
        direct.append(bench.ask(store, c, site, packets='extended', in_flight=bench.options.in_flight,
                                seconds=bench.options.seconds))
        for door in doors:
            through[door].append(door.ask(c))
    rows = [{'class': c.key, 'door': 'direct, UDP', 'rate': middle(r['rate'] for r in direct), 'ratio': 1.0, 'ratios': [],
             'cpu_us': None, 'p50': middle(r.get('latency', {}).get('p50') for r in direct)}]
    for door, found in through.items():
        ratios = [r['rate'] / d['rate'] for r, d in zip(found, direct) if d['rate']]
        rows.append({'class': c.key, 'door': title(*door.door), 'rate': middle(r['rate'] for r in found),
                     'ratio': middle(ratios), 'ratios': ratios, 'cpu_us': middle(r['cpu_us'] for r in found),
                     'p50': middle(r.get('latency', {}).get('p50') for r in found),
                     'busy': middle(r['busy'] for r in found)})
    return rows


def gate_rows(bench, site, store):
    known = spoken(bench.build)
    unknown = sorted({door[0] for door in DOORS} - known)
    doors = [door for door in DOORS if door[0] in known]
    rows = []
    with Gate(bench.build, site, store, bench.on, sorted({door[0] for door in doors})) as gate:
        asked = [Door(bench, site, gate, door) for door in doors]
        for c in bench.chosen():
            bench.out.say(f'  {c.title}, through each door')
            rows += of_class(bench, c, site, store, asked)
    return rows, unknown


# ---- qmail-rcptcheck

def runs(bench, site, store):
    """Runs of the whole program one after the other, beside an empty one: microseconds of each round."""
    bench.out.say('  qmail-rcptcheck')
    copies = [shutil.copy(bench.build / name, f'{site.place}/{number}')
              for number, name in enumerate(('bench/smtpd_empty', 'qmail-rcptcheck'))]
    programs = [(copies[0], {}), (copies[1], {}), (copies[1], {'VERIFY': f'STRICT,127.0.0.1:{store.port}'}),
                (copies[1], {'VERIFY': f'STRICT,{store.socket}'})]
    batch = max(1, int(bench.options.seconds * 200))
    rounds = {name: [] for name in RUNS}
    for _ in range(bench.options.rounds):
        for name, (program, verify) in zip(RUNS, programs):
            env = {'PATH': '/usr/bin:/bin', 'RECIPIENT': 'c0@local.example', 'SENDER': 'friend@example.net',
                   'TCPREMOTEIP': '192.0.2.25', **verify}
            done = subprocess.run([bench.build / 'bench/smtpd_spawn', '1', str(batch), '/dev/null', program], env=env,
                                  capture_output=True, text=True)
            if done.returncode != 0:  # as where a recipient that is there was refused
                raise rig.Trouble(f'{name}: {done.stderr.strip() or done.returncode}')
            rounds[name].append([float(value) for value in done.stdout.split()[1:]])
    empty = rounds[RUNS[0]]
    return [{'what': name, 'us': middle(r[0] for r in mine), 'runs': 1e6 / middle(r[0] for r in mine),
             'cpu_us': middle(r[1] for r in mine), 'of_empty': middle(r[0] / e[0] for r, e in zip(mine, empty)),
             'more_us': middle(r[0] - e[0] for r, e in zip(mine, empty))} for name, mine in rounds.items()]


# ---- the part

def measure(bench):
    with bench.site(classes.SITES['small']) as site, contextlib.ExitStack() as stack:
        by_path = rig.daemon(bench.build, site, bench.on, by_socket=True)
        store = stack.enter_context(by_path)
        path, store.socket = store.socket, None  # the direct questions go by UDP
        rows, unknown = gate_rows(bench, site, store)
        store.socket = path
        started = runs(bench, site, store)
    bench.out.json['doors'] = {'rows': rows, 'runs': started, 'published': PUBLISHED, 'not_spoken': unknown}
    show(bench, rows, started, unknown)


def show(bench, rows, started, unknown):
    cells = [[r['door'], classes.BY_KEY[r['class']].title, round(r['rate'] or 0), r['ratio'],
              f"{min(r['ratios']):.2f}-{max(r['ratios']):.2f}" if r['ratios'] else '', r['cpu_us'], r['p50']] for r in rows]
    name, rate = next(iter(PUBLISHED.items()))
    note = (f'{bench.options.in_flight} questions on their way, at a door on as many connections. Gate and daemon are on one '
            f'processor. CPU: of the gate alone.\nPublished, not measured: {name} answers {rate} a second, by its own '
            'documentation.')
    limited = sorted({r['door'] for r in rows if r.get('busy', 0) > 0.95})
    if limited:
        note += f"\nThe load was the limit, not the gate: {'; '.join(limited)}."
    if unknown:
        note += f"\nNot measured: {', '.join(unknown)}, which this qmail-verify-gate does not know."
    bench.out.table('the doors', ['door', 'class', 'answers/s', 'of direct', 'min-max', 'CPU us', 'p50 us'], cells, note)
    bench.out.table('qmail-rcptcheck: fork, exec, one question, exit', ['process', 'runs/s', 'us', 'CPU us', 'of empty', 'us more'],
                    [[r['what'], round(r['runs']), r['us'], r['cpu_us'], r['of_empty'], r['more_us']] for r in started],
                    'One after the other. What a machine needs for an empty program is the first line.')
