"""qmail-vrfy --lint: nothing on healthy hosts of several kinds; each fault that is put into
one gives its own finding, with file and line, and none other; mended, it is gone."""
import json
import os
import re
import subprocess
import sys
import time

import linthost
import namespaces
import pytest
from linthost import ANN, CONTROL, JOE, OLD, Linthost, host, site  # noqa: F401 (fixtures)
from qmailhost import BUILD, ROOT

sys.path.insert(0, str(ROOT / 'tests/verdicts'))
import ask  # noqa: E402

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason='needs root: homes are looked at as their users')
VERDICTS = ROOT / 'tests/verdicts'
SHOP = 'home/vpopmail/domains/shop.example'


# ---- healthy hosts

def test_a_healthy_host_has_no_finding(site):
    done = site.vrfy('--lint')
    assert (done.returncode, done.stdout, done.stderr) == (0, '', '')


OFFICES = {f'alias/.qmail-{office}': './Mailbox\n' for office in ('postmaster', 'mailer-daemon', 'root')}
KINDS = {
    'as installed': {'control': {'me': 'mx.example\n', 'locals': 'mx.example\n', 'rcpthosts': 'mx.example\n'}},
    'me alone, and an empty rcpthosts': {'control': {'me': 'mx.example\n', 'rcpthosts': ''}},
    'sends by a smarthost, receives nothing': {
        'control': {'me': 'ws.example\n', 'locals': '', 'rcpthosts': '', 'smtproutes': ':smtp.example:587\n',
                    'envnoathost': 'example\n', 'defaulthost': 'example\n'}},
    'a relay in front of others': {
        'control': {'me': 'mx.example\n', 'locals': 'mx.example\n', 'rcpthosts': 'a.example\n.b.example\n',
                    'smtproutes': 'a.example:10.0.0.1\n.b.example:10.0.0.2\n'}},
    'a hub in front of stores': {
        'control': {'me': 'hub.example\n', 'locals': 'hub.example\n',
                    'rcpthosts': 'hub.example\na.example\nb.example\nx.c.example\n.d.example\ne.example\n',
                    'smtproutes': '.c.example:[192.0.2.3]:2525\nno.d.example:mx.example\n',
                    'verifyroutes': 'a.example : 192.0.2.1 , 192.0.2.2\n.d.example:[2001:db8::1]\nno.d.example:\n'
                                    'b.example:/run/store\n.c.example:SMTPROUTES\n:192.0.2.4:2000\n'}},
    'a hub that follows smtproutes': {
        'control': {'me': 'hub.example\n', 'locals': 'hub.example\n', 'rcpthosts': 'a.example\nb.example\n',
                    'smtproutes': 'a.example:10.0.0.1\nb.example:10.0.0.2:26\n', 'verifyroutes': ':smtproutes\n'}},
    'everything virtual': {
        'control': {'me': 'mx.example\n', 'locals': '', 'rcpthosts': 'a.example\nb.example\n',
                    'virtualdomains': ':joe\n'},
        'files': {**OFFICES, 'home/joe/.qmail-default': './Maildir/\n'}},
    'CAPITALS and blanks at the ends': {
        'control': {'me': 'MX.Example  \n', 'locals': 'MX.EXAMPLE\t\nlocalhost', 'rcpthosts': 'mx.example \n',
                    'virtualdomains': '# none\n\n'}},
    'virtual domains of alias': {
        'control': {'me': 'mx.example\n', 'locals': 'mx.example\n', 'rcpthosts': 'mx.example\nclub.example\n',
                    'virtualdomains': 'club.example:club\n'},
        'files': {**OFFICES, 'alias/.qmail-club-info': '&joe@mx.example\n'}},
}


@pytest.mark.parametrize('kind', KINDS)
def test_healthy_hosts_of_other_kinds(kind):
    small = Linthost(**{'files': OFFICES, **KINDS[kind]})
    small.own(linthost.ALIAS, 'alias')
    if (small.dir / 'home/joe').exists():
        small.own(JOE, 'home/joe')
    try:
        assert small.findings() == ([], 0), small.rows
    finally:
        small.remove_all()


# ---- faults: what is done to the healthy host, and what is found then

def home(name, uid=JOE, mode=None, **files):
    """A change that makes a home of this name."""
    def change(s):
        s.change(f'home/{name}')
        (s.dir / f'home/{name}').mkdir()
        for file, text in files.items():
            s.write(f'home/{name}/{file}', text)
        s.own(uid, f'home/{name}')
        if mode is not None:
            (s.dir / f'home/{name}').chmod(mode)
    return change


def assign(text, cdb=True):
    """Changes users/assign, and users/cdb with it."""
    def change(s):
        s.change('users')
        s.write('users/assign', (s.dir / 'users/assign').read_text().replace('.\n', '') + s.fill(text) + '.\n')
        if cdb:
            s.newu()
    return change


