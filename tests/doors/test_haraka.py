"""Haraka, with our plugin and with the one for qmail-deliverabled, as qmail-verify-doors(7) says."""
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest
from doorhost import DOORS, page
from mailhost import Session
from qmailhost import BUILD, ROOT, Host, quiet_port, until

INSTALL, PLUGIN, INI = range(3)  # the page's displays
EXAMPLES = '/usr/local/share/doc/qmail-verify/examples/haraka'
KNOWN, UNKNOWN, ELSEWHERE = 'list-known@example.org', 'list-unknown@example.org', 'joe@elsewhere.example'

OUR_DOMAINS = """exports.hook_rcpt = (next, connection, params) => next(params[0].host === 'example.org' ? OK : undefined)
"""  # what rcpt_to.in_host_list does


@pytest.fixture
def host():
    uid = os.getuid() or 7790
    with Host(control={'me': 'example.org\n', 'locals': 'example.org\n'},
              assign=f'+list-:someone:{uid}:{os.getgid() or 2108}:{{qmail}}/joe:-::\n.\n', files={'joe/.qmail-known': './Maildir/\n'}) as one:
        if os.getuid() == 0:
            one.own(uid, 'joe', 'joe/.qmail-known')
        yield one


class Haraka:
    def __init__(self, plugins, **config):
        """config: name of a file of config, with _ for the dot, to its text."""
        if not (DOORS / 'haraka/complete').exists():
            pytest.skip('Haraka is not below build/doors: run "sh tests/packages doors"; it needs npm')
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='haraka.'))
        self.port, self.process = quiet_port(), None
        shutil.copytree(DOORS / 'haraka/node_modules/Haraka/config', self.folder / 'config')  # as "haraka -i" does
        for name in ('queue', 'plugins', 'node_modules'):
            (self.folder / name).mkdir()
        for name in (DOORS / 'haraka/node_modules').iterdir():
            (self.folder / 'node_modules' / name.name).symlink_to(name.resolve())
        (self.folder / 'plugins/our_domains.js').write_text(OUR_DOMAINS)
        files = {'smtp_ini': f'listen=127.0.0.1:{self.port}\nnodes=0\n', 'plugins': plugins, 'me': 'mail.example.org\n',
                 'loglevel': 'LOGNOTICE\n', 'http_ini': 'listen=\n', **config}
        for name, text in files.items():
            (self.folder / 'config' / name.replace('_ini', '.ini')).write_text(text)

    def install(self):
        """The page's command, in this folder."""
        command = page('HARAKA')[INSTALL]
        assert EXAMPLES in command
        shutil.copytree(ROOT / 'haraka', self.folder / 'source')
        (self.folder / 'package.json').write_text('{"private": true}\n')
        command = command.replace('npm install', 'npm install --offline --no-audit --no-fund --no-package-lock --install-links')
        subprocess.run(['sh', '-c', command.replace(EXAMPLES, './source')], cwd=self.folder, check=True, timeout=120,
                       stdin=subprocess.DEVNULL, capture_output=True)

    def __enter__(self):
        self.log = open(self.folder / 'log', 'w')
        self.process = subprocess.Popen(['node', DOORS / 'haraka/node_modules/Haraka/bin/haraka', '-c', self.folder], cwd=self.folder,
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        until('Haraka listens', self.listens)
        return self

    def __exit__(self, *error):
        if self.process:
            self.process.kill()
            self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder)

    def listens(self):
        assert self.process.poll() is None, self.said()
        try:
            with Session(self.port) as s:
                return s.greeting.startswith('220')
        except (OSError, AssertionError):
            return False

    def said(self):
        return (self.folder / 'log').read_text()

    def answers(self, *recipients):
        with Session(self.port) as s:
            return [reply[:3] for reply in s.mail(*recipients)]


def ours(host, words=''):
    assert page('HARAKA')[INI] == '[main]\nverify=127.0.0.1,STRICT\n'
    haraka = Haraka(page('HARAKA')[PLUGIN] + 'our_domains\n', qmail_verify_ini=f'[main]\nverify=127.0.0.1:{host.port},STRICT{words}\n')
    haraka.install()
    return haraka


def test_known_and_unknown(host):
    with ours(host) as haraka:
        with Session(haraka.port) as s:
            known, unknown, elsewhere = s.mail(KNOWN, UNKNOWN, ELSEWHERE)
        assert known[:3] == '250' and elsewhere[:3] == '550'
        assert unknown == '550 sorry, no mailbox here by that name. (#5.1.1)'
        until('that is logged', lambda: f'refused {UNKNOWN}: reason 16, ' in haraka.said())


def test_daemon_down_and_back(host):
    with ours(host) as haraka:
        host.stop()
        with Session(haraka.port) as s:
            assert s.mail(KNOWN, UNKNOWN) == ['451 qv temporary failure (#4.3.0)'] * 2
        host.start()
        assert haraka.answers(KNOWN, UNKNOWN) == ['250', '550']


def test_many_recipients(host):
    with ours(host) as haraka:
        assert haraka.answers(*[KNOWN, UNKNOWN] * 50) == ['250', '550'] * 50


@pytest.mark.parametrize('words, down, expected', [
    (',OBSERVE', False, ['250', '250']), (',OBSERVE', True, ['250', '250']), (',OPEN', True, ['250', '250']), (',MAXBAD=1', False, ['250', '550', '421'])])
def test_words(host, words, down, expected):
    with ours(host, words) as haraka:
        if down:
            host.stop()
        assert haraka.answers(*[KNOWN, UNKNOWN, KNOWN][:len(expected)]) == expected
        assert haraka.answers(ELSEWHERE) == ['550']  # never a relay


def test_what_it_cannot_read_is_451(host):
    with ours(host, ',mail.example.org') as haraka:
        assert haraka.answers(KNOWN) == ['451']
        assert 'config/qmail_verify.ini: verify: mail.example.org: give ip, ip:port' in haraka.said()


def test_with_the_plugin_for_qmail_deliverabled(host):
    """Its own, unchanged, asking the gate."""
    port = quiet_port()
    gate = subprocess.Popen([BUILD / 'qmail-verify-gate', f'qd1=127.0.0.1:{port}'], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                            env={**os.environ, 'VERIFY': f'127.0.0.1:{host.port},STRICT'})
    try:
        assert until('the gate listens', lambda: b'listening' in gate.stderr.readline())
        with Haraka('qmail-deliverable\n', **{'qmail-deliverable_ini': f'host=127.0.0.1\nport={port}\ncheck_mail_from=false\n'}) as haraka:
            assert haraka.answers(KNOWN, UNKNOWN, ELSEWHERE) == ['250', '550', '550']
            host.stop()
            assert haraka.answers(KNOWN) == ['450']
    finally:
        gate.kill()
        gate.wait()
        gate.stderr.close()


def test_the_plugin_by_itself():
    """Its own tests, as npm test runs them."""
    if not shutil.which('node'):
        pytest.skip('needs node')
    done = subprocess.run('node --test test/*.js', shell=True, cwd=ROOT / 'haraka', stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-3000:]
