"""How many addresses a second "qmail-vrfy -f" checks against the daemon, beside the
daemon's own rate just before."""
import os
import subprocess
import time

import classes
import rig

ADDRESSES_A_SECOND = 400_000  # so many lines for a second of options.seconds: 100,000 unless told otherwise
GOAL = 0.25  # of the daemon's own rate


def write_list(path, c, site, lines):
    """Addresses of a class: those that there are, or random names."""
    with open(path, 'w') as f:
        for i in range(lines):
            name = c.address.replace('%p', str(i % classes.count_of(c, site.sizes))).replace('%r', os.urandom(6).hex())
            f.write(name + '\n')


def check(build, c, server, path, lines, processor):
    """One run; addresses a second, or what is wrong with its answers."""
    pin = None if processor is None else (lambda: os.sched_setaffinity(0, {processor}))
    begun = time.monotonic()
    done = subprocess.run([build / 'qmail-vrfy', '-s', server, '-f', path], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, preexec_fn=pin)
    seconds = time.monotonic() - begun
    right = done.stdout.count(f'\t{c.expect}\t{c.reason}\t')
    if right != lines or done.stdout.count('\n') != lines:
        return None, f'{right:,} of {lines:,} answers are right; it said: {done.stderr[-300:].strip()}'
    return lines / seconds, None


def measure(bench, site, chosen):
    """Rows: by UDP and over a UNIX socket, each class."""
    rows = []
    path, lines = f'{site.place}/addresses', max(1, int(bench.options.seconds * ADDRESSES_A_SECOND))
    for how in ('by UDP', 'over a UNIX socket'):
        with rig.daemon(bench.build, site, bench.on, by_socket=how != 'by UDP') as ours:
            server, ours.socket = ours.socket or f'127.0.0.1:{ours.port}', ''  # the load asks by UDP, as for all classes
            for c in chosen:
                bench.out.say(f'  {c.title}, qmail-vrfy -f {how}')
                write_list(path, c, site, lines)
                rows.append({'how': how, 'class': c.key, 'lines': lines, **rounds(bench, site, c, ours, server, path, lines)})
    return rows


def rounds(bench, site, c, ours, server, path, lines):
    found = []
    for _ in range(bench.options.rounds):
        daemon = bench.ask(ours, c, site, in_flight=bench.options.in_flight, seconds=bench.options.seconds)['rate']
        rate, wrong = check(bench.build, c, server, path, lines, bench.load.processor)
        if wrong:
            bench.out.fail(f'qmail-vrfy -f, {c.title}: {wrong}')
            return {'rate': None, 'daemon': daemon, 'ratios': []}
        found.append((rate, daemon))
    middle = sorted(found)[len(found) // 2][0]
    return {'rate': middle, 'daemon': sorted(d for _, d in found)[len(found) // 2],
            'ratios': sorted(rate / daemon for rate, daemon in found)}


def show(out, name, rows):
    cells = [[row['how'], classes.BY_KEY[row['class']].title, row['lines'], round(row['daemon']), round(row['rate']),
              row['ratios'][len(row['ratios']) // 2], f"{row['ratios'][0]:.2f}-{row['ratios'][-1]:.2f}"]
             for row in rows if row['ratios']]
    if cells:
        out.table(f'{name}, qmail-vrfy -f', ['how', 'class', 'lines', 'ours/s', 'lines/s', 'of ours', 'min-max'], cells)
