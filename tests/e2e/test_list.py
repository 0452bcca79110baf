"""qmail-vrfy --list: what is listed is valid, and what is valid is listed.

Each recorded site (tests/verdicts) is laid out; every line of its list goes back through
qmail-vrfy, and every address that it calls valid or unknown has a line. Then the hosts
of the tests' own: what a list cannot be made of, and the file of --list=cdb.
"""
import fcntl
import json
import os
import pty
import re
import shutil
import subprocess
import sys

import namespaces
import pytest
from qmailhost import BUILD, PASSWD, Host
from test_verdicts import SITES, VERDICTS, ask

import listed  # noqa: E402  (tests/verdicts, which test_verdicts has put into the path)
import vrfy as site_vrfy  # noqa: E402  (tests/verdicts, which test_verdicts has put into the path)

VRFY = BUILD / 'qmail-vrfy'
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason='needs root: homes of other users are listed')


# ---- what a line stands for

def pattern(line):
    anything = '.*' if '@' in line else '[^@]*'
    return ''.join(anything if listed.stands(line, i) else re.escape(c) for i, c in enumerate(line))


def covered_by(lines):
    """Does a line stand for this address?"""
    exact = {line for line in lines if not any(listed.stands(line, i) for i in range(len(line)))}
    patterns = re.compile('|'.join(f'(?:{pattern(line)})' for line in lines if line not in exact) or '(?!)', re.S)
    return lambda address: address.lower() in exact or patterns.fullmatch(address.lower())


def covered_by_keys(keys):
    """The same for what a reader of validrcptto.cdb looks for: the address, each -default, the domain."""
    def covered(address):
        local, at, domain = address.lower().rpartition('@')
        if not at:
            local, domain = domain, ''
        defaults = {f'{local[:i + 1]}default{at}{domain}' for i, c in enumerate(local) if c == '-'}
        return bool({address.lower(), f'{at}{domain}', *defaults} & keys)
    return covered


# ---- the recorded sites

def default_host(site):
    for name in ('envnoathost', 'me'):
        if (site / 'control' / name).exists():
            return (site / 'control' / name).read_text('latin-1').split('\n')[0].rstrip().lower()
    return 'envnoathost'


def left_out(site, address, reason, lines, said):
    """What qmail-vrfy(1) says no line has."""
    local, at, domain = address.rpartition('@')
    hacks = site / 'control/percenthack'
    hosts = {line.strip().lower() for line in hacks.read_text('latin-1').split('\n')} if hacks.exists() else set()
    closed = re.findall(r'/(\w+): what is in this directory cannot be listed', said)
    return (reason in ('empty-local', 'too-long')
            or '//' in local
            or (not at and f'*@{default_host(site)}' in lines)
            or (domain.lower() in hosts and local.rpartition('%')[2].lower() in hosts)
            or any(local.lower().startswith(user + '-') for user in closed))


def look(site):
    program = subprocess.run(['unshare', '-m', '-n', sys.executable, str(VERDICTS / 'listed.py'), str(VRFY), str(site)],
                             capture_output=True, text=True)
    assert program.returncode == 0, program.stderr
    return json.loads(program.stdout)


@needs_root
@pytest.mark.parametrize('site', SITES, ids=lambda site: site.name)
def test_a_recorded_site(site):
    namespaces.need_mounts()
    seen = look(site)
    code, lines, said = seen['list']
    assert code == 0, said
    assert [line.encode('latin-1') for line in lines] == sorted({line.lower().encode('latin-1') for line in lines})
    good = ('valid', 'unknown')
    assert not [back for back in seen['back'] if back[1] not in good]
    assert not [back for back in seen['instances'] if back[1] not in good]

    wanted = [address for address, (_, verdict, reason) in zip(seen['addresses'], seen['verdicts'])
              if verdict in good and not left_out(site, address, reason, lines, said)]
    covered = covered_by(lines)
    assert not [address for address in wanted if not covered(address)]
    # trouble is a matter of the site, whatever becomes of it
    plain_code, plain_out, plain_said = seen['plain']
    assert plain_code == (111 if 'not whole' in said else 0), plain_said
    assert plain_out == ('' if plain_code else ''.join(line + '\n' for line in lines))
    assert (seen['cdb plain'][0] == 0) == seen['cdb plain'][2] and seen['cdb plain'][0] in (0, 111)
    assert plain_code == 0 or seen['cdb plain'][0] == 111

    cdb_code, cdb_said, dump = seen['cdb']
    assert cdb_code == 0, cdb_said
    keys = set(dump)
    covered_by_cdb = covered_by_keys(keys)
    # what has no key is said
    if 'has no key' not in cdb_said:
        assert not [address for address in wanted if not covered_by_cdb(address)]
    exact = [line for line in lines if '*' not in line and not line.startswith('-')]
    assert not [line for line in exact if line not in keys]


