"""System calls and instructions that a question costs, for before and after."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import classes
import rig

WARM, COUNTED = 500, 4000
SECONDS = 30


def ask(load, server, c, site, questions, in_flight):
    result = load.ask(server, c, site, questions=questions, in_flight=in_flight)
    if result['wrong'] or result['lost']:
        raise rig.Trouble(f'{c.title}: wrong or lost answers: {result}')


def worker_of(server):
    others = rig.children(server.process.pid)
    return others[-1] if others else server.process.pid


def tracer_of(pid):
    text = pathlib.Path(f'/proc/{pid}/status').read_text()
    return int(re.search(r'^TracerPid:\s*(\d+)', text, re.M)[1])


def system_calls(build, load, site, c, in_flight):
    """By name: calls a question, of the worker."""
    if not shutil.which('strace'):
        raise rig.Trouble('--cost needs strace')
    with tempfile.NamedTemporaryFile('r') as summary, rig.daemon(build, site) as server:
        ask(load, server, c, site, WARM, in_flight)
        pid = worker_of(server)
        trace = subprocess.Popen(['strace', '-f', '-c', '-o', summary.name, '-p', str(pid)], stderr=subprocess.DEVNULL)
        end = time.monotonic() + SECONDS
        while tracer_of(pid) == 0:
            if trace.poll() is not None or time.monotonic() > end:
                raise rig.Trouble('strace cannot attach to the worker')
            time.sleep(0.01)
        ask(load, server, c, site, COUNTED, in_flight)
        trace.send_signal(signal.SIGINT)
        trace.wait(SECONDS)
        text = summary.read()
    found = re.findall(r'^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$', text, re.M)
    return {name: int(n) / COUNTED for n, name in found if name != 'total'}


def by_perf(build, load, site, c, in_flight):
    """Instructions a question, in user space and in the kernel; None where perf cannot count."""
    if not shutil.which('perf'):
        return None
    events = ('instructions:u', 'instructions:k')
    with rig.daemon(build, site) as server, tempfile.NamedTemporaryFile('r') as summary:
        ask(load, server, c, site, WARM, in_flight)
        perf = subprocess.Popen(['perf', 'stat', '-x', ',', '-o', summary.name, '-e', ','.join(events), '-p',
                                 str(worker_of(server))], stderr=subprocess.DEVNULL)
        time.sleep(0.5)  # it does not say when it has begun
        ask(load, server, c, site, COUNTED, in_flight)
        perf.send_signal(signal.SIGINT)
        perf.wait(SECONDS)
        text = summary.read()
    counts = [re.search(rf'^(\d+),.*{event}', text, re.M) for event in events]
    return {event: int(n[1]) / COUNTED for event, n in zip(events, counts)} if all(counts) else None


def by_callgrind(build, load, site, c, in_flight):
    """Instructions a question in user space: what so many more of them cost more."""
    if not shutil.which('valgrind'):
        return None
    total = []
    for questions in (WARM, WARM + COUNTED):
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o1777)
            # it does not let a program lower the number of its descriptors, but to what it is
            before = ['sh', '-c', 'ulimit -n 256; exec "$@"', 'sh', 'valgrind', '-q', '--tool=callgrind', '--vgdb=no',
                      f'--callgrind-out-file={folder}/%p']
            with rig.daemon(build, site, before=before) as server:
                for part in (WARM, questions - WARM):
                    if part:
                        ask(load, server, c, site, part, in_flight)
            texts = [path.read_text(errors='replace') for path in pathlib.Path(folder).iterdir()]
            total.append(sum(int(n) for text in texts for n in re.findall(r'^(?:summary|totals): (\d+)', text, re.M)[:1]))
    return {'instructions:u (callgrind)': (total[1] - total[0]) / COUNTED}


def measure(options, out):
    c = classes.BY_KEY[options.cost]
    name = next((p for p in options.parts if p in classes.SITES), 'small')
    place = rig.place_for_homes(options.build, __file__, options.out, sys.prefix)
    load = rig.Load(options.build, None)
    load.PATIENCE = {**load.PATIENCE, 'daemon': SECONDS}
    with rig.Site(options.build, place, classes.SITES[name]) as site:
        for in_flight in (1, options.in_flight):
            calls = system_calls(options.build, load, site, c, in_flight)
            instructions = by_perf(options.build, load, site, c, in_flight) or \
                by_callgrind(options.build, load, site, c, in_flight)
            rows = [[call, n] for call, n in sorted(calls.items(), key=lambda item: -item[1]) if n >= 0.001]
            rows += [['all calls', sum(calls.values())], *([k, v] for k, v in (instructions or {}).items())]
            out.table(f'{c.title}, {name}: cost of a question, {in_flight} on their way', ['what', 'a question'], rows,
                      '' if instructions else 'instructions: neither perf nor valgrind could count them')
