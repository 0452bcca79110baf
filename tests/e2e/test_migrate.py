"""qmail-verify-migrate: what it makes of rules and scripts means, to the real tcprules and
sh, what it ought to; files are replaced whole, or not at all."""
import os
import pathlib
import re
import resource
import shutil
import stat
import subprocess

import pytest

EXAMPLE = '''10.:allow,VERIFYDEFER=""
192.168.:allow,VERIFY=""
:allow,VERIFYDEFER="",VERIFYSVR="192.168.1.100:1234"
'''
BECOMES = '''10.:allow,VERIFY="DEFER"
192.168.:allow,VERIFY=":"
:allow,VERIFY="DEFER,192.168.1.100:1234"
'''


@pytest.fixture
def migrate(build, tmp_path):
    """Runs it in a folder of its own: what subprocess.run gives."""
    def run(*arguments, **more):
        return subprocess.run([build / 'qmail-verify-migrate', *arguments], cwd=tmp_path, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60, **more)
    return run


@pytest.fixture
def unprivileged():
    """Words that make a command one of somebody who may not do everything."""
    if os.geteuid():
        return []
    return ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']


def environment_by_rules(rules, ip, folder):
    """What tcprulescheck says that a client gets."""
    cdb = folder / 'check.cdb'
    subprocess.run(['tcprules', cdb, folder / 'check.tmp'], input=rules.encode(), check=True)
    said = subprocess.run(['tcprulescheck', cdb], capture_output=True, text=True, check=True,
                          env={'PATH': os.environ['PATH'], 'TCPREMOTEIP': ip}).stdout
    return dict(re.findall(r'^set environment variable (\w+)=(.*)$', said, re.M)), said.splitlines()[-1]


# ---- rules

@pytest.mark.parametrize('ip, verify', [('10.1.2.3', 'DEFER'), ('192.168.7.7', ':'), ('198.51.100.1', 'DEFER,192.168.1.100:1234')])
def test_the_documents_example(migrate, tmp_path, ip, verify):
    (tmp_path / 'tcp.smtp').write_text(EXAMPLE)
    done = migrate('-w', 'tcp.smtp')
    assert done.returncode == 0, done.stderr
    assert (tmp_path / 'tcp.smtp').read_text() == BECOMES
    assert environment_by_rules((tmp_path / 'tcp.smtp').read_text(), ip, tmp_path) == ({'VERIFY': verify}, 'allow connection')


def test_rules_of_all_kinds_for_the_real_tcprules(migrate, tmp_path):
    rules = ('# all kinds\n\n127.:allow,RELAYCLIENT=""\n10.0.0.1-3:allow,A="x, y",VERIFYDEFER=//,B=\'"\'\n'
             '=h.example.org:allow,VERIFYDEFER=""\n1.2.3.4:deny\n5.:allow,VERIFYSVR=,1.2.3.4:5,,VERIFY=""  \nno rule\n:allow')
    (tmp_path / 'rules').write_text(rules)
    assert migrate('-w', 'rules').returncode == 0
    after = (tmp_path / 'rules').read_text()

    def by(ip):
        return environment_by_rules(after, ip, tmp_path)
    assert by('127.0.0.1') == ({'RELAYCLIENT': ''}, 'allow connection')
    assert by('10.0.0.2') == ({'A': 'x, y', 'VERIFY': 'DEFER', 'B': '"'}, 'allow connection')
    assert by('1.2.3.4')[1] == 'deny connection'
    assert by('5.5.5.5') == ({'VERIFY': '1.2.3.4:5'}, 'allow connection')
    assert by('6.6.6.6') == ({}, 'allow connection')
    assert [line for line in after.splitlines() if 'VERIFY' not in line] == [
        line for line in rules.splitlines() if 'VERIFY' not in line]


def test_realrcptto(migrate, tmp_path):
    (tmp_path / 'rules').write_text('127.:allow,RELAYCLIENT=""\n10.:allow,QMAILRRTDENYALL="1"\n11.:allow,QMAILRRTDENYALL="yes"\n:allow\n')
    assert migrate('rules').returncode == 1
    assert migrate('-w', '--from=realrcptto', 'rules').returncode == 0
    after = (tmp_path / 'rules').read_text()
    for ip, expected in [('127.0.0.1', {'RELAYCLIENT': ''}), ('10.0.0.1', {'VERIFY': 'DEFER'}),
                         ('11.0.0.1', {'VERIFY': ':'}), ('12.0.0.1', {'VERIFY': ':'})]:
        assert environment_by_rules(after, ip, tmp_path)[0] == expected