def test_most_addresses_are_looked_at():
    """The exceptions are too few for a mistake to hide behind them."""
    addresses = [ask.unescape(row[0]) for site in SITES for row in ask.rows(str(site))]
    assert len(site_vrfy.in_a_list(addresses)) > 0.98 * len(addresses)


# ---- hosts of the tests' own

PLAIN = PASSWD + 'joe:x:7701:7701::{qmail}/home/joe:/bin/sh\nann:x:7702:7702::{qmail}/home/ann:/bin/sh\n'


def plain_host(passwd=PLAIN, control=None, files=None, **more):
    """example.org with joe and ann, and the alias postmaster."""
    host = Host(passwd=passwd, control={'me': 'example.org\n', 'locals': 'example.org\n', **(control or {})},
                files={'home/joe/.qmail-list-default': '|true\n', 'home/ann/.qmail-a:b': './Maildir/\n',
                       'alias/.qmail-postmaster': '&joe\n', **(files or {})}, **more)
    host.own(7701, 'home/joe')
    host.own(7702, 'home/ann')
    host.own(7790, 'alias')
    return host


def vrfy(host, *arguments, **more):
    env = {'PATH': os.environ['PATH'], 'QMAILDIR': str(host.dir),
           **{k: v for k, v in os.environ.items() if k.endswith('SAN_OPTIONS')}}
    return subprocess.run(host.in_place(str(VRFY), *arguments), cwd='/', env=env, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, **more)


def lines_of(host, *options):
    done = vrfy(host, '--list', *options)
    assert done.returncode == 0 and done.stderr == '', done.stderr
    return done.stdout.splitlines()


EXPECTED = ['alias', 'alias-postmaster', 'ann', 'ann-a.b', 'ann-a:b', 'joe', 'joe-list-*', 'joe-list-default', 'postmaster']


@pytest.fixture
def host():
    made = plain_host()
    yield made
    shutil.rmtree(made.dir)


@needs_root
def test_a_small_host(host):
    assert lines_of(host) == sorted(EXPECTED + [f'{name}@example.org' for name in EXPECTED])


@needs_root
def test_virtual_domains_hacks_and_policies(host):
    host.control('virtualdomains', 'virt.example:joe-list\n.wild.example:ann\nx@one.example:joe\nout.wild.example:\n')
    host.control('percenthack', 'Hack.example\n')
    host.control('locals', 'hack.example\n')
    host.control('verifypolicy', 'off.wild.example:off\n')
    lines = lines_of(host)
    for line in ('*@virt.example', 'a.b@*.wild.example', '*@off.wild.example', 'joe%hack.example@hack.example',
                 'a:b%*.wild.example@hack.example', 'joe-list-*@hack.example', 'joe-list-*%hack.example@hack.example'):
        assert line in lines
    assert not [line for line in lines if line.endswith('out.wild.example') or line.endswith('one.example')]


@needs_root
def test_databases_of_catch_alls(host):
    """fastforward's keys count for the domains that they name."""
    subprocess.run(['cdb', '-c', str(host.dir / 'alias/db.cdb')], check=True, text=True,
                   input=''.join(f'+{len(k)},5:{k}->&a@b\0\n' for k in
                                 (':info@example.org', ':Upper@example.org', ':sales@', ':x@other.example',
                                  ':joe-list-y@example.org', ':nobody@remote.example')) + '\n')
    (host.dir / 'alias/db.cdb').chmod(0o644)
    host.write('alias/.qmail-default', '|fastforward -d db.cdb\n').chmod(0o644)
    host.control('locals', 'example.org\nother.example\n')
    lines = set(lines_of(host))
    assert {'info@example.org', 'sales@example.org', 'sales@other.example', 'x@other.example'} <= lines
    assert not {'info@other.example', 'x@example.org', 'nobody@remote.example', '*@example.org'} & lines