def older(path):
    """Was made an hour before it was."""
    def change(s):
        s.change(path)
        then = os.stat(s.dir / path).st_mtime - 3600
        os.utime(s.dir / path, (then, then))
    return change


def both(*changes):
    def change(s):
        for one in changes:
            one(s)
    return change


def put(*words, **more):
    return lambda s: s.put(*words, **more)


def append(path, text):
    return lambda s: s.append(path, text)


def replace(path, old, new):
    return lambda s: s.replace(path, old, new)


def remove(*paths):
    return both(*((lambda s, path=path: s.remove(path)) for path in paths))


def chmod(path, mode):
    return lambda s: s.chmod(path, mode)


def chown(path, uid, gid=None):
    return lambda s: s.chown(path, uid, gid)


def link(path, to):
    def change(s):
        s.change(path)
        (s.dir / path).symlink_to(to)
    return change


LOCALS = len(CONTROL['locals'].splitlines())
RCPT = len(CONTROL['rcpthosts'].splitlines())
VIRTUAL = len(CONTROL['virtualdomains'].splitlines())

# what is done: (change, [(code, file, line)], words of the text or advice)
FAULTS = {
    # control files by themselves
    'me is missing': (remove('control/me'), [('me-missing', 'control/me', 0)], 'full name'),
    'me is empty': (put('control/me', ''), [('line-empty', 'control/me', 1)], 'host'),
    'me has a blank': (put('control/me', 'mail example.org\n'), [('line-blank', 'control/me', 1)], 'mail example.org'),
    'me has a second line': (
        append('control/me', '\nmx2.example.org\n'),
        [('line-extra', 'control/me', 3)], 'first line'),
    'a number with a letter': (put('control/databytes', '10M\n'), [('number', 'control/databytes', 1)], '10M'),
    'a number behind a blank': (put('control/queuelifetime', ' 5\n'), [('number', 'control/queuelifetime', 1)], ' 5'),
    'a byte order mark': (
        put('control/locals', '\xef\xbb\xbf' + CONTROL['locals']),
        [('bom', 'control/locals', 1)], 'ASCII'),
    'DOS line ends': (
        put('control/virtualdomains', CONTROL['virtualdomains'].replace('\n', '\r\n')),
        [('cr', 'control/virtualdomains', 1)], f'so do {VIRTUAL - 1} more'),
    'one DOS line': (
        append('control/rcpthosts', 'localhost.localdomain\r\n'),
        [('cr', 'control/rcpthosts', RCPT + 1), ('rcpthost-nowhere', 'control/rcpthosts', RCPT + 1)], 'UNIX'),
    'a NUL byte': (
        replace('control/locals', 'example.org\n', 'exam\0ple.org\n'),
        [('nul', 'control/locals', 2)], 'NUL'),
    'a leading blank': (
        replace('control/locals', 'localhost', ' localhost'),
        [('name-blank', 'control/locals', 1)], 'localhost'),
    'a comment behind a name': (
        replace('control/rcpthosts', 'fwd.example', 'fwd.example # ours'),
        [('name-blank', 'control/rcpthosts', 9)], 'comment'),
    'a blank behind the colon': (
        replace('control/virtualdomains', 'fwd.example:alias', 'fwd.example: alias'),
        [('name-blank', 'control/virtualdomains', 4)], 'fwd.example: alias'),
    'a virtual domain without a colon': (
        append('control/virtualdomains', 'colonless.example\n'),
        [('no-colon', 'control/virtualdomains', VIRTUAL + 1)], 'colonless.example'),
    'a route without a colon': (
        append('control/smtproutes', 'mx.isp.example\n'),
        [('no-colon', 'control/smtproutes', 4)], 'domain:host'),
    'a star': (
        append('control/rcpthosts', '*.stars.example\n'),
        [('name-star', 'control/rcpthosts', RCPT + 1)], '.domain'),
    'an address among domains': (
        append('control/locals', 'joe@example.net\n'),
        [('name-at', 'control/locals', LOCALS + 1)], 'domain alone'),
    'a suffix in locals': (
        append('control/locals', '.example.org\n'),
        [('name-suffix', 'control/locals', LOCALS + 1)], 'dot'),
    'a colon in locals': (
        append('control/locals', 'colon.example:joe\n'),
        [('name-colon', 'control/locals', LOCALS + 1)], 'colon'),
    'a name in UTF-8': (
        append('control/rcpthosts', 'caf\xc3\xa9.example\n'),
        [('name-not-ascii', 'control/rcpthosts', RCPT + 1)], 'xn--'),
    'a sender without @': (
        append('control/badmailfrom', 'spam3.example\n'),
        [('no-at', 'control/badmailfrom', 3)], '@'),
    'locals has a name twice': (
        append('control/locals', 'Example.ORG\n'),
        [('duplicate', 'control/locals', LOCALS + 1)], 'line 3'),
    'rcpthosts has a name twice': (
        append('control/rcpthosts', 'shop.example\n'),
        [('duplicate', 'control/rcpthosts', RCPT + 1)], 'line 7'),
    'badmailfrom has a name twice': (
        append('control/badmailfrom', '@spam2.example\n'),
        [('duplicate', 'control/badmailfrom', 3)], 'line 2'),
    'a virtual domain twice': (
        append('control/virtualdomains', 'shop.example:joe\n'),
        [('duplicate', 'control/virtualdomains', 2)], f'line {VIRTUAL + 1}'),
    'a route twice': (
        append('control/smtproutes', 'other.example:192.0.2.9\n'),
        [('duplicate', 'control/smtproutes', 2)], 'line 4'),
    'rcpthosts is not for qmaild': (chmod('control/rcpthosts', 0o600), [('closed', 'control/rcpthosts', 0)], 'qmaild'),
    'locals is not for qmails': (chmod('control/locals', 0o640), [('closed', 'control/locals', 0)], 'qmails'),
    'locals is a directory': (
        both(remove('control/locals'), lambda s: (s.dir / 'control/locals').mkdir()),
        [('unread', 'control/locals', 0)], 'Is a directory'),
    'a control file for all to write': (
        chmod('control/virtualdomains', 0o666),
        [('writable', 'control/virtualdomains', 0)], 'everybody'),
    'a control file of a user': (chown('control/rcpthosts', JOE, 0), [('writable', 'control/rcpthosts', 0)], str(JOE)),
    'a control file for a group to write': (
        both(chown('control/locals', 0, 2107), chmod('control/locals', 0o664)),
        [('writable', 'control/locals', 0)], '2107'),
    'users for all to write': (chmod('users', 0o777), [('writable', 'users', 0)], 'everybody'),
    'the socket\'s directory for all to write': (chmod('verify', 0o1777), [('writable', 'verify', 0)], 'daemon'),

    # control files against each other
    'local and virtual': (
        append('control/virtualdomains', 'example.org:joe\n'),
        [('local-and-virtual', 'control/virtualdomains', VIRTUAL + 1)], 'control/locals line 3'),
    'an address of a local domain in virtualdomains': (
        append('control/virtualdomains', 'boss@example.org:joe\n'),
        [('local-and-virtual', 'control/virtualdomains', VIRTUAL + 1)], 'never matches'),
    'a local domain that is not accepted': (
        append('control/locals', 'quiet.example\n'),
        [('not-in-rcpthosts', 'control/locals', LOCALS + 1)], 'quiet.example'),
    'a virtual domain that is not accepted': (
        append('control/virtualdomains', 'quiet.example:joe\n'),
        [('not-in-rcpthosts', 'control/virtualdomains', VIRTUAL + 1)], 'quiet.example'),
    'rcpthosts is missing': (
        remove('control/rcpthosts'),
        [('rcpthosts-missing', 'control/rcpthosts', 0)], 'open relay'),
    'accepted, and nowhere to go': (
        append('control/rcpthosts', 'lost.example\n'),
        [('rcpthost-nowhere', 'control/rcpthosts', RCPT + 1)], 'lost.example:'),
    'morercpthosts has a domain that goes nowhere': (
        both(append('control/morercpthosts', 'lost.example\n'), lambda s: s.change('control/morercpthosts.cdb'),
            lambda s: s.newmrh()),
        [('rcpthost-nowhere', 'control/morercpthosts', 3)], 'lost.example'),
    'morercpthosts without its database': (
        remove('control/morercpthosts.cdb'),
        [('morercpthosts-no-cdb', 'control/morercpthosts.cdb', 0), ('not-in-rcpthosts', 'control/virtualdomains', 7),
            ('not-in-rcpthosts', 'control/virtualdomains', 8)],
        'qmail-newmrh'),
    'morercpthosts.cdb is damaged': (
        put('control/morercpthosts.cdb', 'rubbish'),
        [('morercpthosts-damaged', 'control/morercpthosts.cdb', 0)], 'qmail-newmrh'),
    'morercpthosts was changed': (
        append('control/morercpthosts', 'www.parts.example\n'),
        [('morercpthosts-differs', 'control/morercpthosts', 3)], 'www.parts.example'),
    'morercpthosts.cdb has more': (
        replace('control/morercpthosts', 'extra.example\n', ''),
        [('morercpthosts-differs', 'control/morercpthosts.cdb', 0)], 'extra.example'),
    'morercpthosts.cdb is older': (
        older('control/morercpthosts.cdb'),
        [('morercpthosts-older', 'control/morercpthosts.cdb', 0)], 'qmail-newmrh'),
    'a route for a domain of this host': (
        append('control/smtproutes', 'shop.example:192.0.2.3\n'),
        [('route-local', 'control/smtproutes', 4)], 'shop.example'),
    'a server that is a name': (
        put('control/verifyroutes', '# x\nbackup.example:store.example\n'),
        [('routes', 'control/verifyroutes', 2)], 'host names are not looked up'),
    'a server of several that cannot be read': (
        put('control/verifyroutes', 'backup.example:192.0.2.3,192.0.2.300\n'),
        [('routes', 'control/verifyroutes', 1)], 'left out'),
    'a routed domain without a colon': (
        put('control/verifyroutes', 'backup.example\n'),
        [('routes', 'control/verifyroutes', 1)], 'no colon'),
    'a line of smtproutes that cannot be followed': (
        both(put('control/verifyroutes', ':smtproutes\n'), append('control/smtproutes', '.parts.example:mx.example\n')),
        [('routes', 'control/smtproutes', 4)], 'cannot follow'),
    'a server for a domain of this host': (
        put('control/verifyroutes', 'backup.example:192.0.2.3\nshop.example:192.0.2.3\n'),
        [('route-local', 'control/verifyroutes', 2)], 'judged here'),
    'a server for a local domain': (
        put('control/verifyroutes', 'Example.org:192.0.2.3\n'),
        [('route-local', 'control/verifyroutes', 1)], 'control/locals'),
    'a routed domain that is not accepted': (
        put('control/verifyroutes', 'quiet.example:192.0.2.3\n'),
        [('not-in-rcpthosts', 'control/verifyroutes', 1)], 'quiet.example'),
    'a routed suffix of which nothing is accepted': (
        put('control/verifyroutes', '.quiet.example:192.0.2.3\n'),
        [('not-in-rcpthosts', 'control/verifyroutes', 1)], '.quiet.example'),
    'a routed domain twice': (
        put('control/verifyroutes', 'backup.example:192.0.2.3\nBackup.example :192.0.2.4\n'),
        [('duplicate', 'control/verifyroutes', 1)], 'line 2'),
    'a star in a routed domain': (
        put('control/verifyroutes', '*.parts.example:192.0.2.3\n'),
        [('name-star', 'control/verifyroutes', 1)], '.domain'),
    'the daemon asks itself': (
        put('control/verifyroutes', 'backup.example:192.0.2.3,127.0.0.1\n'),
        [('route-self', 'control/verifyroutes', 1)], 'asks itself'),
    'the daemon asks itself for all': (
        put('control/verifyroutes', '::\n'),
        [('route-self', 'control/verifyroutes', 1)], 'asks itself'),
    'the daemon asks itself by way of smtproutes': (
        both(put('control/verifyroutes', 'www.quiet.example:192.0.2.3\n.example:smtproutes\n',),
            append('control/rcpthosts', 'www.quiet.example\n'),
            append('control/smtproutes', '.parts.example:[127.0.0.1]:2525\nwww.quiet.example:127.0.0.1\n')),
        [('route-self', 'control/smtproutes', 4)], 'asks itself'),
    'verifyroutes with carriage returns': (
        put('control/verifyroutes', 'backup.example:192.0.2.3\r\n'),
        [('cr', 'control/verifyroutes', 1)], 'UNIX'),
    'verifyroutes is a directory': (
        lambda s: (s.change('control/verifyroutes'), (s.dir / 'control/verifyroutes').mkdir()),
        [('unread', 'control/verifyroutes', 0)], 'Is a directory'),
    'percenthack for a domain that is not here': (
        put('control/percenthack', 'strange.example\n'),
        [('percenthack-nowhere', 'control/percenthack', 1)], 'strange.example'),
    'percenthack opens a relay': (
        put('control/percenthack', 'example.org\n'),
        [('percenthack-relay', 'control/percenthack', 1)], 'user%host'),
    'envnoathost is not here': (
        put('control/envnoathost', 'strange.example\n'),
        [('envnoathost-nowhere', 'control/envnoathost', 1)], 'strange.example'),
    'a policy with a word that is none': (
        append('control/verifypolicy', 'fwd.example:refsue\n'),
        [('policy', 'control/verifypolicy', 5)], 'refsue'),
    'a policy for another host\'s domain': (
        append('control/verifypolicy', 'strange.example:off\n'),
        [('policy-nowhere', 'control/verifypolicy', 5)], 'strange.example'),
    'a policy twice': (
        append('control/verifypolicy', 'Shop.example:\n'),
        [('policy', 'control/verifypolicy', 5)], 'already'),
    'a client that is none': (
        append('control/verifyclients', '192.0.2.300\n'),
        [('clients', 'control/verifyclients', 3)], '192.0.2.300'),
    'a key that is none': (
        append('control/verifykeys', 'new:secret\n'),
        [('keys', 'control/verifykeys', 3)], '32 hexadecimal digits'),
    'a key whose peer is none': (
        append('control/verifykeys', 'new:00112233445566778899aabbccddeeff:mx.example\n'),
        [('keys', 'control/verifykeys', 3)], 'not an IP address'),
    'a key twice': (
        append('control/verifykeys', 'store:11112233445566778899aabbccddeeff:192.0.2.1\n'),
        [('keys', 'control/verifykeys', 3)], 'further up'),
    'keys that others can read': (
        chmod('control/verifykeys', 0o640),
        [('keys-open', 'control/verifykeys', 0)], 'has mode 0640'),
    'keys that others can write': (
        chmod('control/verifykeys', 0o602),
        [('keys-open', 'control/verifykeys', 0)], 'chmod 600'),
    'keys that are another user\'s': (
        chown('control/verifykeys', JOE),
        [('keys-open', 'control/verifykeys', 0)], f'belongs to uid {JOE}'),
    'a limit that is none': (
        append('control/verifylimits', 'badpersecond:1\n'),
        [('limits', 'control/verifylimits', 3)], 'badpersecond'),

    # users/assign, users/cdb, passwd
    'a line of users/assign without colons': (
        assign('joe\n', cdb=False),
        [('assign-format', 'users/assign', 4)], 'has no colon'),
    'a line of users/assign that is short': (
        assign('=a:joe:1:1:/home/joe::\n', cdb=False),
        [('assign-format', 'users/assign', 4)], 'seven colons'),
    'users/assign does not end': (
        replace('users/assign', '\n.\n', '\n'),
        [('assign-format', 'users/assign', 3)], 'single dot'),
    'a comment in users/assign': (
        assign(f'#old:joe:{JOE}:{JOE}:{{qmail}}/home/joe:::\n'),
        [('assign-kind', 'users/assign', 4)], '#old'),
    'users/assign has a name twice': (
        assign(f'=Sales:ann:{ANN}:{ANN}:{{qmail}}/home/ann:::\n'),
        [('assign-duplicate', 'users/assign', 4)], 'line 3'),
    'a prefix that ends with a capital letter': (
        assign(f'+joeX:joe:{JOE}:{JOE}:{{qmail}}/home/joe:-::\n'),
        [('assign-capital', 'users/assign', 4)], 'capital'),
    'users/assign without users/cdb': (remove('users/cdb'), [('assign-no-cdb', 'users/cdb', 0)], 'qmail-newu'),
    'users/assign was changed': (
        assign(f'=new:joe:{JOE}:{JOE}:{{qmail}}/home/joe:::\n', cdb=False),
        [('assign-differs', 'users/assign', 4)], 'qmail-newu'),
    'users/cdb has more': (
        replace('users/assign', '=sales', '.\n=sales'),
        [('assign-differs', 'users/cdb', 0)], '=sales'),
    'users/cdb is older': (older('users/cdb'), [('assign-older', 'users/cdb', 0)], 'qmail-newu'),
    'users/cdb is damaged': (
        lambda s: s.put('users/cdb', (s.dir / 'users/cdb').read_bytes()[:2100]),
        [('users-cdb-damaged', 'users/cdb', 0)], 'qmail-newu'),
    'a uid that is no number': (
        assign(f'=x:joe:joe:{JOE}:{{qmail}}/home/joe:::\n'),
        [('user-number', 'users/assign', 4)], '"joe"'),
    'a uid of 0': (assign('=x:root:0:0:/root:::\n'), [('user-root', 'users/assign', 4)], 'uid 0'),
    'a home that is relative': (
        assign(f'=x:joe:{JOE}:{JOE}:home/joe:::\n'),
        [('home-relative', 'users/assign', 4)], 'slash'),
    'a home that is missing': (
        assign(f'=x:joe:{JOE}:{JOE}:{{qmail}}/home/nowhere:::\n'),
        [('home-missing', 'users/assign', 4)], 'nowhere'),
    'a home that is a file': (
        assign(f'=x:joe:{JOE}:{JOE}:{{qmail}}/home/joe/.qmail:::\n'),
        [('home-missing', 'users/assign', 4)], 'Not a directory'),
    'a home of a user is another\'s': (
        home('gone', JOE, **{'.qmail': './Maildir/\n'}),
        [('user-passed-over', 'passwd:gone', 0)], 'chown'),
    'a user in capital letters': (
        both(home('Bob', OLD, **{'.qmail': ''}),
            lambda s: s.user(s.fill(f'Bob:x:{OLD}:{OLD}::{{qmail}}/home/Bob:/bin/sh'))),
        [('user-capital', 'passwd:Bob', 0)], 'lower case'),
    'a user with a long name': (
        both(home('long', OLD, **{'.qmail': ''}),
            lambda s: s.user(s.fill(f'{"l" * 32}:x:{OLD}:{OLD}::{{qmail}}/home/long:/bin/sh'))),
        [('user-long', f'passwd:{"l" * 32}', 0)], '31 bytes'),
    'no alias user': (replace('etc.passwd', 'alias:x', 'nalias:x'), [('alias-missing', 'passwd', 0)], 'no user alias'),
    'no qmailp': (replace('etc.passwd', 'qmailp:x', 'nqmailp:x'), [('qmailp-missing', 'passwd', 0)], 'no user qmailp'),
    'no postmaster': (
        both(remove('alias/.qmail-postmaster'), put('alias/.qmail-default', '|bouncesaying no\n')),
        [('no-mailbox', 'control/locals', 1)], 'postmaster@localhost'),
    'no mailer-daemon': (
        both(remove('alias/.qmail-mailer-daemon'), put('alias/.qmail-default', '|bouncesaying no\n')),
        [('no-mailbox', 'control/locals', 1)], 'mailer-daemon@localhost'),
    'no root': (
        both(remove('alias/.qmail-root'), put('alias/.qmail-default', '|bouncesaying no\n')),
        [('no-mailbox', 'control/locals', 1)], 'root@localhost'),

    # homes and what is in them
    'a home that others may write': (chmod('home/joe', 0o777), [('home-writable', 'home/joe', 0)], '0777'),
    'a sticky home': (chmod('home/joe', 0o1755), [('home-sticky', 'home/joe', 0)], 'sticky'),
    'a home that is closed to its user': (chmod('home/joe', 0o600), [('home-closed', 'home/joe', 0)], 'joe'),
    'the home of alias is sticky': (chmod('alias', 0o1755), [('home-sticky', 'alias', 0)], 'alias'),
    'a vpopmail domain that others may write': (
        chmod(SHOP, 0o777),
        [('home-writable', SHOP, 0)], 'users/assign line 1'),
    'a dot-qmail file with a capital letter': (
        put('home/joe/.qmail-Foo', '&a@b.c\n', uid=JOE),
        [('dotqmail-name', 'home/joe/.qmail-Foo', 0)], '.qmail-foo'),
    'a dot-qmail file with a dot': (
        put('home/joe/.qmail-a.b', '&a@b.c\n', uid=JOE),
        [('dotqmail-name', 'home/joe/.qmail-a.b', 0)], '.qmail-a:b'),
    'a dot-qmail file that leads nowhere': (
        link('home/joe/.qmail-x', 'gone/editor'),
        [('dotqmail-dangling', 'home/joe/.qmail-x', 0)], 'leads nowhere'),
    'a dot-qmail file that is closed to its user': (
        put('home/joe/.qmail-x', '', uid=0, mode=0o600),
        [('dotqmail-closed', 'home/joe/.qmail-x', 0)], 'chown'),
    'a dot-qmail file that others may write': (
        chmod('home/joe/.qmail', 0o666),
        [('dotqmail-writable', 'home/joe/.qmail', 0)], '0666'),
    'a dot-qmail file that begins with a blank line': (
        put('home/ann/.qmail-default', '\n./Maildir/\n'),
        [('dotqmail-blank', 'home/ann/.qmail-default', 1)], 'blank'),
    'a dot-qmail file with the x bit': (
        chmod('home/joe/.qmail', 0o755),
        [('dotqmail-xbit', 'home/joe/.qmail', 1)], 'chmod -x'),
    'a +list file with a program': (
        put('home/joe/.qmail', '&a@b.c\n+list\n|true\n'),
        [('dotqmail-xbit', 'home/joe/.qmail', 3)], '+list'),
    'a dot-qmail file from DOS': (
        put('home/joe/.qmail', '# mine\r\n./Maildir/\r\n'),
        [('dotqmail-cr', 'home/joe/.qmail', 1)], 'carriage'),
    'a maildir without its dot': (
        put('home/joe/.qmail', '# mine\nMaildir/\n'),
        [('dotqmail-no-dot', 'home/joe/.qmail', 2)], './Maildir/'),
    'a file of vpopmail': (
        chmod(f'{SHOP}/.qmail-default', 0o666),
        [('dotqmail-writable', f'{SHOP}/.qmail-default', 0)], 'go-w'),

    # where mail leads
    'a virtual domain of nobody': (
        both(append('control/virtualdomains', 'none.example:none\n'), append('control/rcpthosts', 'none.example\n'),
            remove('alias/.qmail-default')),
        [('virtual-nowhere', 'control/virtualdomains', VIRTUAL + 1)], 'no user "none"'),
    'a virtual domain of a user without a file': (
        remove('home/list/.qmail-default', 'home/list/.qmail-talk'),
        [('virtual-nowhere', 'control/virtualdomains', 1)], '/home/list/.qmail-default'),
    'a virtual address without a file': (
        both(remove('home/joe/.qmail-default'), append('control/virtualdomains', '')),
        [('virtual-nowhere', 'control/virtualdomains', 5), ('virtual-nowhere', 'control/virtualdomains', 8),
            ('virtual-nowhere', 'control/virtualdomains', 10)],
        '.qmail-joe'),
    'fastforward without its database': (
        remove('etc/aliases.cdb'),
        [('database', 'etc/aliases.cdb', 0)], 'make it anew'),
    'fastforward with a damaged database': (
        put('etc/aliases.cdb', 'rubbish'),
        [('database', 'etc/aliases.cdb', 0)], 'damaged'),
    'vpasswd.cdb is damaged': (
        put(f'{SHOP}/vpasswd.cdb', 'rubbish'),
        [('database', f'{SHOP}/vpasswd.cdb', 0)], 'vmkpasswd'),
    'vpasswd was changed': (
        append(f'{SHOP}/vpasswd', 'new:x:1:0:New:/nowhere:NOQUOTA\n'),
        [('vpasswd-differs', f'{SHOP}/vpasswd', 3)], 'new'),
    'vpasswd has another flag': (
        replace(f'{SHOP}/vpasswd', 'info:x:1:0', 'info:x:1:16'),
        [('vpasswd-differs', f'{SHOP}/vpasswd', 2)], 'otherwise'),
    'a program that is not there': (
        put('home/list/.qmail-default', '|/usr/local/nowhere/bin/vdelivermail "" delete\n'),
        [('program', 'control/virtualdomains', 1)], 'which is not there'),
    'vdelivermail is told a word that is none': (
        replace(f'{SHOP}/.qmail-default', 'bounce-no-mailbox', 'bounce'),
        [('program', 'control/virtualdomains', 2)], '"bounce"'),
}