def test_of_122_without_a_sign_of_its_age(migrate, tmp_path):
    (tmp_path / 'rules').write_text(':allow,VERIFY=""\n')
    done = migrate('-w', 'rules')
    assert done.returncode == 1 and 'rules, line 1: VERIFY is empty' in done.stderr and not done.stdout
    assert (tmp_path / 'rules').read_text() == ':allow,VERIFY=""\n'
    assert migrate('-w', '--from=1.22', 'rules').returncode == 0
    assert (tmp_path / 'rules').read_text() == ':allow,VERIFY=":"\n'


def test_of_today_nothing_is_touched(migrate, tmp_path):
    path = tmp_path / 'rules'
    path.write_bytes(BECOMES.encode() + b'172.:allow,VERIFY=""\n:deny')
    before = path.stat()
    done = migrate('-w', 'rules')
    assert (done.returncode, done.stdout, done.stderr) == (0, '', '')
    assert path.stat() == before and not (tmp_path / 'rules.before-verify').exists()


# ---- run scripts: what the server at their end would get

def environment_by_script(path, folder):
    """The variables that a stub in the place of tcpserver sees."""
    stub = folder / 'bin/tcpserver'
    stub.parent.mkdir(exist_ok=True)
    stub.write_text('#!/bin/sh\nexec /usr/bin/env\n')
    stub.chmod(0o755)
    said = subprocess.run(['sh', path], env={'PATH': f'{stub.parent}:/usr/bin:/bin'}, capture_output=True, text=True,
                          check=True, timeout=60).stdout
    return {name: value for name, value in re.findall(r'^(\w+)=(.*)$', said, re.M)
            if name.startswith(('VERIFY', 'QMAILRRT', 'RELAY'))}


@pytest.mark.parametrize('script, options, expected', [
    ('exec env VERIFYDEFER= tcpserver -v 0 25 qmail-smtpd 2>&1\n', [], {'VERIFY': 'DEFER'}),
    ('VERIFYDEFER="" VERIFYSVR=1.2.3.4:5 exec tcpserver\n', [], {'VERIFY': 'DEFER,1.2.3.4:5'}),
    ('VERIFY=""\nVERIFYSVR="1.2.3.4:5"\nexport VERIFY VERIFYSVR\nexec tcpserver\n', [], {'VERIFY': '1.2.3.4:5'}),
    ('export VERIFY=""\nexec tcpserver\n', ['--from=1.22'], {'VERIFY': ':'}),
    ('exec env \\\n VERIFYSVR=1.2.3.4 \\\n VERIFYDEFER=1 \\\n PATH="$PATH" \\\n tcpserver\n', [], {'VERIFY': 'DEFER,1.2.3.4'}),
    ('export VERIFYSVR=1.2.3.4\nexec tcpserver\n', ['--from=1.22'], {}),
    ('export QMAILRRTDENYALL=1\nexec tcpserver\n', ['--from=realrcptto'], {'VERIFY': 'DEFER'}),
    ('if true; then VERIFYDEFER= tcpserver; else VERIFYSVR=1 tcpserver; fi\n', [], {'VERIFY': 'DEFER'}),
])
def test_scripts_are_run(migrate, tmp_path, script, options, expected):
    path = tmp_path / 'run'
    path.write_text('#!/bin/sh\n' + script)
    path.chmod(0o755)
    done = migrate('-w', *options, 'run')
    assert environment_by_script(path, tmp_path) == expected, done.stderr
    assert stat.S_IMODE(path.stat().st_mode) == 0o755
    assert migrate('-w', *options, 'run').stdout == '', 'the second time nothing is changed'


# ---- what is printed

def test_the_diff_is_one_that_patch_takes(migrate, tmp_path):
    if not shutil.which('patch'):
        pytest.skip('patch is not installed')
    text = ''.join(f'10.{i}.:allow{",VERIFYDEFER=" + chr(34) * 2 if i % 9 == 0 else ""}\n' for i in range(40)) + EXAMPLE[:-1]
    (tmp_path / 'rules').write_text(text)
    done = migrate('rules')
    assert done.returncode == 1 and (tmp_path / 'rules').read_text() == text
    assert done.stderr == 'qmail-verify-migrate: rules: not changed; -w writes this\n'
    subprocess.run(['patch', '-p0', tmp_path / 'rules'], input=done.stdout, text=True, check=True, cwd=tmp_path)
    patched = (tmp_path / 'rules').read_text()
    (tmp_path / 'rules').write_text(text)
    assert migrate('-w', 'rules').stdout == done.stdout
    assert patched == (tmp_path / 'rules').read_text()


