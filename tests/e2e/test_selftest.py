"""qmail-vrfy --selftest: domains that accept anything, with the file and the line that do
so; domains that are accepted and go nowhere; what could not be told."""
import json
import os
import re
import subprocess

import pytest
from linthost import JOE, Linthost, host, site  # noqa: F401 (fixtures)
from qmailhost import BUILD, quiet_port

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason='needs root: homes are looked at as their users')

ACCEPTING = [
    "lists.example.org: catch-all ~list/.qmail-default delivers to './Mailbox': valid (dotqmail)",
    'shop.example: control/verifypolicy line 2 says observe: valid (policy-observe)',
    '.wild.example: control/verifypolicy line 3 says off: valid (policy-off)',
    "extra.example: catch-all ~joe/.qmail-default runs '/usr/bin/procmail': unknown",
    "www.parts.example: catch-all ~joe/.qmail-default runs '/usr/bin/procmail': unknown",
]
USERS = '2 users accept anything behind their names and a dash'


def selftest(site, *options):
    done = site.vrfy('-n', '--selftest', *options)
    assert not done.stderr, done.stderr
    return done.stdout.splitlines(), done.returncode


def test_which_domains_accept_anything_and_why(site):
    assert selftest(site) == (ACCEPTING + ['11 domains: 5 accept any name, 6 refuse, 0 could not be told', USERS], 0)


def test_the_daemon_says_the_same(site):
    """What it does not tell is looked up by root."""
    with site.daemon():
        done = site.vrfy('-s', f'127.0.0.1:{site.port}', '--selftest')
        asked = {line.split(' ')[1] for line in site.decisions()}
    assert (done.stdout.splitlines(), done.returncode, done.stderr) == (
        ACCEPTING + ['11 domains: 5 accept any name, 6 refuse, 0 could not be told'], 0, '')
    assert len(asked) == 11 and all(re.match(r'vrfy[a-z2-7]{16}@', address) for address in asked)
    assert len({address.split('@')[0] for address in asked}) == 1
    assert not any('Joe' in address or 'boss' in address.lower() or 'out.wild' in address for address in asked)


def test_who_is_not_root_hears_what_the_daemon_tells(site):
    program = site.dir / 'qmail-vrfy'
    program.write_bytes((BUILD / 'qmail-vrfy').read_bytes())
    program.chmod(0o755)
    with site.daemon():
        joe = ['setpriv', f'--reuid={JOE}', f'--regid={JOE}', '--clear-groups', program]
        done = subprocess.run([*joe, '-s', f'127.0.0.1:{site.port}', '--selftest'], capture_output=True, text=True,
                              env={'PATH': '/usr/bin:/bin', 'QMAILDIR': str(site.dir)})
    program.unlink()
    assert (done.returncode, done.stderr) == (0, '')
    assert 'extra.example: everything is for ~joe: unknown' in done.stdout.splitlines()


def test_a_name_that_is_asked_for_is_another_each_time(site):
    names = {json.loads(selftest(site, '-j')[0][0])['address'] for _ in range(3)}
    assert len(names) == 3


@pytest.mark.parametrize('text, said', [
    ('|procmail -a "$EXT"\n', "runs 'procmail': unknown"),
    ('  \n', None),
    ('', 'takes it: valid (dotqmail-empty)'),
    ('&boss@example.com\n&b@example.com\n', "forwards to 'boss@example.com': valid (dotqmail)"),
    ('# all of it\n/var/mail/all\n', "delivers to '/var/mail/all': valid (dotqmail)"),
    ('./Maildir/\n|exit 100\n', "runs 'exit': unknown (kept)"),
    ('|exit 0\n', "runs 'exit': valid (program-accepts)"),
    ('|/bin/\x1b[2Jx\n', "runs '/bin/\\x1b[2Jx': unknown"),
])
def test_what_a_catch_all_does(site, text, said):
    site.put('home/list/.qmail-default', text)
    lines, _ = selftest(site)
    first = next((line for line in lines if line.startswith('lists.example.org: ')), None)
    expected = said or 'takes it: valid (dotqmail-blank)'
    assert first == f'lists.example.org: catch-all ~list/.qmail-default {expected}'


def test_vpopmail_that_throws_away(site):
    site.put('control/verifypolicy', '')
    site.replace('home/vpopmail/domains/shop.example/.qmail-default', 'bounce-no-mailbox', 'delete')
    lines, _ = selftest(site)
    program = f'{site.dir}/home/vpopmail/bin/vdelivermail'
    assert f"shop.example: catch-all ~shop.example/.qmail-default runs '{program}': valid (vpopmail-delete)" in lines


def test_a_domain_for_all_others(site):
    site.append('control/virtualdomains', ':joe\n')
    lines, _ = selftest(site)
    assert "every other domain: catch-all ~joe/.qmail-default runs '/usr/bin/procmail': unknown" in lines


@pytest.mark.parametrize('file, name', [('rcpthosts', 'lost.example'), ('rcpthosts', '.lost.example'),
                                        ('morercpthosts', 'lost.example')])
