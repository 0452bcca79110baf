"""The plot of answers a second against the size of a site, by gnuplot."""
import shutil
import subprocess

import classes

SETTINGS = """set terminal svg size 900,620 dynamic font 'sans-serif,13' background '#ffffff'
set output '{path}'
set title 'Answers a second, one worker on one processor'
set logscale x
set format x '%.0s%c'
{y}
set format y '%.0s%c'
set xlabel 'passwd users, users/cdb entries or virtual domains'
set ylabel 'answers a second'
set grid
set key below maxcols 3 samplen 2
"""


def series(points, key, peer):
    """What is drawn: a title, the style, and the points of each line. peer: the other daemon's name."""
    lines = [('UDP echo', 'lc rgb "#888888" lw 2 pt 0', echo_line(points))]
    colours = ['#1f77b4', '#2ca02c', '#d62728', '#9467bd', '#ff7f0e']
    for colour, name in zip(colours, key):
        of_class = sorted((p for p in points if p['class'] == name), key=lambda p: p['size'])
        title = classes.BY_KEY[name].title
        lines.append((title, f'lc rgb "{colour}" lw 2 pt 7', [(p['size'], p['rate']) for p in of_class]))
        lines.append((f'{title}, {peer}', f'lc rgb "{colour}" lw 1 dt 2 pt 6',
                      [(p['size'], p['peer']) for p in of_class if 'peer' in p]))
    return [line for line in lines if line[2]]


def echo_line(points):
    sizes = sorted({p['size'] for p in points})
    of = {x: sorted(p['echo'] for p in points if p['size'] == x) for x in sizes}
    return [(x, rates[len(rates) // 2]) for x, rates in of.items()]


def write(path, points, peer):
    """Why there is no plot; None: there is one. Rates of a peer are so far from the others that only a
    logarithmic scale shows both."""
    if not shutil.which('gnuplot'):
        return 'there is no gnuplot (package gnuplot-nox)'
    lines = series(points, classes.PLOTTED, peer)
    if not lines:
        return 'nothing was measured for it'
    script = SETTINGS.format(path=path, y='set logscale y' if any('peer' in p for p in points) else 'set yrange [0:*]')
    script += 'plot ' + ', '.join(f"'-' using 1:2 with linespoints {style} title '{title}'" for title, style, _ in lines)
    for _, _, data in lines:
        script += '\n' + '\n'.join(f'{x} {y:.0f}' for x, y in data) + '\ne'
    done = subprocess.run(['gnuplot'], input=script + '\n', capture_output=True, text=True)
    return done.stderr.strip() or None if done.returncode else None