def test_the_next_step_is_named(migrate, tmp_path):
    (tmp_path / 'my rules').write_text(EXAMPLE)
    command = re.search(r'it counts after: (tcprules .*) \(or', migrate('-w', 'my rules').stderr)[1]
    subprocess.run(['sh', '-c', command], check=True)
    assert (tmp_path / 'my rules.cdb').exists()


def test_nothing_raw_reaches_a_terminal(build, tmp_path):
    (tmp_path / 'r\x1bx').write_bytes(b'#\x1b[2J\xc3\xa9\n:allow,VERIFYDEFER=""\n:\x1b[2J\n')
    said = subprocess.run(['script', '-qec', f'{build}/qmail-verify-migrate r*', '/dev/null'], cwd=tmp_path,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=60).stdout
    assert b'VERIFY="DEFER"' in said and b'\\x1b[2J' in said
    assert b'\x1b' not in said and b'\xc3' not in said


# ---- the command line

@pytest.mark.parametrize('arguments, words', [
    ([], 'no file'), (['-w'], 'no file'), (['-x', 'f'], '-x is not an option'), (['--from', 'f'], 'give realrcptto'),
    (['--from=2', 'f'], 'give realrcptto'), (['f', '--from'], 'needs an argument'), (['--nothing', 'f'], 'is not an option'),
])
def test_misuse(migrate, tmp_path, arguments, words):
    (tmp_path / 'f').write_text(EXAMPLE)
    done = migrate(*arguments)
    assert done.returncode == 100 and words in done.stderr and not done.stdout
    assert (tmp_path / 'f').read_text() == EXAMPLE


def test_version_and_help(migrate):
    assert migrate('-V').stdout.startswith('qmail-verify-migrate ') and migrate('-V').returncode == 0
    assert migrate('--help').stdout.startswith('usage: qmail-verify-migrate ') and migrate('--help').returncode == 0


def test_trouble_with_one_file_does_not_keep_another_from_being_done(migrate, tmp_path):
    (tmp_path / 'good').write_text(EXAMPLE)
    done = migrate('-w', 'missing', '.', 'good')
    assert done.returncode == 111
    assert 'missing cannot be found: No such file' in done.stderr and '. is no regular file' in done.stderr
    assert (tmp_path / 'good').read_text() == BECOMES


# ---- the manual page

PAGE = (pathlib.Path(__file__).resolve().parent.parent.parent / 'man/qmail-verify-migrate.8').read_text()


def page_section(title):
    return re.search(rf'^\.Sh {title}\n(.*?)(?=^\.Sh |\Z)', PAGE, re.M | re.S)[1].replace('\\(dq', '"')


def test_the_page_has_the_options(migrate):
    written = re.findall(r'^\.It Fl (.*)$', page_section('OPTIONS'), re.M)
    words = {'-' + one.replace('Fl ', '-').replace(' Ns = Ns Cm ', '=').replace(' ', '') for one in written}
    said = set(re.findall(r'^  (-\S+)', migrate('--help').stdout, re.M))
    assert words - {'--help'} == said


def test_the_page_has_the_exit_codes():
    source = (pathlib.Path(__file__).resolve().parent.parent.parent / 'qmail-verify-migrate.cpp').read_text()
    codes = re.findall(r'= (\d+)', re.search(r'enum Exit \{(.*?)\}', source)[1])
    assert re.findall(r'^\.It (\d+)$', page_section('EXIT STATUS'), re.M) == codes


@pytest.mark.parametrize('before, after', re.findall(r'^\.It Li (\S+) Ta Li (\S+)$', page_section('WHAT BECOMES OF IT'), re.M))
def test_the_page_tells_what_becomes_of_it(migrate, tmp_path, before, after):
    realrcptto = before.startswith(':')
    rule = '{}\n' if realrcptto else ':allow,{}\n'
    (tmp_path / 'rules').write_text(rule.format(before).replace('ip:port', '1.2.3.4:5'))
    migrate('-w', '--from=realrcptto' if realrcptto else '--from=1.22', 'rules')
    assert (tmp_path / 'rules').read_text() == rule.format(after).replace('ip:port', '1.2.3.4:5')


# ---- -w: all or nothing

def names(folder):
    return sorted(os.listdir(folder))


