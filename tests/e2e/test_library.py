"""libqmailverify.a as those have it who install it: programs in C and in C++ that stand elsewhere and know pkg-config
alone, the examples of the manual pages among them."""
import os
import pathlib
import re
import shutil
import subprocess

import namespaces
import pytest
from making import make
from qmailhost import BUILD, PASSWD, ROOT, Host

pytestmark = pytest.mark.skipif('sanitize' in BUILD.name, reason='the library is tested as it is installed')
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason='needs root: users of its own')

JOE, EVE = 7001, 7002
STRICT = ['-Wall', '-Wextra', '-pedantic', '-Werror']
LANGUAGES = {'C': ['gcc', '-std=gnu11'], 'C++': ['g++', '-std=gnu++17', '-x', 'c++']}
HEADERS = ['address.h', 'qmail-verify.h', 'sockbits.h', 'udpbits.h', 'verifyrcpt.h']
NAMES = {line for line in (ROOT / 'libqmailverify.names').read_text().splitlines() if re.match(r'\w', line)}


def run(*command, **how):
    done = subprocess.run([str(word) for word in command], stdin=how.pop('stdin', subprocess.DEVNULL),
                          capture_output=True, text=True, timeout=200, **how)
    assert done.returncode == 0, f'{" ".join(map(str, command))}: {done.returncode}\n{done.stdout}{done.stderr}'
    return done.stdout


@pytest.fixture(scope='module')
def prefix(tmp_path_factory):
    if not shutil.which('pkg-config'):
        pytest.skip('pkg-config is not installed')
    prefix = tmp_path_factory.mktemp('library') / 'usr'
    make('install-lib', f'PREFIX={prefix}')
    prefix.parent.chmod(0o755)
    return prefix


@pytest.fixture(scope='module')
def place():
    """A folder that every user may enter, for programs."""
    import tempfile
    with tempfile.TemporaryDirectory(prefix='library.') as folder:
        os.chmod(folder, 0o755)
        yield pathlib.Path(folder)


def flags(prefix, *wanted):
    return run('pkg-config', *wanted, 'qmailverify', env={**os.environ, 'PKG_CONFIG_PATH': f'{prefix}/lib/pkgconfig'}).split()


def build(prefix, program, source, compiler, *more):
    """cc -o program source $(pkg-config --cflags --libs qmailverify)"""
    after = ['-x', 'none'] if '-x' in compiler else []
    run(*compiler, *STRICT, *more, '-o', program, source, *after, *flags(prefix, '--cflags', '--libs'), cwd=program.parent)
    return program


def example(page, name):
    """A program as it stands in a manual page."""
    text = (ROOT / 'man' / page).read_text()
    source = re.search(rf'^\.Bd -literal\n(/\* {re.escape(name)} - .*?)^\.Ed$', text, re.M | re.S)[1]
    return source.replace('\\e', '\\')


# ---- what is installed

def test_files_and_their_end(tmp_path):
    where = [f'DESTDIR={tmp_path}', 'PREFIX=/opt/qv', 'LIBDIR=/opt/qv/lib64', 'MANDIR=/usr/share/man']
    make('install-lib', *where)
    files = {str(path.relative_to(tmp_path)): path for path in tmp_path.rglob('*') if path.is_file()}
    assert sorted(files) == sorted([*(f'opt/qv/include/qmail-verify/{name}' for name in HEADERS),
                                    'opt/qv/lib64/libqmailverify.a', 'opt/qv/lib64/pkgconfig/qmailverify.pc',
                                    'usr/share/man/man3/libqmailverify.3', 'usr/share/man/man3/verifyrcpt.3'])
    assert {path.stat().st_mode & 0o777 for path in files.values()} == {0o644}
    pc = files['opt/qv/lib64/pkgconfig/qmailverify.pc'].read_text()
    assert 'prefix=/opt/qv\nlibdir=${prefix}/lib64\nincludedir=${prefix}/include\n' in pc
    version = re.search(r'QV_VERSION "(.*)"', (ROOT / 'qmail-verify.h').read_text())[1]
    assert f'\nVersion: {version}\n' in pc
    assert str(tmp_path) not in pc
    make('uninstall-lib', *where)
    assert not [path for path in tmp_path.rglob('*') if path.is_file() or path.name == 'qmail-verify']


def test_only_what_the_headers_document_can_be_seen(prefix):
    if not shutil.which('nm'):
        pytest.skip('nm is not installed (binutils)')
    shown = {line.split()[-1] for line in run('nm', '-g', '--defined-only', prefix / 'lib/libqmailverify.a').splitlines()
             if len(line.split()) == 3}
    assert shown == NAMES
    declared = set()
    for name in HEADERS:
        code = re.sub(r'/\*.*?\*/', '', (prefix / 'include/qmail-verify' / name).read_text(), flags=re.S)
        declared |= set(re.findall(r'^(?!typedef|static)(?:[a-z]\w* )+\*?(\w+)\(', code, re.M))
    assert declared == NAMES


