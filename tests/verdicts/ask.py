#!/usr/bin/python3
"""Lays out a recorded site in namespaces of its own and asks the daemon about it.

  ask.py DAEMON SITEDIR

Run it under `unshare -m -n`, as root. Lays the site out as FORMAT.md says (a
private /var/qmail, /home, /srv, passwd and group), starts DAEMON there, sends
each address of verdicts.tsv in a plain packet from a socket of its own, and
prints one JSON object a line, in order: the answer in hex (null: silence) and
the line that the daemon logged. Nothing is timed: a question counts as
answered with silence once its line is in the log.
"""
import json
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time

PORT = 11113
DECISION = re.compile(rb'^qmail-verify: .* (permitted for|denied\.|not answered for) ')


def unescape(text):
    out, i = bytearray(), 0
    while i < len(text):
        if text[i] != '\\':
            out.append(ord(text[i]))
            i += 1
        elif text[i + 1] == '\\':
            out.append(92)
            i += 2
        else:
            out.append(int(text[i + 2:i + 4], 16))
            i += 4
    return bytes(out)


def lines(path):
    with open(path, encoding='ascii', newline='') as f:
        return f.read().split('\n')[:-1]


def rows(site):
    """The lines of verdicts.tsv that say something about a daemon."""
    table = [line.split('\t') for line in lines(site + '/verdicts.tsv')[1:]]
    return [row for row in table if row[1] != 'unqueued']


def run(*command):
    subprocess.run(command, check=True)


def copy(source, target):
    shutil.copyfile(source, target)
    os.chmod(target, 0o644)


def lay_out_qmail(site, work):
    qmail = work + '/qmail'
    os.makedirs(qmail + '/alias')
    for folder in ('control', 'users'):
        os.mkdir(qmail + '/' + folder)
        if os.path.isdir(site + '/' + folder):
            for name in os.listdir(site + '/' + folder):
                copy(f'{site}/{folder}/{name}', f'{qmail}/{folder}/{name}')
    if os.path.exists(site + '/verifypolicy'):
        copy(site + '/verifypolicy', qmail + '/control/verifypolicy')
    os.makedirs('/var/qmail', exist_ok=True)
    run('mount', '--bind', qmail, '/var/qmail')


def lay_out_names(site, work):
    for name in ('passwd', 'group'):
        copy(f'{site}/{name}', f'{work}/{name}')
    with open(work + '/nsswitch.conf', 'w') as f:
        f.write('passwd: files\ngroup: files\n')
    for name in ('passwd', 'group', 'nsswitch.conf'):
        run('mount', '--bind', f'{work}/{name}', '/etc/' + name)


def make(kind, mode, uid, gid, path, content):
    if kind == b'd':
        if not os.path.isdir(path):
            os.mkdir(path)
    elif kind == b'l':
        os.symlink(content, path)
    elif kind == b'p':
        os.mkfifo(path)
    else:
        with open(path, 'wb') as f:
            f.write(content)
    os.lchown(path, int(uid), int(gid))
    if kind != b'l':
        os.chmod(path, int(mode, 8))


def lay_out(site, work):
    run('mount', '--make-rprivate', '/')
    run('ip', 'link', 'set', 'lo', 'up')
    run('mount', '-t', 'tmpfs', '-o', 'mode=0755', 'tmpfs', work)
    lay_out_qmail(site, work)
    lay_out_names(site, work)
    for folder in ('/home', '/srv'):
        os.makedirs(folder, exist_ok=True)
        run('mount', '-t', 'tmpfs', '-o', 'mode=0755', 'tmpfs', folder)
    for line in lines(site + '/tree.tsv'):
        make(*(unescape(field) for field in line.split('\t')))


def environment(site):
    """What the daemon is started with: the site's own variables are verify.env."""
    own = lines(site + '/verify.env') if os.path.exists(site + '/verify.env') else []
    return {'PATH': '/usr/bin:/bin', 'LISTEN': f'127.0.0.1:{PORT}', **dict(line.split('=', 1) for line in own)}


def start(daemon, site, log, **env):
    """Started and listening, or an exception with what it logged."""
    process = subprocess.Popen([daemon], cwd='/', stdin=subprocess.DEVNULL, stderr=log,
                               env={**environment(site), **env})
    with open(log.name, 'rb') as f:
        while b'Listening' not in f.read():
            f.seek(0)
            if process.poll() is not None:
                raise SystemExit('the daemon does not start: ' + f.read().decode(errors='replace'))
            time.sleep(0.005)
    return process


def shown(address):
    """As the log has it, unless it is cut there."""
    return ''.join('\\\\' if c == 92 else chr(c) if 0x21 <= c <= 0x7e else f'\\x{c:02x}' for c in address) or '<>'


def in_order(addresses, said):
    """The lines in the order of the addresses: several processes may have written them."""
    lines, cut = {}, []
    for line in said:
        word = line.split(b' ')[1].decode('ascii')
        if word.endswith('...'):
            cut.append((word[:-3], line))
        else:
            lines.setdefault(word, []).append(line)
    for word, line in cut:
        whole = next(name for name in map(shown, addresses) if name.startswith(word) and name not in lines)
        lines[whole] = [line]
    return [lines[shown(address)].pop(0) for address in addresses]


def ask(addresses, process, log):
    """[(answer or None, log line)] for at most some hundred addresses."""
    sockets = []
    for address in addresses:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.connect(('127.0.0.1', PORT))
        s.send(address + b'\0')
        sockets.append(s)
    said, rest = [], b''
    while len(said) < len(addresses):
        *whole, rest = (rest + log.read()).split(b'\n')
        said += [line for line in whole if DECISION.match(line)]
        if process.poll() is not None:
            raise SystemExit('the daemon died: ' + repr(said[-1:]))
    answers = []
    for s, line in zip(sockets, in_order(addresses, said)):
        there, _, _ = select.select([s], [], [], 0)
        answers.append((s.recv(4096).hex() if there else None, line.decode('latin-1')))
        s.close()
    return answers


def judge(daemon, site, work):
    lay_out(site, work)
    addresses = [unescape(row[0]) for row in rows(site)]
    with open(work + '/log', 'wb') as log, open(work + '/log', 'rb') as reader:
        process = start(daemon, site, log)
        for at in range(0, len(addresses), 200):
            for answer, line in ask(addresses[at:at + 200], process, reader):
                print(json.dumps([answer, line]))
        process.terminate()
        if process.wait() != 0:
            raise SystemExit('the daemon did not end cleanly')


def in_a_folder(job, *arguments):
    """job(..., work), with a folder that goes with what is mounted on it."""
    work = tempfile.mkdtemp(prefix='verdicts.')
    try:
        job(*arguments, work)
    finally:
        subprocess.run(['umount', '-l', work], stderr=subprocess.DEVNULL)
        os.rmdir(work)


if __name__ == '__main__':
    in_a_folder(judge, *sys.argv[1:])