def test_the_old_file_is_kept_and_never_written_over(migrate, tmp_path):
    path, old = tmp_path / 'rules', tmp_path / 'rules.before-verify'
    path.write_text(EXAMPLE)
    inode = path.stat().st_ino
    assert f'what it was is now {old}' in migrate('-w', 'rules').stderr
    assert old.read_text() == EXAMPLE and old.stat().st_ino == inode
    path.write_text(':allow,VERIFYDEFER=""\n')
    assert f'{old} was there, and is kept' in migrate('-w', 'rules').stderr
    assert old.read_text() == EXAMPLE and path.read_text() == ':allow,VERIFY="DEFER"\n'
    assert names(tmp_path) == ['rules', 'rules.before-verify']


def test_owner_and_mode_are_kept(migrate, tmp_path):
    path = tmp_path / 'rules'
    path.write_text(EXAMPLE)
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 12345, 54321)
    before = path.stat()
    assert migrate('-w', 'rules', umask=0o077).returncode == 0
    after = path.stat()
    assert (after.st_uid, after.st_gid, after.st_mode) == (before.st_uid, before.st_gid, before.st_mode)
    assert after.st_ino != before.st_ino


def test_a_symbolic_link_stays(migrate, tmp_path):
    (tmp_path / 'real').mkdir()
    (tmp_path / 'real/rules').write_text(EXAMPLE)
    (tmp_path / 'link').symlink_to('real/rules')
    assert migrate('-w', 'link').returncode == 0
    assert os.readlink(tmp_path / 'link') == 'real/rules'
    assert (tmp_path / 'real/rules').read_text() == BECOMES
    assert names(tmp_path) == ['link', 'real'] and names(tmp_path / 'real') == ['rules', 'rules.before-verify']


def test_a_folder_that_cannot_be_written(migrate, build, tmp_path, unprivileged):
    folder = tmp_path / 'closed'
    folder.mkdir()
    (folder / 'rules').write_text(EXAMPLE)
    program = tmp_path / 'program'  # where anybody can run it
    shutil.copy(build / 'qmail-verify-migrate', program)
    for path in (tmp_path, *tmp_path.parents):  # pytest's own folders
        if path.is_relative_to('/tmp') and path != type(path)('/tmp'):
            path.chmod(path.stat().st_mode | 0o111)
    folder.chmod(0o555)
    done = subprocess.run([*unprivileged, program, '-w', folder / 'rules'], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 111 and 'cannot make a file beside it: Permission denied' in done.stderr
    assert names(folder) == ['rules'] and (folder / 'rules').read_text() == EXAMPLE


def test_a_disk_that_is_full_leaves_the_file(migrate, tmp_path):
    path = tmp_path / 'rules'
    path.write_text(EXAMPLE + '#' * 100000 + '\n')
    before = path.read_bytes()

    def little():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        import signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    done = migrate('-w', 'rules', preexec_fn=little)
    assert done.returncode == 111 and 'cannot write the new file' in done.stderr
    assert path.read_bytes() == before and names(tmp_path) == ['rules']


def test_a_reader_sees_the_old_or_the_new(migrate, tmp_path):
    """Whoever has it open goes on reading the old one."""
    path = tmp_path / 'rules'
    path.write_text(EXAMPLE)
    with open(path) as reader:
        assert migrate('-w', 'rules').returncode == 0
        assert reader.read() == EXAMPLE
    assert path.read_text() == BECOMES


def test_a_diff_that_cannot_be_printed_changes_nothing(build, tmp_path):
    (tmp_path / 'rules').write_text(EXAMPLE)
    with open('/dev/full', 'w') as full:
        done = subprocess.run([build / 'qmail-verify-migrate', '-w', 'rules'], cwd=tmp_path, stdin=subprocess.DEVNULL,
                              stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 111 and 'standard output cannot be written' in done.stderr
    assert (tmp_path / 'rules').read_text() == EXAMPLE


# ---- qmail-smtpd tells who has not done it

@pytest.mark.parametrize('name', ['VERIFYDEFER', 'VERIFYSVR', 'QMAILRRTDENYALL'])
def test_the_server_notes_a_variable_without_effect(build, tmp_path, name):
    (tmp_path / 'control').mkdir()
    (tmp_path / 'control/me').write_text('mail.example.org\n')
    (tmp_path / 'control/rcpthosts').write_text('example.org\n')
    done = subprocess.run([build / 'qmail-smtpd'], input='MAIL FROM:<>\r\nRCPT TO:<a@example.org>\r\nQUIT\r\n', timeout=60,
                          env={'QMAILDIR': str(tmp_path), 'TCPREMOTEIP': '192.0.2.1', name: '1'}, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.count('250 ok') == 2
    notes = [line for line in done.stderr.splitlines() if 'note:' in line]
    assert len(notes) == 1 and notes[0].endswith(
        f': verify: note: {name} set, without effect now: VERIFY alone counts, see qmail-verify-migrate(8)')
