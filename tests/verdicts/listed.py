#!/usr/bin/python3
"""The list of recipients of a recorded site, and what is said of each of its lines.

  listed.py QMAIL-VRFY SITEDIR

Run it under `unshare -m -n`, as root: lays the site out as ask.py does, and prints one
JSON object: what --list and --list=cdb said and wrote (each also without --partial), the
verdicts of the list's lines, and those of the site's own addresses, by qmail-vrfy -n.
"""
import json
import os
import subprocess
import sys

import ask
import vrfy


def run(program, site, *arguments, **more):
    done = subprocess.run([program, *arguments], env=ask.environment(site), capture_output=True, **more)
    return done.returncode, done.stdout, done.stderr.decode('latin-1')


def verdicts(program, site, addresses):
    """[address, verdict, reason] of each, as qmail-vrfy shows them."""
    _, said, err = run(program, site, '-n', '-f', '-', input=b''.join(a + b'\n' for a in addresses))
    fields = [line.split('\t')[:3] for line in said.decode('ascii').splitlines()]
    assert len(fields) == len(addresses), err
    return fields


def keys(path):
    """The keys of a cdb, as tinycdb reads them."""
    dump = subprocess.run(['cdb', '-d', path], check=True, capture_output=True).stdout
    found, at = [], 0
    while dump[at:at + 1] == b'+':
        lengths, _, _ = dump[at + 1:].partition(b':')
        length, data = map(int, lengths.split(b','))
        begin = at + 1 + len(lengths) + 1
        found.append(dump[begin:begin + length].decode('latin-1'))
        at = begin + length + len('->') + data + 1
    return found


def stands(line, i):
    """Is this a * that stands for any bytes?"""
    def beside(k):
        return 0 <= k < len(line) and line[k] in '@%'
    return line[i] == '*' and (beside(i + 1) or beside(i - 1) or (i + 1 == len(line) and '@' not in line))


def instance(line):
    return ''.join('qvrfyx' if stands(line, i) else c for i, c in enumerate(line))


def look(program, site, work):
    ask.lay_out(site, work)
    plain = run(program, site, '--list', stdin=subprocess.DEVNULL)
    code, listed, err = run(program, site, '--list', '--partial', stdin=subprocess.DEVNULL)
    lines = listed.split(b'\n')[:-1]
    plain_cdb, partial_cdb = work + '/plain.cdb', work + '/partial.cdb'
    cdb_plain = run(program, site, '--list=cdb', plain_cdb, stdin=subprocess.DEVNULL)
    cdb_partial = run(program, site, '--partial', '--list=cdb', partial_cdb, stdin=subprocess.DEVNULL)
    addresses = vrfy.in_a_list([ask.unescape(row[0]) for row in ask.rows(site)])
    print(json.dumps({
        'plain': [plain[0], plain[1].decode('latin-1'), plain[2]],
        'list': [code, [line.decode('latin-1') for line in lines], err],
        'back': verdicts(program, site, lines),
        'instances': verdicts(program, site, [instance(line.decode('latin-1')).encode('latin-1') for line in lines]),
        'addresses': [a.decode('latin-1') for a in addresses],
        'verdicts': verdicts(program, site, addresses),
        'cdb plain': [cdb_plain[0], cdb_plain[2], os.path.exists(plain_cdb)],
        'cdb': [cdb_partial[0], cdb_partial[2], keys(partial_cdb)],
    }))


if __name__ == '__main__':
    ask.in_a_folder(look, *sys.argv[1:])