@pytest.mark.parametrize('fault', FAULTS)
def test_a_fault_is_found_and_gone_when_mended(site, fault):
    change, expected, words = FAULTS[fault]
    change(site)
    found, status = site.findings()
    assert sorted(found) == sorted(expected), site.rows
    assert status == (111 if expected[0][0] == 'unread' else 1)
    assert any(words in row['text'] + ' ' + row['advice'] for row in site.rows), site.rows
    site.mend()
    assert site.findings() == ([], 0), f'not gone: {site.rows}'


def test_there_are_many_kinds_of_faults():
    codes = set(re.findall(r'^  X\(\w+, "([\w-]+)"\)', (ROOT / 'vrfy/lint.h').read_text(), re.M))
    tried = {code for _, expected, _ in FAULTS.values() for code, _, _ in expected}
    assert len(codes) >= 25
    assert tried == codes, f'without a fault here: {sorted(codes - tried)}; no code: {sorted(tried - codes)}'


def test_the_manual_page_has_each_code():
    page = (ROOT / 'man/qmail-vrfy.1').read_text()
    written = re.findall(r'^\.It Sy ([\w-]+)$', page.split('.Sh FINDINGS')[1].split('\n.Sh ')[0], re.M)
    codes = re.findall(r'^  X\(\w+, "([\w-]+)"\)', (ROOT / 'vrfy/lint.h').read_text(), re.M)
    assert sorted(written) == sorted(codes), set(written) ^ set(codes)


