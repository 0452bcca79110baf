#!/usr/bin/python3
"""run.py --build DIR [--out DIR] [--peer PROGRAM] ...: how many answers a second.

Run by make bench; bench/README tells how to read what it prints. Needs root, but
changes nothing of this host.
"""
import argparse
import contextlib
import datetime
import os
import pathlib
import platform
import statistics
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import classes  # noqa: E402
import cost  # noqa: E402
import doors  # noqa: E402
import hub  # noqa: E402
import lists  # noqa: E402
import plot  # noqa: E402
import rig  # noqa: E402
from report import Out  # noqa: E402

PARTS = ['small', 'large', 'hub', 'doors', 'memory', 'plot', 'smtpd']
LARGE_NEEDS = 3 << 30  # bytes of memory, most of it for the homes on the tmpfs
GOALS = {'ratio': 0.5, 'growth_of_cost': 0.10, 'p50': 1.3, 'p99': 2.0, 'rss': 8 << 20, 'bytes_a_user': 150}


def median(values):
    return statistics.median(values)


class Bench:
    """What all parts share."""

    def __init__(self, options, out):
        self.options, self.out, self.build = options, out, options.build
        self.place = rig.place_for_homes(self.build, HERE, options.peer, options.out, os.getcwd(), sys.prefix)
        self.on, load_on = rig.processors()
        self.load = rig.Load(self.build, load_on)
        self.told = set()  # what the run has failed for

    def site(self, sizes):
        return rig.Site(self.build, self.place, sizes)

    def ask(self, server, c, site, **how):
        """One round; what is wrong with its answers makes the run fail."""
        result = self.load.ask(server, c, site, **how)
        wrong = [f'{result[key]:,} {key}' for key in ('wrong', 'lost', 'stray') if result[key]]
        if wrong and (server, c.key) not in self.told:
            self.told.add((server, c.key))
            example = f" ({result['example']})" if result['example'] else ''
            self.out.fail(f"{server.name}, {c.title}: of {result['sent']:,} answers {', '.join(wrong)}{example}")
        return result

    def rounds(self, servers, c, site, rounds=None, **how):
        """Rounds in turn, so that what else the machine does befalls all alike. By server: its rounds."""
        got = {server: [] for server in servers}
        how = {'in_flight': self.options.in_flight, 'seconds': self.options.seconds, **how}
        for _ in range(rounds or self.options.rounds):
            for server in servers:
                got[server].append(self.ask(server, c, site, **how))
        return got

    # ---- one class on one site

    def rates(self, echo, server, c, site, peer=None, **how):
        """A row's numbers: the rates of the echo, of the server and of the peer, and their ratios."""
        self.warm_up(server, c, site)
        got = self.rounds([echo, server] + ([peer] if peer else []), c, site, **how)
        e, s = got[echo], got[server]
        ratios = [b['rate'] / a['rate'] for a, b in zip(e, s)]
        for r in e + s:
            r['server_busy'] = r['cpu_us'] * r['rate'] / 1e6
        row = {'class': c.key, 'distinct': self.load.distinct(server, c, site),
               'echo': median(r['rate'] for r in e), 'rate': median(r['rate'] for r in s),
               'ratio': median(ratios), 'ratios': ratios, 'cpu_us': median(r['cpu_us'] for r in s),
               'echo_cpu_us': median(r['cpu_us'] for r in e),
               'cpu_ratio': median(a['cpu_us'] / b['cpu_us'] for a, b in zip(e, s)),
               'busy': {who: {'load': median(r['busy'] for r in of), 'server': median(r['server_busy'] for r in of)}
                        for who, of in (('echo', e), ('ours', s))},
               'lost': sum(r['lost'] for r in s)}
        if peer:
            p = got[peer]
            row |= {'peer': median(r['rate'] for r in p), 'peer_distinct': self.load.distinct(peer, c, site),
                    'peer_ratio': median(b['rate'] / a['rate'] for a, b in zip(e, p)),
                    'peer_cpu_us': median(r['cpu_us'] for r in p)}
        return row

    def warm_up(self, server, c, site):
        """Asks until each home that the class goes over has been looked into some times, as on a host that has been
        up for a while: the names of a class with more names than homes come at random, so that takes more of them."""
        names = classes.count_of(c, site.sizes)
        if names > 1000:
            homes = min(names, site.sizes['passwd'])
            self.load.ask(server, c, site, questions=4 * homes if names > homes else 3 * names, in_flight=self.options.in_flight)

    def latencies(self, echo, server, c, site, rate):
        """Microseconds at W=1, and at half the top rate, the same for both; medians of the rounds."""
        row = {'half_rate': rate / 2}
        short = {'seconds': self.options.seconds / 2, 'rounds': min(3, self.options.rounds)}
        for name, how in (('one', {'in_flight': 1}), ('half', {'rate': rate / 2})):
            got = self.timed([echo, server], c, site, **short, **how)
            for part in ('p50', 'p99'):
                e, s = ([r['latency'][part] for r in got[which]] for which in (echo, server))
                row |= {f'{name}_{part}': median(s), f'{name}_{part}_echo': median(e),
                        f'{name}_{part}_ratio': median(b / a for a, b in zip(e, s))}
        return row

    def timed(self, servers, c, site, **how):
        """Rounds of each in which something was answered: a short one on a busy machine may have nothing."""
        got = {server: [] for server in servers}
        for _ in range(10):
            for server, found in self.rounds(servers, c, site, packets='extended', **how).items():
                got[server] += [r for r in found if 'latency' in r]
            if all(got.values()):
                return got
        raise rig.Trouble(f'{c.title}: no question was answered in ten rounds: give it longer ones (--seconds)')

    # ---- one site

    def whole_site(self, name):
        with self.site(classes.SITES[name]) as site, rig.Echo(self.build, self.on) as echo:
            self.out.say(f"{name}: made in {site.seconds:.1f} s")
            with rig.daemon(self.build, site, self.on) as ours:
                rows = self.class_rows(echo, ours, site)
                memory = ours.memory()
            others = [] if name == 'large' else self.variants(echo, site)
            checked = [] if name == 'large' else lists.measure(self, site, self.chosen())
            result = {'sizes': site.sizes, 'classes': rows, 'memory': memory, 'variants': others, 'lists': checked}
        self.out.json.setdefault('sites', {})[name] = result
        self.print_site(name, result)

    def class_rows(self, echo, ours, site):
        rows = []
        for c in self.options.classes:
            self.out.say(f'  {c.title}')
            # of its own for each class: one that ends over a question is missing in one row only
            try:
                with rig.Peer(self.options.peer, site, self.on) if self.options.peer else contextlib.nullcontext() as peer:
                    row = self.rates(echo, ours, c, site, peer)
            except rig.Trouble as trouble:
                if not self.options.peer:
                    raise
                self.out.fail(f'{self.options.peer}, {c.title}: {trouble}')
                row = self.rates(echo, ours, c, site)
            rows.append(row | self.latencies(echo, ours, c, site, row['rate']))
        return rows

    def chosen(self):
        """The classes that are asked in other ways, too."""
        return [c for c in self.options.classes if c.key in ('cdb', 'passwd-miss')]

    def variants(self, echo, site):
        """The daemon run or asked in other ways, for few classes."""
        found = []
        for title, how, packets, flight in (
                ('extended packets', {}, 'extended', self.options.in_flight),
                ('with the log read by multilog', {'logs_to': self.multilog(site)}, 'plain', self.options.in_flight),
                ('over a UNIX socket', {'by_socket': True}, 'extended', self.options.in_flight),
                ('WORKERS=2, on all processors', {'workers': 2, 'processor': None}, 'plain', 64)):
            if 'logs_to' in how and not how['logs_to']:
                found.append({'variant': 'with the log read by multilog', 'why_not': 'there is no multilog'})
                continue
            with rig.daemon(self.build, site, **{'processor': self.on, **how}) as ours:
                load = self.load
                if how.get('processor', self.on) is None:
                    self.load = rig.Load(self.build, None)
                for c in self.chosen():
                    self.out.say(f'  {c.title}, {title}')
                    row = self.rates(echo, ours, c, site, packets=packets, in_flight=flight)
                    found.append({'variant': title, **row})
                self.load = load
        return found

    @staticmethod
    def multilog(site):
        program = rig.which('multilog')
        return [program, 't', 's1000000', 'n20', f'{site.place}/log'] if program else None

    # ---- tables

    def print_site(self, name, result):
        sizes = result['sizes']
        peer = any('peer' in row for row in result['classes'])
        header = ['class', 'addresses', 'echo/s', 'ours/s', 'of echo', 'min-max', 'CPU us', 'by CPU', 'p50 us', 'of echo',
                  'p99 us', 'of echo'] + (['peer/s', 'of echo', 'CPU us'] if peer else [])
        rows = []
        for row in result['classes']:
            cells = [classes.BY_KEY[row['class']].title, row['distinct'], round(row['echo']), round(row['rate']),
                     row['ratio'], f"{min(row['ratios']):.2f}-{max(row['ratios']):.2f}", row['cpu_us'],
                     row['cpu_ratio'], row['one_p50'], row['one_p50_ratio'], row['half_p99'], row['half_p99_ratio']]
            if peer:
                cells += [round(row['peer']), row['peer_ratio'], row['peer_cpu_us']]
            rows.append(cells)
        title = (f"{name}: {sizes['passwd']:,} passwd users, {sizes['cdb']:,} users/cdb entries, "
                 f"{sizes['domains']:,} virtual domains, K = {sizes['files']:,}, {sizes['vpopmail']:,} users in vpasswd.cdb")
        memory = result['memory']
        note = (f"plain packets, {self.options.in_flight} on their way; one worker, log to /dev/null; medians of "
                f"{self.options.rounds} rounds of {self.options.seconds:g} s.\np50: one question at a time; p99: at half of "
                f"ours/s, for both; extended packets.\nResident after that: parent {mib(memory['parent']['rss'])}, worker "
                f"{mib(memory['worker']['rss'])}, {mib(memory['worker']['anon'])} of it private.")
        self.out.table(title, header, rows, note)
        self.print_latencies(name, result)
        if result['variants']:
            self.print_variants(name, result['variants'])
        lists.show(self.out, name, result['lists'])
        self.warn_of_the_load(result)

    def print_latencies(self, name, result):
        header = ['class', 'p50', 'echo', 'ratio', 'p99', 'echo', 'ratio', 'half/s', 'p50', 'echo', 'ratio', 'p99', 'echo',
                  'ratio']
        of = [(load, part) for load in ('one', 'half') for part in ('p50', 'p99')]
        rows = []
        for row in result['classes']:
            cells = [row[f'{load}_{part}{whose}'] for load, part in of for whose in ('', '_echo', '_ratio')]
            rows.append([classes.BY_KEY[row['class']].title, *cells[:6], round(row['half_rate']), *cells[6:]])
        self.out.table(f'{name}, latency in microseconds: one question at a time, then half/s questions a second', header, rows)

    def print_variants(self, name, variants):
        header = ['how', 'class', 'addresses', 'echo/s', 'ours/s', 'of echo', 'min-max', 'CPU us', 'by CPU']
        rows = [[v['variant'], classes.BY_KEY[v['class']].title, v['distinct'], round(v['echo']), round(v['rate']),
                 v['ratio'], f"{min(v['ratios']):.2f}-{max(v['ratios']):.2f}", v['cpu_us'],
                 v['cpu_ratio']] for v in variants if 'class' in v]
        note = '\n'.join(f"not measured {v['variant']}: {v['why_not']}" for v in variants if 'why_not' in v)
        self.out.table(f'{name}, in other ways', header, rows, note)

    def warn_of_the_load(self, result):
        for who in ('echo', 'ours'):
            slow = [r['class'] for r in result['classes']
                    if r['busy'][who]['load'] > 0.95 and r['busy'][who]['server'] < 0.9]
            if slow:
                print(f"Note: the load was the limit, not {'the echo' if who == 'echo' else 'qmail-verify'}, for "
                      f"{', '.join(slow)}.")

        disturbed = [r['class'] for r in result['classes']
                     if max(r['busy']['echo']['load'], r['busy']['echo']['server']) < 0.9]
        if disturbed:
            print(f"Note: other programs had a part of both processors, so that rates and their ratios say little "
                  f"(\"by CPU\" says more) for {', '.join(disturbed)}.")

    # ---- memory

    def memory(self):
        """What a passwd user costs: two sites that differ in nothing else."""
        rows, used = [], {}
        with_all = [classes.BY_KEY[key] for key in ('cdb', 'virtual', 'virtual-miss', 'passwd', 'passwd-miss')]
        for name in ('small', 'many-passwd'):
            with self.site(classes.SITES[name]) as site, rig.daemon(self.build, site, self.on) as ours:
                self.out.say(f'memory, {name}')
                for c in with_all:
                    self.ask(ours, c, site, in_flight=self.options.in_flight, seconds=self.options.seconds)
                m = used[name] = ours.memory()
            rows += [[name, site.sizes['passwd'], who,
                      *(mib(m[who][part]) for part in ('rss', 'anon', 'file', 'shared', 'part'))] for who in m]
        users = classes.SITES['many-passwd']['passwd'] - classes.SITES['small']['passwd']
        small, many = (sum(m['rss'] for m in used[name].values()) for name in ('small', 'many-passwd'))
        growth = (many - small) / users
        self.out.json['memory'] = {**used, 'bytes_a_passwd_user': growth}
        self.out.table('resident memory', ['site', 'passwd users', 'process', 'RSS', 'private', 'of files', 'shared', 'part'],
                       rows, f'They grow by {growth:.0f} bytes for each passwd user, each worker once.')

    # ---- the plot

    def plot(self):
        points = []
        sites = [classes.plot_site(n) for n in classes.PLOT_SIZES]
        chosen = [c for c in self.options.classes if c.key in classes.PLOTTED]
        for sizes in sites:
            self.out.say(f"plot, {sizes['passwd']:,} users")
            with self.site(sizes) as site, rig.Echo(self.build, self.on) as echo:
                points += self.plot_site(echo, site, chosen)
        for row in self.out.json.get('sites', {}).get('large', {}).get('classes', []):
            if row['class'] in classes.PLOTTED:
                size = classes.SITES['large'][classes.BY_KEY[row['class']].grows]
                points = [p for p in points if (p['class'], p['size']) != (row['class'], size)]
                points.append({'size': size, **row})
        self.out.json['plot'] = sorted(points, key=lambda p: (p['class'], p['size']))
        self.print_plot(chosen, self.out.json['plot'])

    def plot_site(self, echo, site, chosen):
        short = {'seconds': self.options.seconds / 2, 'rounds': min(3, self.options.rounds)}
        with contextlib.ExitStack() as stack:
            ours = stack.enter_context(rig.daemon(self.build, site, self.on))
            peer = stack.enter_context(rig.Peer(self.options.peer, site, self.on)) if self.options.peer else None
            return [{'size': site.sizes[c.grows], **self.rates(echo, ours, c, site, peer, **short)} for c in chosen]

    def print_plot(self, chosen, points):
        at = {(p['class'], p['size']): p for p in points}
        xs = sorted({p['size'] for p in points})
        rows = []
        for c in chosen:
            for who, key in (('', 'ratio'), (', peer', 'peer_ratio')):
                cells = [at.get((c.key, x), {}).get(key) for x in xs]
                if any(cell is not None for cell in cells):
                    rows.append([c.title + who, *cells])
        self.out.table('ratio to the echo by size of the site', ['users, entries or domains', *(f'{x:,}' for x in xs)], rows,
                       'Sites of so many passwd users, users/cdb entries and virtual domains; the largest are of "large".')
        why_not = plot.write(self.options.out / 'rates.svg', points, self.options.peer_name)
        print(f"\nplot: {self.options.out / 'rates.svg'}" if not why_not else f'\nno plot: {why_not}')

    # ---- what was to be reached

    def goals(self):
        sites = self.out.json.get('sites', {})
        rows = []

        def goal(what, value, limit, met, where=''):
            rows.append([what, value, limit, 'yes' if met else 'NO', where])

        for name, site in sites.items():
            for what, key, limit, least in (('slowest class, of echo', 'ratio', GOALS['ratio'], True),
                                            ('p50 one at a time, of echo', 'one_p50_ratio', GOALS['p50'], False),
                                            ('p99 at half load, of echo', 'half_p99_ratio', GOALS['p99'], False)):
                worst = (min if least else max)(site['classes'], key=lambda r: r[key])
                goal(f'{what}, {name}', worst[key], f"{'>=' if least else '<='} {limit}",
                     worst[key] >= limit if least else worst[key] <= limit, worst['class'])
        for name, site in sites.items():
            for row in site['lists']:
                ratio = row['ratios'][len(row['ratios']) // 2] if row['ratios'] else 0
                goal(f"qmail-vrfy -f {row['how']}, of ours, {name}", ratio, f'>= {lists.GOAL}', ratio >= lists.GOAL, row['class'])
        if 'small' in sites and 'large' in sites:
            large = {r['class']: r['ratio'] for r in sites['large']['classes']}
            loss, key = max((1 - large[r['class']] / r['ratio'], r['class']) for r in sites['small']['classes'])
            goal('lost from small to large', loss, f"<= {GOALS['growth_of_cost']}", loss <= GOALS['growth_of_cost'], key)
        if 'hub' in self.out.json:
            hub.goals(self.out.json['hub'], goal)
        if 'memory' in self.out.json:
            m = self.out.json['memory']
            each = m['bytes_a_passwd_user']
            for what, n in (*((f'{who}, small, MiB', m['small'][who]['rss']) for who in m['small']),
                            ('both, shared pages once, MiB', sum(one['part'] for one in m['small'].values()))):
                goal(what, n / 2**20, '<= 8', n <= GOALS['rss'])
            goal('bytes for each passwd user', each, f"<= {GOALS['bytes_a_user']}", each <= GOALS['bytes_a_user'])
        if rows:
            self.out.json['goals'] = rows
            self.out.table('what is to be reached', ['what', 'measured', 'goal', 'met', 'class'], rows)


def mib(n):
    return f'{n / 2**20:.1f} MiB'


def memory_available():
    for line in open('/proc/meminfo'):
        if line.startswith('MemAvailable:'):
            return int(line.split()[1]) * 1024
    return 0


def host():
    model = next((line.split(':', 1)[1].strip() for line in open('/proc/cpuinfo') if line.startswith('model name')),
                 platform.machine())
    systemd = any(pathlib.Path('/').glob(f'{d}/libnss_systemd.so.2') for d in ('usr/lib/*', 'lib/*', 'lib64', 'usr/lib64'))
    return {'date': datetime.datetime.now(datetime.timezone.utc).strftime('%Y-%m-%d %H:%M UTC'), 'kernel': platform.release(),
            'processor': model, 'processors': len(os.sched_getaffinity(0)), 'load_average': os.getloadavg()[0],
            'libnss_systemd': systemd}


def print_host(h):
    print(f"{h['date']}, {h['processors']} x {h['processor']}, Linux {h['kernel']}, load average {h['load_average']:.1f}")
    if h['load_average'] > 0.5:
        print('Note: other programs are running; rates will be lower and latencies higher than they are alone.')
    if h['processors'] < 2:
        print('Note: one processor for servers and load: all rates are lower than on two.')
    if not h['libnss_systemd']:
        print('Note: no libnss_systemd here (package libnss-systemd): "systemd" in nsswitch.conf costs nothing.')


def run_smtpd(out):
    if not (HERE / 'smtpd.py').exists():
        return
    import smtpd
    smtpd.run(out)


def measure(options, out):
    bench = Bench(options, out)
    out.json['host'] = host()
    out.json['options'] = {k: str(getattr(options, k)) for k in ('seconds', 'rounds', 'in_flight', 'peer')}
    print_host(out.json['host'])
    for part in options.parts:
        if part == 'hub':
            hub.measure(bench)
        elif part == 'doors':
            doors.measure(bench)
        elif part == 'memory':
            bench.memory()
        elif part == 'plot':
            bench.plot()
        elif part == 'smtpd':
            run_smtpd(out)
        elif part == 'large' and memory_available() < LARGE_NEEDS:
            print('\nlarge: not measured, its homes need 3 GB of free memory')
        else:
            bench.whole_site(part)
    bench.goals()


def read_options():
    parser = argparse.ArgumentParser(description='Answers a second, see bench/README.', allow_abbrev=False)
    parser.add_argument('--build', required=True, type=pathlib.Path, help='the build directory')
    parser.add_argument('--out', type=pathlib.Path, help='where results.json and rates.svg go (default: BUILD/../bench)')
    parser.add_argument('--peer', type=pathlib.Path, help='another qmail-verify to compare with, of 1.32 for instance')
    parser.add_argument('--peer-name', default='peer', help='what the plot calls it')
    parser.add_argument('--seconds', type=float, default=0.25, help='length of a round (default: 0.25)')
    parser.add_argument('--rounds', type=int, default=5, help='rounds of each (default: 5)')
    parser.add_argument('--in-flight', type=int, default=32, help='questions on their way (default: 32)')
    parser.add_argument('--nice', type=int, default=0, help='-20: servers and load run before all other programs')
    parser.add_argument('--only', metavar='CLASS,...', help='only these: ' + ', '.join(classes.BY_KEY))
    parser.add_argument('--sites', metavar='PART,...', default=','.join(PARTS),
                        help='only these parts: ' + ', '.join([*PARTS, 'tiny']))
    parser.add_argument('--routes', type=int, default=100_000, help='routes of the larger hub (default: 100,000)')
    parser.add_argument('--cost', metavar='CLASS', help='instead: system calls and instructions a question')
    options = parser.parse_args()
    options.build = options.build.resolve()
    options.out = (options.out or options.build.parent / 'bench').resolve()
    options.parts = options.sites.split(',')
    names = options.only.split(',') if options.only else list(classes.BY_KEY)
    for name in names + ([options.cost] if options.cost else []):
        if name not in classes.BY_KEY:
            parser.error(f"no class {name}; there are {', '.join(classes.BY_KEY)}")
    for part in options.parts:
        if part not in [*PARTS, *classes.SITES]:
            parser.error(f"no part {part}; there are {', '.join([*PARTS, 'tiny'])}")
    for program in ('qmail-verify', 'qmail-vrfy', 'bench/site', 'bench/load', 'bench/echo',
                    *(('qmail-verify-gate', 'qmail-rcptcheck', 'bench/doors_load') if 'doors' in options.parts else ())):
        if not (options.build / program).exists():
            parser.error(f'{options.build / program} is missing: run "make programs bench-tools"')
    if options.peer and not os.access(options.peer, os.X_OK):
        parser.error(f'{options.peer}: not a program')
    options.classes = [classes.BY_KEY[name] for name in names]
    return options


def main():
    options = read_options()
    out = Out(options.build, options)
    begun = time.monotonic()
    try:
        rig.enter()
        options.out.mkdir(parents=True, exist_ok=True)
        os.nice(options.nice)
        if options.cost:
            cost.measure(options, out)
        else:
            measure(options, out)
            out.write_json(options.out / 'results.json')
            print(f"\n{options.out / 'results.json'}, {time.monotonic() - begun:.0f} s")
    except rig.Trouble as trouble:
        print(trouble, file=sys.stderr)
        return 1
    return 1 if out.failures else 0


if __name__ == '__main__':
    sys.exit(main())