@needs_root
def test_where_something_cannot_be_listed(host):
    (host.dir / 'home/joe').chmod(0o100)  # its user may enter it, and not list it
    done = vrfy(host, '--list')
    assert (done.returncode, done.stdout) == (111, '')
    assert f'{host.dir}/home/joe: what is in this directory cannot be listed' in done.stderr
    done = vrfy(host, '--list', '--partial')
    assert done.returncode == 0 and 'the list is not whole' in done.stderr
    assert 'joe@example.org' in done.stdout.splitlines() and 'joe-list' not in done.stdout


@needs_root
def test_homes_that_are_not_mounted(host):
    """qmail-getpw passes over users without a home: nobody would be left."""
    for user in ('joe', 'ann'):
        subprocess.run(['rm', '-r', host.dir / 'home' / user], check=True)
    done = vrfy(host, '--list')
    assert (done.returncode, done.stdout) == (111, '') and 'is its file system mounted?' in done.stderr


@needs_root
def test_a_source_of_passwd_that_gives_no_list():
    host = plain_host(nsswitch='passwd: files [NOTFOUND=continue] ldap\ngroup: files\n')
    try:
        done = vrfy(host, '--list')
        assert (done.returncode, done.stdout) == (111, '') and 'has it from ldap, too' in done.stderr
        host.assign('=joe:joe:7701:7701:{qmail}/home/joe:::\n+:alias:7790:7790:{qmail}/alias:-::\n.\n')
        assert 'joe@example.org' in lines_of(host)  # nobody is looked for in passwd any more
    finally:
        shutil.rmtree(host.dir)


@needs_root
def test_control_files_that_cannot_be_read(host):
    (host.dir / 'control/locals').unlink()
    (host.dir / 'control/locals').mkdir()
    done = vrfy(host, '--list')
    assert (done.returncode, done.stdout) == (111, '') and 'control/locals: cannot be read' in done.stderr


@needs_root
def test_what_can_be_no_line(host):
    (host.dir / 'home/joe/.qmail-a\nb').write_text('&ann\n')
    (host.dir / 'home/joe/.qmail-star*').write_text('&ann\n')
    (host.dir / 'home/joe/.qmail-a*b').write_text('&ann\n')
    done = vrfy(host, '--list')
    assert done.returncode == 0 and 'joe-a*b@example.org' in done.stdout.splitlines()
    assert 'joe-a\\x0ab@example.org: left out' in done.stderr and 'joe-star*@example.org: left out' in done.stderr
    assert not [line for line in done.stdout.splitlines() if 'star' in line or line.endswith('joe-a')]


@needs_root
def test_on_a_terminal_bytes_are_escaped(host):
    (host.dir / 'home/joe/.qmail-\x1b[31m').write_text('&ann\n')
    assert 'joe-\x1b[31m@example.org' in lines_of(host)
    ours, theirs = pty.openpty()
    done = subprocess.Popen(host.in_place(str(VRFY), '--list'), env={'PATH': os.environ['PATH'], 'QMAILDIR': str(host.dir)},
                            stdin=subprocess.DEVNULL, stdout=theirs)
    os.close(theirs)
    said = b''
    try:
        while piece := os.read(ours, 65536):
            said += piece
    except OSError:  # the other side is closed
        pass
    os.close(ours)
    assert done.wait() == 0 and b'joe-\\x1b[31m@example.org\r\n' in said and b'\x1b' not in said


def test_arguments():
    for arguments in (['--list', 'joe@example.org'], ['--list=cdb'], ['--list=cdb', 'a', 'b'], ['--list=txt', 'a'],
                      ['--list', '--shrink=5%'], ['--shrink=101%', '--list=cdb', 'a'], ['--shrink=x', '--list=cdb', 'a'],
                      ['--partial', 'a@b'], ['-j', '--list'], ['-s', '127.0.0.1', '--list'], ['--list', '--lint']):
        done = subprocess.run([VRFY, *arguments], capture_output=True, stdin=subprocess.DEVNULL)
        assert done.returncode == 100 and done.stdout == b'', arguments