def test_no_secret_is_shown(site):
    secret = '5ec4e7' * 5 + '5e'
    for line in (f'{secret}:a', secret, f'a:192.0.2.1:{secret}', f'a b:{secret}', f'a:{secret}0', f'old:{secret}'):
        site.append('control/verifykeys', line + '\n')
        done = site.vrfy('--lint')
        assert 'control/verifykeys line 3: keys: ' in done.stdout and '5ec4e7' not in done.stdout + done.stderr, done.stdout
        site.mend()


# ---- how it is shown

def test_a_line_has_file_line_code_text_and_advice(site):
    site.append('control/locals', 'quiet.example\n')
    done = site.vrfy('--lint')
    assert done.returncode == 1
    assert done.stdout == (
        f'control/locals line {LOCALS + 1}: not-in-rcpthosts: "quiet.example" is not in control/rcpthosts: qmail-smtpd '
        'refuses mail for it that comes from outside: add it there, or take it out here\n')


def test_nothing_that_users_write_reaches_the_terminal(site):
    site.put('home/joe/.qmail-\x1b[31mRed', '', uid=JOE)
    site.put('home/joe/.qmail', 'Mail\x1b[2J\x07/\n')
    done = site.vrfy('--lint')
    assert all(' ' <= c <= '~' or c == '\n' for c in done.stdout), done.stdout
    assert '\\x1b[31m' in done.stdout and 'Mail\\x1b[2J\\x07/' in done.stdout


