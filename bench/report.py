"""What `make bench` prints and keeps: aligned tables, a JSON file, a plot.

A part of the benchmark gets an Out and calls it; nothing else is shared:

    def run(out):
        out.say('sessions a second')                  # progress, to standard error
        out.table('qmail-smtpd', ['what', 'ms', 'of cat'],
                  [['ours', 41.2, 0.81], ['cat', 51.0, 1.0]],
                  note='100 MB through one session; medians of 5 rounds.')
        out.json['smtpd'] = {'message_100mb': {'ours_ms': 41.2, 'cat_ms': 51.0}}
        if lost:
            out.fail('3 of 100 sessions were not answered')

Cells may be text, whole numbers, floats (shown with three significant digits) or
None (shown as "-": not measured). The first column is aligned to the left, the
others to the right where all their cells are numbers or None.
"""
import json
import sys


def shown(cell):
    if cell is None:
        return '-'
    if isinstance(cell, bool) or isinstance(cell, str):
        return str(cell)
    if isinstance(cell, int):
        return f'{cell:,}'
    if cell != 0 and abs(cell) < 0.001:
        return f'{cell:.1e}'
    digits = max(0, 2 - (len(str(int(abs(cell)))) - 1 if abs(cell) >= 1 else 0))
    if abs(cell) < 0.1:
        digits = 3
    return f'{cell:,.{digits}f}'


def is_number(cell):
    return cell is None or (isinstance(cell, (int, float)) and not isinstance(cell, bool))


def aligned(header, rows):
    """The table as lines of text."""
    texts = [list(header)] + [[shown(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in texts) for i in range(len(header))]
    right = [i > 0 and all(is_number(row[i]) for row in rows) for i in range(len(header))]
    lines = []
    for row in texts:
        cells = [text.rjust(width) if to_right else text.ljust(width)
                 for text, width, to_right in zip(row, widths, right)]
        lines.append('  '.join(cells).rstrip())
    lines.insert(1, '-' * max(len(line) for line in lines))
    return lines


class Out:
    """Where results go. json: a dict of your own under your own key. build: the build
    directory with the programs, a pathlib.Path; options: the command line (options.seconds
    is the length of a round, options.rounds how many). failures: what made the run fail."""

    def __init__(self, build=None, options=None):
        self.build, self.options = build, options
        self.json, self.failures, self.tables = {}, [], []

    def say(self, text):
        """Progress, for who waits."""
        print(text, file=sys.stderr, flush=True)

    def table(self, title, header, rows, note=''):
        """Prints a table, with a line of explanation below it. A row has as many cells as header."""
        for row in rows:
            assert len(row) == len(header), (title, row)
        lines = ['', title, '', *aligned(header, rows)]
        lines += ['', note] if note else []
        self.tables.append('\n'.join(lines))
        print(self.tables[-1], flush=True)

    def fail(self, text):
        """Something was wrong, not only slow: the run ends with status 1."""
        self.failures.append(text)
        print(f'FAILED: {text}', flush=True)

    def write_json(self, path):
        path.write_text(json.dumps({**self.json, 'failures': self.failures}, indent=1) + '\n')
