"""The hub: a qmail-verify that asks another one (control/verifyroutes), with few routes and with many.

The store is a real qmail-verify on the same processor, so that cold questions, each of
which it is asked, pay for both. Warm ones are answered with what the hub has kept.
"""
import contextlib
import pathlib
import shutil
import time

import classes
import rig

FEW = 10
GOALS = {'warm': 0.4, 'cold': 0.15, 'growth': 0.10, 'start': 1.0}

WARM = classes.Class('hub-warm', 'kept answer', 'x@h%p.hub.example', 'asked', 1, 'valid', 'dotqmail', None, None)
COLD = classes.Class('hub-cold', 'asked of the store', 'n%r@h%p.hub.example', 'asked', 1, 'invalid', 'no-mailbox', None, None)


class Asked:
    """What of the routes is asked for, as classes want to know it."""

    def __init__(self, domains):
        self.sizes = {'asked': domains, 'passwd': domains}


def route_all_to_one(site):
    """The store's host gets all domains of the hub as virtual ones of a user that it has."""
    path = pathlib.Path(site.qmail, 'control/virtualdomains')
    user = next(line.split(':', 1)[1] for line in path.read_text().splitlines() if line.startswith('d0.example:'))
    path.write_text(path.read_text() + f'.hub.example:{user}\n')


@contextlib.contextmanager
def hub(bench, site, store, routes):
    """The hub, and the seconds that it took until it answered."""
    place = pathlib.Path(site.place, f'hub{routes}')
    (place / 'control').mkdir(parents=True)
    (place / 'control/me').write_text('hub.example.net\n')
    (place / 'control/verifyroutes').write_text(
        ''.join(f'h{i}.hub.example:127.0.0.1:{store.port}\n' for i in range(routes)))
    port = rig.free_port()
    env = {'QMAILDIR': str(place), 'LISTEN': f'127.0.0.1:{port}', 'WORKERS': '1'}
    begun = time.monotonic()
    with rig.Server(f'the hub with {routes:,} routes', [bench.build / 'qmail-verify'], port, env, bench.on) as server:
        yield server, time.monotonic() - begun
    shutil.rmtree(place)


def rows_of(bench, echo, site, store, routes):
    """With so many routes: the start, and each way to ask."""
    rows = []
    with hub(bench, site, store, routes) as (server, seconds):
        for c, domains in ((WARM, FEW), (COLD, FEW), *([(WARM, routes)] if routes > FEW else [])):
            bench.out.say(f'  {c.title}, {routes:,} routes, {domains:,} domains asked for')
            asked = Asked(domains)
            if c is WARM:  # once each, so that they are kept
                bench.ask(server, c, asked, questions=domains, in_flight=bench.options.in_flight)
            rows.append({'routes': routes, 'domains': domains,
                         **bench.rates(echo, server, c, asked, packets='extended')})
    return seconds, rows


def measure(bench):
    with bench.site(classes.SITES['small']) as site, rig.Echo(bench.build, bench.on) as echo:
        route_all_to_one(site)
        with rig.daemon(bench.build, site, bench.on) as store:
            starts, rows = {}, []
            for routes in (FEW, bench.options.routes):
                starts[routes], more = rows_of(bench, echo, site, store, routes)
                rows += more
    bench.out.json['hub'] = {'start_seconds': starts, 'rows': rows}
    show(bench.out, starts, rows)


def show(out, starts, rows):
    cells = [[{c.key: c.title for c in (WARM, COLD)}[r['class']], r['routes'], r['domains'], round(r['echo']),
              round(r['rate']), r['ratio'], f"{min(r['ratios']):.2f}-{max(r['ratios']):.2f}", r['cpu_us'], r['cpu_ratio']]
             for r in rows]
    out.table('the hub: control/verifyroutes, and a store on the same processor',
              ['answer', 'routes', 'domains', 'echo/s', 'ours/s', 'of echo', 'min-max', 'CPU us', 'by CPU'], cells,
              'Extended packets. CPU: of the hub alone; the rate of what the store was asked is that of both together.\n'
              + '; '.join(f'{n:,} routes: answers after {s:.2f} s' for n, s in starts.items()) + '.')


def goals(found, goal):
    """found: what measure left in the JSON; goal(what, value, limit, met, where)."""
    many = max(found['start_seconds'])

    def ratio(key, routes, domains=FEW):
        return next(r['ratio'] for r in found['rows'] if (r['class'], r['routes'], r['domains']) == (key, routes, domains))
    for key, limit in (('hub-warm', GOALS['warm']), ('hub-cold', GOALS['cold'])):
        least = min(r['ratio'] for r in found['rows'] if r['class'] == key)
        goal(f'{key}, of echo', least, f'>= {limit}', least >= limit)
    loss = 1 - ratio('hub-warm', many) / ratio('hub-warm', FEW)
    goal(f'hub-warm, lost from {FEW} to {many:,} routes', loss, f"<= {GOALS['growth']}", loss <= GOALS['growth'])
    start = found['start_seconds'][many]
    goal(f'start with {many:,} routes, s', start, f"< {GOALS['start']}", start < GOALS['start'])