@pytest.mark.parametrize('compiler', [['gcc', '-std=c11', '-x', 'c'], ['g++', '-std=c++17', '-x', 'c++']],
                         ids=['C11', 'C++17'])
@pytest.mark.parametrize('header', HEADERS)
def test_a_header_stands_alone(prefix, header, compiler):
    for source in (f'#include <{header}>\n', f'#include <{header}>\n#include <{header}>\nint main(void) {{ return 0; }}\n'):
        subprocess.run([*compiler, *STRICT, '-fsyntax-only', f'-I{prefix}/include/qmail-verify', '-'], input=source,
                       check=True, text=True)


def test_a_shared_object_has_it(prefix, tmp_path):
    source = tmp_path / 'plugin.c'
    source.write_text('#include <address.h>\n#include <verifyrcpt.h>\n'
                      'int plugin(void);\nint plugin(void) {\n  struct address_config c;\n  struct verifyrcpt v;\n'
                      '  address_config_default(&c);\n  c.qmail = "/nonexistent";\n'
                      '  return address_new(&c, 0, 0, 0) == 0 && verifyrcpt_begin(&v, 0, 0, 0) == 0;\n}\n')
    plugin = build(prefix, tmp_path / 'plugin.so', source, ['gcc'], '-shared', '-fPIC', '-Wl,-z,defs')
    code = 'import ctypes, sys; sys.exit(ctypes.CDLL(sys.argv[1]).plugin() != 1)'
    run('/usr/bin/python3', '-c', code, plugin)
    exported = run('nm', '-D', '--defined-only', plugin).split()[2::3]
    assert [name for name in exported if not name.startswith('_')] == ['plugin']


# ---- programs

VERDICTS = [  # an address, the reason, what valid.c makes of it
    ('joe@example.org', 'default-delivery', 'accept'), ('joe-list@example.org', 'dotqmail', 'accept'),
    ('joe-none@example.org', 'no-mailbox', 'invalid'), ('eve-x@example.org', 'dotqmail-unreadable', 'temporary'),
    ('rel@example.org', 'home-not-absolute', 'invalid'), ('x@elsewhere.example', 'remote', 'accept'),
    ('nobody@example.org', 'no-mailbox', 'invalid')]


@pytest.fixture(scope='module')
def host():
    """A host with the daemon on it. User rel has a home below the qmail directory, written without a slash."""
    namespaces.need_mounts()
    assign = (f'=joe:joe:{JOE}:{JOE}:{{qmail}}/home/joe:::\n+joe-:joe:{JOE}:{JOE}:{{qmail}}/home/joe:-::\n'
              f'+eve-:eve:{EVE}:{EVE}:{{qmail}}/home/eve:-::\n.\n')
    host = Host(assign=assign, passwd=PASSWD + 'rel:x:7009:7009::home/rel:/bin/sh\n',
                files={'home/joe/.qmail-list': '&a@example.net\n', 'home/eve/.qmail-x': '&a@example.net\n',
                       'home/rel/.qmail': ''})
    host.own(JOE, 'home/joe')
    host.own(7009, 'home/rel')
    (host.dir / 'home/eve/.qmail-x').chmod(0o600)  # root's
    with host:
        yield host


def as_root(host, *command):
    return subprocess.run(host.in_place(*map(str, command)), cwd='/', capture_output=True, text=True, timeout=60,
                          env={'PATH': os.environ['PATH'], 'QMAILDIR': str(host.dir)})


def as_nobody(host, *command, verify='STRICT,'):
    return subprocess.run(['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', *map(str, command)], cwd='/',
                          capture_output=True, text=True, timeout=60,
                          env={'PATH': os.environ['PATH'], 'VERIFY': f'{verify}127.0.0.1:{host.port}'})


@pytest.fixture(scope='module', params=LANGUAGES)
def valid(request, prefix, place):
    """libqmailverify(3)'s program, in either language."""
    source = place / 'valid.c'
    source.write_text(example('libqmailverify.3', 'valid.c'))
    return build(prefix, place / f'valid-{request.param}', source, LANGUAGES[request.param])


@needs_root
def test_the_manuals_program_judges(valid, host):
    done = as_root(host, valid, *(address for address, _, _ in VERDICTS))
    assert done.stdout == ''.join(f'{address}\t{verdict}\t{reason}\n' for address, reason, verdict in VERDICTS)
    assert done.returncode == 111
    assert as_root(host, valid, 'joe@example.org').returncode == 0
    assert as_root(host, valid, 'joe-none@example.org').returncode == 1


