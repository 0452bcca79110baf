#!/usr/bin/python3
"""Asks about a recorded site in each of the ways in which qmail-vrfy can.

  vrfy.py DAEMON QMAIL-VRFY SITEDIR

Run it under `unshare -m -n`, as root: lays the site out as ask.py does, and prints
one JSON object: for each way what qmail-vrfy printed and its exit status, what it
explains with -n -v -j, and the line that the daemon logged for each address.
"""
import json
import subprocess
import sys

import ask

SOCKET = '/var/qmail/verify.socket'
WAYS = {  # whom it asks; a list, or arguments
    'here': ['-n'],
    'by UDP': ['-s', f'127.0.0.1:{ask.PORT}'],
    'over a UNIX socket': ['-s', SOCKET],
}


def run(program, site, options, addresses):
    """All in one process, each an argument; and as a list. What cannot be in a list is left out there."""
    env = ask.environment(site)
    said = subprocess.run([program, *options, '--', *addresses], env=env, stdin=subprocess.DEVNULL, capture_output=True)
    listed = b''.join(address + b'\n' for address in in_a_list(addresses))
    list_said = subprocess.run([program, *options, '-f', '-'], env=env, input=listed, capture_output=True)
    return [[done.stdout.decode('latin-1'), done.returncode, done.stderr.decode('latin-1')] for done in (said, list_said)]


def in_a_list(addresses):
    return [address for address in addresses if b'\n' not in address and not address.endswith(b'\r')]


def judge(daemon, program, site, work):
    ask.lay_out(site, work)
    addresses = [ask.unescape(row[0]) for row in ask.rows(site)]
    with open(work + '/log', 'wb') as log, open(work + '/log', 'rb') as reader:
        process = ask.start(daemon, site, log, LISTEN=f'127.0.0.1:{ask.PORT},{SOCKET}')
        logged = [line for at in range(0, len(addresses), 200)
                  for _, line in ask.ask(addresses[at:at + 200], process, reader)]
        ways = {name: run(program, site, options, addresses) for name, options in WAYS.items()}
        explained = subprocess.run([program, '-n', '-v', '-j', '--', *addresses], env=ask.environment(site),
                                   stdin=subprocess.DEVNULL, capture_output=True).stdout.decode()
        process.terminate()
        if process.wait() != 0:
            raise SystemExit('the daemon did not end cleanly')
    print(json.dumps({'logged': logged, 'ways': ways, 'explained': explained}))


if __name__ == '__main__':
    ask.in_a_folder(judge, *sys.argv[1:])