def test_many_findings_of_a_kind_are_counted(site):
    site.append('control/rcpthosts', ''.join(f'lost{i}.example\n' for i in range(120)))
    done = site.vrfy('--lint')
    lines = done.stdout.splitlines()
    assert (len(lines), lines[-1]) == (51, 'rcpthost-nowhere: 70 more, which -v shows')
    rows = [json.loads(line) for line in site.vrfy('--lint', '-j').stdout.splitlines()]
    assert (len(rows), rows[-1]) == (51, {'code': 'rcpthost-nowhere', 'more': 70})


def test_homes_are_looked_at_as_their_users_only(site):
    """Root could read what a user may not; nobody else's rights count there."""
    site.put('home/joe/.qmail-secret', '\nnot for joe\n', uid=0, mode=0o600)
    assert site.findings()[0] == [('dotqmail-closed', 'home/joe/.qmail-secret', 0)]


def test_who_is_not_root_is_told_what_could_not_be_looked_at(site):
    program = site.dir / 'qmail-vrfy'
    program.write_bytes((BUILD / 'qmail-vrfy').read_bytes())
    program.chmod(0o755)
    joe = ['setpriv', f'--reuid={JOE}', f'--regid={JOE}', '--clear-groups', str(program), '--lint']
    done = subprocess.run(site.in_place(*joe), env={'PATH': '/usr/bin:/bin', 'QMAILDIR': str(site.dir)},
                          capture_output=True, text=True)
    program.unlink()
    assert done.returncode == 111
    assert f'{site.dir}/home/list: unread: cannot be looked at' in done.stdout and 'run this as root' in done.stdout