@needs_root
def test_the_manuals_program_asks(valid, host):
    done = as_nobody(host, valid, *(address for address, _, _ in VERDICTS))
    assert done.stdout == ''.join(f'{address}\t{verdict}\t{reason}\n' for address, reason, verdict in VERDICTS)
    assert done.returncode == 111, done.stderr


def test_the_manuals_program_tells_what_is_wrong(valid):
    done = subprocess.run(['unshare', '-r', str(valid), 'x@example.org'], capture_output=True, text=True,
                          env={'QMAILDIR': '/nonexistent'})
    if 'unshare' in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 111
    assert done.stderr == 'valid: the qmail directory cannot be judged: No such file or directory\n'


@needs_root
@pytest.mark.parametrize('language', LANGUAGES)
def test_the_clients_program(prefix, place, host, language):
    """verifyrcpt(3)'s."""
    source = place / 'rcpt.c'
    source.write_text(example('verifyrcpt.3', 'rcpt.c'))
    program = build(prefix, place / f'rcpt-{language}', source, LANGUAGES[language])
    asked = ['joe@example.org', 'joe-none@example.org', 'eve-x@example.org']
    done = as_nobody(host, program, *asked)
    assert [line[:3] for line in done.stdout.splitlines()] == ['250', '550', '451', '354'], done.stdout + done.stderr
    assert '550 joe-none@example.org no-mailbox: ' in done.stdout
    assert as_nobody(host, program, *asked, verify='DEFER,').stdout.endswith('\n554\n')


@needs_root
def test_two_threads_with_a_session_each(prefix, place, host):
    program = build(prefix, place / 'sessions', ROOT / 'tests/library/sessions.c', ['gcc', '-std=gnu11'], '-pthread')
    done = as_nobody(host, program, f'STRICT,127.0.0.1:{host.port}', '200', 'joe@example.org', 'joe-none@example.org')
    assert done.returncode == 0, done.stdout


@needs_root
def test_names_are_the_programs_own_and_exceptions_stay_within(prefix, place, host):
    program = build(prefix, place / 'own_names', ROOT / 'tests/library/own_names.cpp', ['g++', '-std=c++17'])
    done = as_root(host, program, host.dir, 'joe-none@example.org')
    assert done.stdout.splitlines() == ['no-mailbox', 'resource-trouble', 'Cannot allocate memory', 'no-mailbox', '0']


# ---- threads

USERS = 60


@pytest.fixture(scope='module')
def crowd(tmp_path_factory):
    """A qmail directory with many users, and addresses of each."""
    assign, files, addresses = '', {}, ['x@elsewhere.example', 'absent@example.org']
    for n in range(USERS):
        assign += (f'=u{n}:u{n}:{7100 + n}:{7300 + n}:{{qmail}}/home/u{n}:::\n'
                   f'+u{n}-:u{n}:{7100 + n}:{7300 + n}:{{qmail}}/home/u{n}:-::\n')
        files[f'home/u{n}/.qmail-there'] = f'&a{n}@example.net\n'
        addresses += [f'u{n}{name}@example.org' for name in ('', '-there', '-absent', '-secret')]
    host = Host(assign=assign + '.\n', files=files)
    for n in range(USERS):
        home = host.dir / f'home/u{n}'
        for path in (home, home / '.qmail-there'):
            os.chown(path, 7100 + n, 7300 + n)
        home.chmod(0o700)
        other = host.write(f'home/u{n}/.qmail-secret', '&a@example.net\n')  # another user's
        os.chown(other, 7100 + (n + 1) % USERS, 7300)
        other.chmod(0o600)
    yield host, addresses
    shutil.rmtree(host.dir)


def judge_by_threads(program, crowd, threads, rounds):
    host, addresses = crowd
    done = subprocess.run([program, host.dir, str(threads), str(rounds)], input='\n'.join(addresses) + '\n',
                          capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr[-4000:]
    *single, total = done.stdout.splitlines()
    reasons = dict(line.split('\t') for line in single)
    for n in range(USERS):
        assert [reasons[f'u{n}{name}@example.org'] for name in ('', '-there', '-absent', '-secret')] == [
            'default-delivery', 'dotqmail', 'no-mailbox', 'dotqmail-unreadable']
    compared, checked, wrong = map(int, re.findall(r'\d+', total))
    assert compared == threads * rounds * len(addresses) and checked > 0 and wrong == 0


@needs_root
def test_threads_judge_at_the_same_time(prefix, place, crowd):
    program = build(prefix, place / 'threads', ROOT / 'tests/library/threads.cpp', ['g++', '-std=c++17'], '-pthread')
    judge_by_threads(program, crowd, 8, 6)


@needs_root
def test_threads_under_ThreadSanitizer(crowd):
    program = ROOT / 'build/sanitize-thread/threads'
    if not program.exists():
        pytest.skip('not built: "make threads" does, where the compiler has ThreadSanitizer')
    judge_by_threads(program, crowd, 4, 2)