# ---- the database

def cdb_of(host, file, *options):
    return vrfy(host, *options, '--list=cdb', str(file))


@needs_root
def test_the_database(host):
    file = host.dir / 'list.cdb'
    done = cdb_of(host, file)
    assert (done.returncode, done.stdout, done.stderr) == (0, '', '')
    names = [name.replace('-*', '-default') for name in EXPECTED]
    assert set(listed.keys(file)) == {*names, *(f'{name}@example.org' for name in names)}
    assert file.stat().st_mode & 0o7777 == 0o644
    file.chmod(0o640)
    os.chown(file, 7701, 7702)
    assert cdb_of(host, file).returncode == 0
    seen = file.stat()
    assert (seen.st_mode & 0o7777, seen.st_uid, seen.st_gid) == (0o640, 7701, 7702)
    assert not (host.dir / 'list.cdb.tmp').exists()


@needs_root
def test_a_list_that_has_shrunk(host):
    file = host.dir / 'list.cdb'
    host.control('locals', 'example.org\nsecond.example\n')
    assert cdb_of(host, file).returncode == 0
    before = file.read_bytes()
    host.control('locals', 'example.org\n')
    done = cdb_of(host, file)
    assert done.returncode == 1 and file.read_bytes() == before
    keys = len(EXPECTED) - 1  # joe-list-default stands for two
    assert f'second.example: lost {keys} of {keys}' in done.stderr and '--shrink=N%' in done.stderr
    assert cdb_of(host, file, '--shrink=33').returncode == 1
    done = cdb_of(host, file, '--shrink=34%')
    assert done.returncode == 0 and 'warning: second.example: lost' in done.stderr
    assert not [key for key in listed.keys(file) if key.endswith('second.example')]


@needs_root
def test_an_empty_list_replaces_no_other(host):
    file = host.dir / 'list.cdb'
    assert cdb_of(host, file).returncode == 0
    host.control('locals', '# nothing\n')
    assert cdb_of(host, file, '--shrink=99%').returncode == 1
    assert cdb_of(host, file, '--shrink=100%').returncode == 0 and listed.keys(file) == []
    host.control('locals', 'example.org\n')
    assert cdb_of(host, file).returncode == 0 and listed.keys(file)


@needs_root
@pytest.mark.parametrize('content', [b'', b'not a database', b'x' * 4096], ids=['empty', 'text', 'damaged'])
def test_what_is_no_database_is_not_replaced(host, content):
    file = host.write('list.cdb', content)
    done = cdb_of(host, file, '--shrink=100%', '--partial')
    assert done.returncode == 111 and 'is not replaced' in done.stderr and file.read_bytes() == content


@needs_root
def test_neither_links_nor_directories_are_replaced(host):
    (host.dir / 'link').symlink_to('list.cdb')
    (host.dir / 'folder').mkdir()
    for name in ('link', 'folder', 'missing/list.cdb'):
        assert cdb_of(host, host.dir / name).returncode == 111, name
    assert (host.dir / 'link').is_symlink() and not (host.dir / 'list.cdb').exists()


@needs_root
def test_trouble_leaves_the_old_one(host):
    file = host.dir / 'list.cdb'
    assert cdb_of(host, file).returncode == 0
    before = file.read_bytes()
    (host.dir / 'home/joe').chmod(0o100)
    assert cdb_of(host, file).returncode == 111 and file.read_bytes() == before
    assert cdb_of(host, file, '--partial', '--shrink=50').returncode == 0 and file.read_bytes() != before


@needs_root
def test_a_pattern_without_a_key(host):
    host.assign('+ann:ann:7702:7702:{qmail}/home/ann:::\n.\n')
    file = host.dir / 'list.cdb'
    done = cdb_of(host, file)
    assert done.returncode == 111 and 'ann*@example.org: has no key' in done.stderr and not file.exists()
    assert cdb_of(host, file, '--partial').returncode == 0