def test_a_qmail_directory_that_is_not_there():
    done = subprocess.run([BUILD / 'qmail-vrfy', '--lint'], env={'QMAILDIR': '/nonexistent'}, capture_output=True,
                          text=True)
    assert (done.returncode, done.stdout) == (111, '') and '/nonexistent' in done.stderr


def test_the_variable_for_fastforward(site):
    site.put('alias/.qmail-default', '|/usr/bin/something\n')
    assert site.findings(env={'VERIFY_FASTFORWARDCDB': f'{site.dir}/etc/aliases.cdb'}) == ([], 0), site.rows
    found, status = site.findings(env={'VERIFY_FASTFORWARDCDB': f'{site.dir}/etc/none.cdb'})
    assert (('database', 'etc/none.cdb', 0) in found, status) == (True, 1), site.rows


# ---- large and strange hosts

def test_a_hundred_thousand_users(site):
    """What is wrong is found among them, in bounded time."""
    many = ''.join(f'u{i}:x:{20000 + i}:{20000 + i}::{{qmail}}/home/none/u{i}:/bin/sh\n' for i in range(100_000))
    site.append('etc.passwd', many)
    site.append('control/locals', 'quiet.example\n')
    began = time.monotonic()
    assert site.findings() == ([('not-in-rcpthosts', 'control/locals', LOCALS + 1)], 1)
    assert time.monotonic() - began < 60