def test_a_domain_that_goes_nowhere(site, file, name):
    site.change('control/morercpthosts.cdb')
    site.append(f'control/{file}', f'{name}\n')
    site.newmrh()
    number = len((site.dir / f'control/{file}').read_text().splitlines())
    lines, status = selftest(site)
    assert status == 1
    assert lines[-1].startswith(f'control/{file} line {number}: rcpthost-nowhere: "{name}" is accepted, but neither')
    row = json.loads(selftest(site, '-j')[0][-1])
    assert (row['file'], row['line'], row['code']) == (f'control/{file}', number, 'rcpthost-nowhere')


@pytest.mark.parametrize('where', ['locals', 'virtualdomains', 'smtproutes', 'suffix'])
def test_a_domain_that_goes_somewhere(site, where):
    site.append('control/rcpthosts', 'lost.example\n')
    if where == 'suffix':
        site.append('control/smtproutes', '.example:192.0.2.1\n')
    else:
        site.append(f'control/{where}', {'locals': 'lost.example\n', 'virtualdomains': 'lost.example:joe\n',
                                         'smtproutes': 'lost.example:\n'}[where])
    assert selftest(site)[1] == 0


def test_an_exception_goes_nowhere(site):
    """A virtual domain with nothing after the colon is not this host's."""
    site.append('control/virtualdomains', 'lost.example:\n')
    site.append('control/rcpthosts', 'lost.example\n')
    assert selftest(site)[1] == 1


@pytest.mark.parametrize('routes, status', [
    ('', 1), ('lost.example:\n', 1), ('.example:192.0.2.1\nlost.example:\n', 1), ('.lost.example:192.0.2.1\n', 1),
    ('lost.example:smtproutes\n', 1), ('lost.example:192.0.2.1\n', 0), (' Lost.Example : store.example\n', 0),
    ('.example:/socket\n', 0), ('::\n', 0),
])
def test_which_domains_are_routed(site, routes, status):
    """As the daemon finds a line; one that cannot be read is temporary, and surely meant."""
    site.append('control/rcpthosts', 'lost.example\n')
    site.put('control/verifyroutes', routes)
    assert selftest(site)[1] == status


def test_a_suffix_with_routes_below_it(site):
    site.append('control/rcpthosts', '.lost.example\n')
    site.put('control/verifyroutes', 'a.lost.example:\n')
    assert selftest(site)[1] == 1
    site.put('control/verifyroutes', 'a.lost.example:192.0.2.1\n')
    assert selftest(site)[1] == 0


def test_routes_that_cannot_be_read(site):
    site.change('control/verifyroutes')
    (site.dir / 'control/verifyroutes').mkdir()
    done = site.vrfy('-n', '--selftest')
    assert done.returncode == 111 and 'control/verifyroutes cannot be read' in done.stderr


def test_what_could_not_be_told(site):
    site.append('control/rcpthosts', 'lost.example\n')
    site.chmod('home/list', 0o000)
    lines, status = selftest(site)
    assert status == 111
    assert lines[0].startswith('lists.example.org: the home directory cannot be entered: ')
    assert lines[0].endswith(': temporary')
    assert '11 domains: 4 accept any name, 6 refuse, 1 could not be told' in lines


def test_no_daemon(site):
    done = site.vrfy('-s', f'127.0.0.1:{quiet_port()}', '--selftest')
    assert done.returncode == 111 and 'localhost: ' in done.stdout
    assert '11 domains: 0 accept any name, 0 refuse, 11 could not be told' in done.stdout


def test_control_files_that_cannot_be_read(site):
    site.remove('control/virtualdomains')
    (site.dir / 'control/virtualdomains').mkdir()
    done = site.vrfy('-n', '--selftest')
    assert done.returncode == 111 and 'control/virtualdomains cannot be read' in done.stderr


def test_an_empty_host():
    small = Linthost(control={'me': 'mx.example\n', 'locals': '', 'rcpthosts': ''}, files={})
    try:
        assert selftest(small) == (['0 domains: 0 accept any name, 0 refuse, 0 could not be told'], 0)
    finally:
        small.remove_all()


def test_json_tells_of_every_domain(site):
    lines, status = selftest(site, '-j')
    rows = [json.loads(line) for line in lines]
    assert status == 0 and len(rows) == 11
    assert rows[3] == {'domain': 'lists.example.org', 'file': 'control/virtualdomains', 'line': 1,
                       'address': rows[0]['address'].replace('localhost', 'lists.example.org'),
                       'verdict': 'valid', 'reason': 'dotqmail', 'user': 'list', 'text': ACCEPTING[0].split(': ', 1)[1]}


def test_a_relative_qmail_directory(site):
    done = subprocess.run(site.in_place(str(BUILD / 'qmail-vrfy'), '-n', '--selftest'), cwd=site.dir.parent,
                          capture_output=True, text=True, env={'PATH': '/usr/bin:/bin', 'QMAILDIR': site.dir.name})
    assert (done.stdout.splitlines()[:5], done.returncode) == (ACCEPTING, 0), done.stderr