@needs_root
def test_a_full_file_system(host):
    """The old one stays, and nothing is left beside it."""
    small = host.dir / 'small'
    small.mkdir()
    script = ('mount -t tmpfs -o size=64k tmpfs "$1" && '
              '"$0" --list=cdb "$1/list.cdb" && cp "$1/list.cdb" "$2" && '
              'head -c 60000 /dev/zero >"$1/filling" 2>/dev/null; '
              '"$0" --list=cdb "$1/list.cdb"; code=$?; cmp "$1/list.cdb" "$2" && ls "$1" && exit $code')
    env = {'PATH': os.environ['PATH'], 'QMAILDIR': str(host.dir)}
    done = subprocess.run(host.in_place('sh', '-c', script, str(VRFY), str(small), str(host.dir / 'copy')), env=env,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 111 and done.stdout.split() == ['filling', 'list.cdb'], done.stdout + done.stderr
    assert 'cannot be written: No space left on device' in done.stderr


@needs_root
def test_what_a_crash_has_left_is_taken(host):
    file = host.dir / 'list.cdb'
    left = host.write('list.cdb.tmp', 'x' * 100000)
    assert cdb_of(host, file).returncode == 0 and listed.keys(file) and not left.exists()


@needs_root
@pytest.mark.parametrize('others', ['a link', 'a hard link', 'owned by another'])
def test_what_is_beside_it_and_not_ours_is_not_touched(host, others):
    target, beside = host.write('target', 'precious'), host.dir / 'list.cdb.tmp'
    if others == 'a link':
        beside.symlink_to('target')
    elif others == 'a hard link':
        beside.hardlink_to(target)
    else:
        beside.write_text('precious')
        os.chown(beside, 7701, 7701)
    assert cdb_of(host, host.dir / 'list.cdb').returncode == 111
    assert target.read_text() == beside.read_text() == 'precious' and not (host.dir / 'list.cdb').exists()


@needs_root
def test_two_at_a_time(host):
    """One that finds another writing leaves the file to it."""
    beside = host.write('list.cdb.tmp', '')
    with open(beside, 'r+b') as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = cdb_of(host, host.dir / 'list.cdb')
    assert done.returncode == 111 and 'another process writes it' in done.stderr and beside.exists()


@needs_root
def test_killed_in_between(host):
    """The old one stays whole; strace stops it where the new one is about to get its name."""
    file = host.dir / 'list.cdb'
    assert cdb_of(host, file).returncode == 0
    before = file.read_bytes()
    process = subprocess.Popen(host.in_place('strace', '-f', '-qq', '-e', 'trace=renameat',
                                             '-e', 'inject=renameat:signal=SIGKILL:error=EINTR', str(VRFY),
                                             '--list=cdb', str(file)),
                               env={'PATH': os.environ['PATH'], 'QMAILDIR': str(host.dir)},
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert process.wait() != 0
    assert file.read_bytes() == before and (host.dir / 'list.cdb.tmp').exists()
    assert cdb_of(host, file).returncode == 0 and not (host.dir / 'list.cdb.tmp').exists()


# ---- what the manual page does with it

def test_the_tables_for_postfix(tmp_path):
    page = (VERDICTS.parent.parent / 'man/qmail-vrfy.1').read_text()
    script = re.search(r'^(qmail-vrfy --list >list && \{\n.*?^\})$', page, re.S | re.M).group(1).replace('\\e', '\\')
    wanted = ['*@all.example', 'joe-*@example.org', 'joe-a.b@example.org', 'joe@*.wild.example', 'joe@example.org',
              'x+y/z-*@example.org', 'postmaster', 'joe-list-*']
    (tmp_path / 'given').write_text(''.join(line + '\n' for line in wanted))
    script = script.replace('qmail-vrfy --list >list', 'cp given list')
    subprocess.run(['sh', '-e', '-c', script], cwd=tmp_path, check=True)
    assert (tmp_path / 'recipients').read_text().splitlines() == [
        '@all.example OK', 'joe-a.b@example.org OK', 'joe@example.org OK']
    assert (tmp_path / 'recipients.re').read_text().splitlines() == [
        r'/^joe-.*@example\.org$/ OK', r'/^joe@.*\.wild\.example$/ OK', r'/^x\+y\/z-.*@example\.org$/ OK']