def lint_recorded(site):
    """Run under unshare -m -n: lays the site out; what --lint printed, and its exit status."""
    script = ('import ask, subprocess, sys, tempfile\n'
              'work = tempfile.mkdtemp(prefix="verdicts.")\n'
              'ask.lay_out(sys.argv[2], work)\n'
              'done = subprocess.run([sys.argv[1], "--lint", "-j"], env={"PATH": "/usr/bin:/bin"})\n'
              'subprocess.run(["umount", "-l", work])\n'
              'sys.exit(done.returncode)\n')
    return subprocess.run(['unshare', '-m', '-n', sys.executable, '-c', script, BUILD / 'qmail-vrfy', site],
                          env={**os.environ, 'PYTHONPATH': str(VERDICTS)}, capture_output=True, timeout=120)


@pytest.mark.parametrize('recorded', sorted(VERDICTS.glob('site-*')), ids=lambda site: site.name)
def test_recorded_sites(recorded):
    """They have faults of every kind: found without trouble."""
    namespaces.need_mounts()
    done = lint_recorded(recorded)
    assert done.returncode in (1, 111) and not done.stderr, done.stderr
    for line in done.stdout.decode().splitlines():
        row = json.loads(line)
        assert row['code'] and ('more' in row or row['text'] and row['advice']), row
