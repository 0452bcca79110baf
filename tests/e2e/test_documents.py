"""The documents against the sources, in both directions.

What the manual pages, README and CHANGES say about names, numbers, variables,
files, replies, log lines and the tree is taken from their text and from the
sources, and compared. A failure says what to write where.
"""
import datetime
import os
import pathlib
import re
import shutil
import subprocess
import typing

import packets
import pytest
from qmailhost import Host, newu

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DAEMON, SMTPD = 'qmail-verify.8', 'qmail-smtpd.8'
PACKET, CLIENT, POLICY = 'qmail-verify-packet.5', 'verifyrcpt.3', 'qmail-verifypolicy.5'
VRFY = 'qmail-vrfy.1'


# ---- the tree

def tracked():
    """The project's files, relative to ROOT: what git has, or else what is there."""
    if shutil.which('git'):
        done = subprocess.run(['git', '-c', f'safe.directory={ROOT}', '-C', ROOT, 'ls-files', '-z'],
                              stdin=subprocess.DEVNULL, capture_output=True)
        names = done.stdout.decode().rstrip('\0').split('\0')
        if done.returncode == 0 and names != ['']:
            return sorted(name for name in names if (ROOT / name).is_file())
    programs = re.search(r'^PROGRAMS = (.*)$', (ROOT / 'Makefile').read_text(), re.M)[1].split()
    made = {'build', '.git', '__pycache__', '.pytest_cache', *programs}
    return sorted(str(path.relative_to(ROOT)) for path in ROOT.rglob('*')
                  if path.is_file() and not made & set(path.relative_to(ROOT).parts))


FILES = tracked()


def text(name):
    path = ROOT / name
    assert path.exists(), f'{name} does not exist: write it'
    return path.read_text()


def production(*patterns):
    """Sources of the programs and the client library."""
    names = [name for name in FILES if re.fullmatch(r'(?:(?:address|conf|daemon|gate|hub|migrate|netqmail|rcptcheck|report|smtp|vrfy|qmail)/)?[^/]+\.(?:c|cpp|h)', name)]
    return [name for name in names if not patterns or any(pathlib.PurePath(name).match(p) for p in patterns)]


# ---- C and C++, as far as needed

TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
ESCAPE = {'n': '\n', 'r': '\r', 't': '\t', '0': '\0', '"': '"', '\\': '\\', "'": "'"}


def code(name):
    """A source without its comments."""
    return TOKEN.sub(lambda m: ' ' if m[0].startswith(('//', '/*')) else m[0], text(name))


def literals(source, *, define=()):
    """The string literals, adjacent ones as one; macros in define are put in."""
    for macro, value in dict(define).items():
        source = re.sub(rf'^#define {macro}\b.*$', '', source, flags=re.M)
        source = re.sub(rf'\b{macro}\b(?=\s*")', f'"{value}"', source)
    source = re.sub(r'^\s*#\s*include.*$', '', source, flags=re.M)
    found = re.findall(r'"(?:\\.|[^"\\\n])*"(?:\s*"(?:\\.|[^"\\\n])*")*', source)
    for one in found:
        joined = ''.join(re.findall(r'"((?:\\.|[^"\\\n])*)"', one))
        yield re.sub(r'\\(.)', lambda m: ESCAPE.get(m[1], m[0]), joined)


def numbers(header, prefix):
    """The #defines whose value is a number or a string: name to text."""
    found = re.findall(rf'^#define ({prefix}\w+) +(\S+|"[^"]*") *(?:/\*.*)?$', text(header), re.M)
    return {name: value.strip('"') for name, value in found if re.fullmatch(r'"[^"]*"|\d+|0x[0-9a-f]+', value)}


# ---- manual pages

PAGES = [name for name in FILES if name.startswith('man/')]


def page(name):
    return text(f'man/{name}')


def section(name, title):
    found = re.search(rf'^\.S[hH] "?{title}"?\n(.*?)(?=^\.S[hH] |\Z)', page(name), re.M | re.S)
    assert found, f'man/{name} has no section {title}: write it'
    return found[1]


def squeeze(words):
    return ' '.join(words.split())


def rendered(name):
    """A page as it is read, in one line, without emphasis."""
    if not shutil.which('mandoc'):
        pytest.skip('mandoc is not installed')
    path = ROOT / 'man' / name
    assert path.exists(), f'man/{name} does not exist: write it'
    shown = subprocess.run(['mandoc', '-T', 'ascii', '-O', 'width=500', path], stdin=subprocess.DEVNULL,
                           capture_output=True, text=True).stdout
    shown = re.sub(r'.\x08', '', shown)
    return squeeze(re.sub(r'(?<=\w-)\n\s+', '', shown))


def listed(block, macro):
    """The arguments of a macro in a list's items: .It Ev NAME, also .It Ev A , Ev B."""
    found = []
    for line in re.findall(r'^\.It (.*)$', block, re.M):
        found += re.findall(rf'\b{macro} (\S+)', line)
    return {word.replace('\\-', '-') for word in found}


def same(what, where, written, read):
    """Names that a document lists are those that the sources have."""
    missing, stale = sorted(set(read) - set(written)), sorted(set(written) - set(read))
    assert not missing, f'{where} does not have {what} {", ".join(missing)}: the sources have, so write it there'
    assert not stale, f'{where} has {what} {", ".join(stale)}, which no source has: take it out'


@pytest.mark.parametrize('name', ['README', 'CHANGES', 'LICENSE', 'SECURITY', *(f'man/{p}' for p in (DAEMON, SMTPD, PACKET, CLIENT, POLICY, VRFY))])
def test_it_is_there(name):
    assert len(text(name)) > 200, f'{name} says nothing: write it'


@pytest.mark.parametrize('name', PAGES)
def test_manual_pages_have_no_faults(name):
    if not shutil.which('mandoc'):
        pytest.skip('mandoc is not installed')
    done = subprocess.run(['mandoc', '-T', 'lint', '-W', 'style', ROOT / name], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True)
    # pages of other programs, whose they are, and log lines that end with a full stop or a colon
    wanted = 'referenced manual not found|operating system explicitly specified|trailing delimiter'
    faults = [line for line in done.stdout.splitlines() if not re.search(f'STYLE: (?:no blank before )?(?:{wanted})', line)]
    assert not faults, faults


@pytest.mark.parametrize('name', PAGES)
def test_manual_pages_refer_to_what_there_is(name):
    """A page of ours that another refers to exists; every page stands in README."""
    for other, number in re.findall(r'^\.Xr (\S+) (\d)', text(name), re.M):
        if 'verif' in other or other == 'qmail-smtpd':
            assert (ROOT / f'man/{other}.{number}').exists(), f'{name} refers to {other}({number}), which does not exist'
    title = re.sub(r'man/(.*)\.(\d)', r'\1(\2)', name)
    assert title in text('README'), f'README does not name {title}: list it with the manual pages'


def test_version():
    version = re.search(r'#define QV_VERSION "(.*)"', text('qmail-verify.h'))[1]
    newest = re.search(r'^(\d+\.\S*?),? ', text('CHANGES'), re.M)[1]
    assert newest == version, f'CHANGES begins with {newest}, qmail-verify.h has {version}'
    for name in PAGES:
        shown = re.search(r'^\.Os qmail-verify (.*)$', text(name), re.M)
        assert not shown or shown[1] == version, f'{name}: .Os has {shown[1]}, qmail-verify.h has {version}'


# ---- the contract

def reasons():
    """number, name, verdict, position of each reason in qmail-verify.h."""
    found = re.findall(r'X\( *(\d+), \w+, +"([\w-]+)", +QV_(\w+), +(\d+), ', text('qmail-verify.h'))
    lines = re.findall(r'^  X\(', text('qmail-verify.h'), re.M)
    assert len(found) == len(lines) > 0, 'this test does not understand QV_REASONS in qmail-verify.h any more'
    return {(int(number), name, verdict.lower(), int(position)) for number, name, verdict, position in found}


def test_reasons():
    written = set()
    block = section(DAEMON, 'VERDICTS AND REASONS')
    for verdict, rest in re.findall(r'^\.Ss (\w+)\n(.*?)(?=^\.Ss |\Z)', block, re.M | re.S):
        for name, number, position in re.findall(r'^\.It Sy (\S+) Pq (\d+), position (\d+)$', rest, re.M):
            written.add((int(number), name, verdict, int(position)))
    describe = '{0[1]} (number {0[0]}, position {0[3]}, under {0[2]})'.format
    same('the reason', f'man/{DAEMON}, VERDICTS AND REASONS,', map(describe, written), map(describe, reasons()))


def test_every_reason_is_explained():
    items = re.split(r'^\.It Sy ', section(DAEMON, 'VERDICTS AND REASONS'), flags=re.M)[1:]
    for item in items:
        assert len(item.split('\n', 1)[1]) > 20, f'man/{DAEMON} says nothing about {item.split()[0]}'


def test_packet_numbers():
    written = dict(re.findall(r'^\.It Dv (QV_\w+) No = (\S+)$', section(PACKET, 'NUMBERS'), re.M))
    read = numbers('qmail-verify.h', 'QV_')
    read = {name: value for name, value in read.items() if name not in ('QV_VERSION', 'QV_DOTQMAIL_MAX')}
    read['QV_PLAIN_REPLY_MAX'] = str(1 + int(read['QV_USER_MAX']))
    assert '#define QV_PLAIN_REPLY_MAX (1 + QV_USER_MAX)' in text('qmail-verify.h')
    describe = '{0[0]} = {0[1]}'.format
    same('the number', f'man/{PACKET}, NUMBERS,', map(describe, written.items()), map(describe, read.items()))


def test_numbers_in_prose():
    """Numbers of the contract that pages repeat in words."""
    n = numbers('qmail-verify.h', 'QV_')
    reply = str(1 + int(n['QV_USER_MAX']))
    client = numbers('verifyrcpt.h', 'VERIFYRCPT_')
    for name, words in [
        (DAEMON, f'longer than {n["QV_ADDRESS_MAX"]} bytes'),
        (DAEMON, f'larger than {n["QV_DOTQMAIL_MAX"]} bytes'),
        (DAEMON, f'{n["QV_DEFAULT_IP"]}:{n["QV_DEFAULT_PORT"]}'),
        (DAEMON, f'at most {reply} bytes'),
        (DAEMON, f'has stood for {int(re.search("STAND_MS = ([0-9]+)", text("address/controls.h"))[1]) // 1000} seconds'),
        (PACKET, f'judged up to {n["QV_ADDRESS_MAX"]} bytes'),
        (PACKET, f'1 to {reply} bytes'),
        (PACKET, f'1 to {n["QV_USER_MAX"]} the controlling user'),
        (PACKET, f'port {n["QV_DEFAULT_PORT"]}'),
        (PACKET, f'{re.search("PATH_ADDRESS_MAX = ([0-9]+)", text("smtp/path.h"))[1]} bytes at most'),
    ]:
        assert words in rendered(name), f'man/{name} does not say "{words}": has the number changed?'
    readme = squeeze(text('README'))
    for words in (f'{n["QV_DEFAULT_IP"]}:{n["QV_DEFAULT_PORT"]}', f'At most {client["VERIFYRCPT_SERVERS_MAX"]};',
                  f'silent for {int(client["VERIFYRCPT_IMPATIENT_MS"]) / 1000} s'):
        assert words in readme, f'README does not say "{words}": has the number changed?'


def test_limits_of_the_client():
    written = dict(re.findall(r'^\.It Dv (VERIFYRCPT_\w+)\n(\d+): ', section(CLIENT, 'DESCRIPTION'), re.M))
    read = numbers('verifyrcpt.h', 'VERIFYRCPT_')
    describe = '{0[0]} = {0[1]}'.format
    same('the limit', f'man/{CLIENT}, Limits,', map(describe, written.items()), map(describe, read.items()))
    sockets = f'at most {int(read["VERIFYRCPT_KEPT_MAX"]) + int(read["VERIFYRCPT_SERVERS_MAX"])} descriptors'
    assert sockets in rendered(CLIENT), f'man/{CLIENT} does not say "{sockets}": has a limit changed?'


def test_functions_of_the_client():
    read = set()
    for header in ('verifyrcpt.h', 'sockbits.h', 'udpbits.h'):
        read |= set(re.findall(r'^(?:[a-z]\w* )+\*?(\w+)\(', code(header), re.M))
    read -= {'verifyrcpt_note'}  # a type
    assert 'verifyrcpt_rcpt' in read and 'query_skt' in read
    same('the function', f'man/{CLIENT}, NAME,', re.findall(r'^\.Nm (\w+)', section(CLIENT, 'NAME'), re.M), read)
    same('the function', f'man/{CLIENT}, SYNOPSIS,',
         set(re.findall(r'^\.Fn (\w+)', section(CLIENT, 'SYNOPSIS'), re.M)) - {'verifyrcpt_note'}, read)


def test_positions():
    """The packet page lists each position that can be sent, with its results."""
    written = {}
    for position, result in re.findall(r'^\.It (\d+) Ta (0|1|0 or 1) Ta ', section(PACKET, 'ANSWER'), re.M):
        written[int(position)] = set(result.split(' or '))
    read = {}
    for _, _, verdict, position in reasons():
        if verdict != 'temporary':
            read.setdefault(position, set()).add('1' if verdict == 'invalid' else '0')
    assert 'return found.by_default ? 12 : 10;' in text('address/judge.cpp')
    assert 'if (user.dash.empty()) return 9;' in text('address/judge.cpp')
    for position in (9, 12):  # instead of 10: judge.cpp, file_position
        read[position] = read.get(position, set()) | read[10]
    assert written == read, f'man/{PACKET}, ANSWER: the positions that can be sent, with their results, are {read}'


def test_packet_examples():
    """The examples are what an encoder makes of what stands before them."""
    block = section(PACKET, 'EXAMPLES')
    pairs = re.findall(r'^\.Li (\S+)(?: :)?\n(.*?)^> ([0-9a-f ]+)\n< ([0-9a-f ]+)$', block, re.M | re.S)
    assert len(pairs) == 3, f'man/{PACKET}: three examples are expected'
    for address, words, question, answer in pairs:
        assert bytes.fromhex(question) == address.encode() + b'\0', f'man/{PACKET}: the question about {address}'
        status, user = bytes.fromhex(answer)[0], bytes.fromhex(answer)[1:].decode()
        assert status & 15 == (1 if 'is invalid' in words else 0), f'man/{PACKET}: the answer for {address}'
        assert not user or user in words, f'man/{PACKET}: the user for {address}'


def test_signed_example():
    """It is the one that tests/unit/seal_test.cpp checks."""
    block = section(PACKET, 'EXAMPLES').split('signed with key', 1)[1]
    pairs = re.findall(r'^> ([0-9a-f \n]+)^< ([0-9a-f \n]+)', block, re.M)
    assert len(pairs) == 1, f'man/{PACKET}: one signed example is expected'
    checked = re.findall(r'"([0-9a-f]{40,})"', text('tests/unit/seal_test.cpp'))
    same('the bytes', 'tests/unit/seal_test.cpp', checked, [re.sub(r'\s', '', part) for part in pairs[0]])


# ---- variables, files, options, exit codes

def variables(*names):
    """The environment variables that these sources read."""
    found = set()
    for name in names:
        found |= set(re.findall(r'\b\w*(?:get|getenv)\s*\(\s*"([A-Z][A-Z0-9_]*)"', code(name)))
    return found


def test_environment_of_the_daemon():
    same('the variable', f'man/{DAEMON}, ENVIRONMENT,', listed(section(DAEMON, 'ENVIRONMENT'), 'Ev'),
         variables('qmail-verify.c', *production('address/*', 'qmail/*')))


def test_environment_of_the_server():
    sources = ['qmail-smtpd.cpp', *production('smtp/*')]
    same('the variable', f'man/{SMTPD}, ENVIRONMENT,', listed(section(SMTPD, 'ENVIRONMENT'), 'Ev'), variables(*sources))


def test_environment_of_qmail_vrfy():
    same('the variable', f'man/{VRFY}, ENVIRONMENT,', listed(section(VRFY, 'ENVIRONMENT'), 'Ev'),
         variables('qmail-vrfy.cpp', *production('vrfy/*')))


def test_environment_of_the_report():
    read = variables('qmail-verify-report.cpp', *production('report/*', 'vrfy/output.*', 'vrfy/progress.*', 'vrfy/say.*'))
    same('the variable', 'man/qmail-verify-report.1, ENVIRONMENT,',
         listed(section('qmail-verify-report.1', 'ENVIRONMENT'), 'Ev'), read | {'TZ'})


def test_environment_of_the_gate():
    same('the variable', 'man/qmail-verify-gate.8, ENVIRONMENT,', listed(section('qmail-verify-gate.8', 'ENVIRONMENT'), 'Ev'),
         variables('qmail-verify-gate.cpp', *production('gate/*')))


def test_protocols_and_options_of_the_gate():
    """Each stands in the manual page, and in -h."""
    read = re.findall(r'^ +\{"(\w+)", "', code('gate/protocols.cpp'), re.M)
    assert 'socketmap' in read, 'this test does not understand gate/protocols.cpp any more'
    same('the protocol', 'man/qmail-verify-gate.8, PROTOCOLS,', listed(section('qmail-verify-gate.8', 'PROTOCOLS'), 'Li'), read)
    options = re.search(r'getopt\(argc, argv, "\+([\w:]+)"\)', code('gate/options.cpp'))[1].replace(':', '')
    same('the option -', 'man/qmail-verify-gate.8, DESCRIPTION,', listed(section('qmail-verify-gate.8', 'DESCRIPTION'), 'Fl'), options)
    usage = next(one for one in literals(code('gate/options.cpp')) if one.startswith('usage: '))
    assert all(f'-{letter}' in usage for letter in options)
    codes = re.search(r'enum gate_exit \{(.*?)\}', code('gate/options.h'))[1]
    same('the exit status', 'man/qmail-verify-gate.8, EXIT STATUS,',
         re.findall(r'^\.It (\d+)', section('qmail-verify-gate.8', 'EXIT STATUS'), re.M), re.findall(r'= (\d+)', codes))


def test_options_of_the_report():
    written = re.findall(r'^\.It Fl (-?\w+)', page('qmail-verify-report.1'), re.M)
    read = ['-' + word for word in re.findall(r'\{"(\w+)", (?:no|required)_argument', text('report/options.cpp'))]
    same('the option', 'man/qmail-verify-report.1', written, read + ['V'])


def test_members_of_the_report():
    """Every member of the JSON object stands in the manual page."""
    block = section('qmail-verify-report.1', 'DESCRIPTION').split('.Ss JSON', 1)[1]
    written = set(re.findall(r'[\w-]+', ' '.join(line for line in block.splitlines() if 'Cm ' in line)))
    members = set(re.findall(r'"([a-z0-9_-]+)"', code('report/json.cpp'))) - {'null', 'name'}
    assert members - written == set(), 'man/qmail-verify-report.1, JSON, does not have these'


RCPTCHECK = 'qmail-rcptcheck.8'
RCPTCHECK_SOURCES = ('qmail-rcptcheck.cpp', 'rcptcheck/door.cpp', 'rcptcheck/ask.cpp')


def test_environment_of_qmail_rcptcheck():
    same('the variable', f'man/{RCPTCHECK}, ENVIRONMENT,', listed(section(RCPTCHECK, 'ENVIRONMENT'), 'Ev'),
         variables(*RCPTCHECK_SOURCES))


def test_options_and_exit_codes_of_qmail_rcptcheck():
    source = code('qmail-rcptcheck.cpp')
    read = {*re.findall(r"argv\[1\]\[1\] == '(\w)'", source), *re.findall(r'strcmp\(argv\[1\], "-(\w)"\)', source)}
    assert {'r', 'V'} <= read, 'this test does not find the options in qmail-rcptcheck.cpp any more'
    same('the option -', f'man/{RCPTCHECK}', re.findall(r'^\.It Fl (\w)', page(RCPTCHECK), re.M), read)
    codes = {number for name in RCPTCHECK_SOURCES for number in re.findall(r'\bEXIT_\w+ = (\d+)', code(name))}
    same('the exit status', f'man/{RCPTCHECK}, EXIT STATUS,',
         re.findall(r'^\.It (\d+)', section(RCPTCHECK, 'EXIT STATUS'), re.M), codes)


def test_what_qmail_rcptcheck_says_is_documented():
    shown = rendered(RCPTCHECK)
    said = [one for name in RCPTCHECK_SOURCES[:1] + RCPTCHECK_SOURCES[2:] for one in literals(code(name))
            if re.search('temporary failure|has no effect', one)]
    said += [line[:-4] for line in re.findall(r'reply_(?:no_mailbox|verify_failure) = "(.*)"', text('smtp/reply.h'))]
    assert len(said) == 7, 'this test does not find what qmail-rcptcheck says any more'
    missing = [one for one in said if squeeze(one) not in shown]
    assert not missing, f'man/{RCPTCHECK} does not have ' + '; '.join(missing)


def test_no_other_file_reads_the_environment():
    """The client library and the file formats are told what to do by their callers."""
    for name in production('verifyrcpt.*', 'sockbits.*', 'udpbits.*', 'logbits.*', 'qmail/*', 'address/*'):
        assert 'getenv' not in code(name), f'{name} reads the environment'


def control_files(*names):
    found = set()
    for name in names:
        found |= set(re.findall(r'"control/([a-z.]+)"', code(name)))
    return found


def documented_files(name):
    return {f.removeprefix('control/') for f in listed(section(name, 'FILES'), 'Pa') if f.startswith('control/')}


def test_control_files_of_the_daemon():
    names = re.search(r'CONTROL_NAMES = \{(.*?)\}', text('address/route.h'), re.S)[1]
    read = set(re.findall(r'"(\w+)"', names)) | control_files('qmail-verify.c', *production('address/*', 'qmail/*'))
    read |= set(re.findall(r'_file(?:\(host|\{files), "(\w+)"', code('address/address.cpp') + code('daemon/crew.cpp')))
    same('control/', f'man/{DAEMON}, FILES,', documented_files(DAEMON), read)
    assert 'users/cdb' in listed(section(DAEMON, 'FILES'), 'Pa')


def test_control_files_of_the_server():
    read = control_files('qmail-smtpd.cpp', *production('smtp/*'))
    block = page(SMTPD)
    title = 'FILES' if re.search(r'^\.Sh "?FILES', block, re.M) else 'CONTROL FILES'
    written = {f.removeprefix('control/') for f in listed(section(SMTPD, title), 'Pa') if f.startswith('control/')}
    same('control/', f'man/{SMTPD}, {title},', written, read)


def verify_words():
    return set(re.findall(r'item_is\(it, "([A-Z]{2,})"\)', code('verifyrcpt.c')))


def test_words_of_verify():
    block = re.search(r'^VERIFY\n(.*?)^[A-Z ]+\n\n', text('README'), re.M | re.S)[1]
    same('the word', 'README, VERIFY,', re.findall(r'^    ([A-Z]+) ', block, re.M), verify_words())
    shown = rendered(SMTPD)
    for word in verify_words():
        assert re.search(rf'\b{word}\b', shown), f'man/{SMTPD} does not explain the word {word} of VERIFY'


def test_exit_codes_of_the_daemon():
    block = section(DAEMON, 'EXIT STATUS')
    codes = re.search(r'enum \{ (EXIT_.*?) \}', code('qmail-verify.c'))[1]
    read = {'0', *re.findall(r'= (\d+)', codes)}
    same('the exit status', f'man/{DAEMON}, EXIT STATUS,', re.findall(r'^\.It (\d+)', block, re.M), read)


def test_exit_codes_of_the_server():
    read = set()
    for name in ('qmail-smtpd.cpp', 'smtp/session.cpp'):
        read |= set(re.findall(r'\b_?exit\((\d+)\)', code(name)))
        for body in re.findall(r'^int (?:session::)?\w+\([^;]*?\) \{(.*?)^}', code(name), re.M | re.S):
            read |= set(re.findall(r'\breturn (\d+);', body))
    assert read, 'this test does not find the exit codes in qmail-smtpd.cpp and smtp/session.cpp any more'
    block = section(SMTPD, 'EXIT STATUS')
    missing = sorted(one for one in read if not re.search(rf'\b{one}\b', block))
    assert not missing, f'man/{SMTPD}, EXIT STATUS, does not have {", ".join(missing)}: write it there'
    stale = sorted(set(re.findall(r'^\.It (\d+)', block, re.M)) - read)
    assert not stale, f'man/{SMTPD}, EXIT STATUS, has {", ".join(stale)}, which the program never exits with'


def test_options():
    read = set(re.findall(r'strcmp\(argv\[1\], "-(\w)"\)', code('qmail-verify.c')))
    same('the option -', f'man/{DAEMON}, OPTIONS,', listed(section(DAEMON, 'OPTIONS'), 'Fl'), read)


def test_exit_codes_of_qmail_vrfy():
    codes = re.search(r'enum vrfy_exit \{(.*?)\}', code('vrfy/options.h'), re.S)[1]
    same('the exit status', f'man/{VRFY}, EXIT STATUS,', re.findall(r'^\.It (\d+)', section(VRFY, 'EXIT STATUS'), re.M),
         re.findall(r'= (\d+)', codes))


def test_options_of_qmail_vrfy():
    """Each row of the table stands in the manual page, and in --help."""
    source = code('vrfy/options.cpp')
    rows = re.findall(r"\{(?:'(\w)'|0), (?:\"(\w+)\"|nullptr), \w+, ", source)
    read = {letter or f'-{word}' for letter, word in rows}
    assert {'f', 'n', '-help', '-sender'} <= read, 'this test does not understand the table in vrfy/options.cpp any more'
    written = listed(section(VRFY, 'DESCRIPTION'), 'Fl')
    missing = sorted(read - written)
    assert not missing, f'man/{VRFY}, DESCRIPTION, does not have the options -{", -".join(missing)}: write it there'
    usage = next(one for one in literals(source) if one.startswith('usage: qmail-vrfy'))
    unsaid = sorted(one for one in read if f'-{one}' not in usage and not re.search(rf'\[-\w*{one}', usage))
    assert not unsaid, f'vrfy/options.cpp, USAGE, does not have -{", -".join(unsaid)}'


# ---- what the programs say

def test_replies():
    """Every reply stands in the manual page, word for word."""
    shown = rendered(SMTPD)
    missing = []
    for name in ['qmail-smtpd.cpp', *production('smtp/*')]:
        for one in literals(code(name)):
            if not re.match(r'\d{3}(?:[ -]|$)', one) and not re.search(r'\(#\d\.\d\.\d\)', one):
                continue
            for line in one.split('\r\n'):
                if line.strip() and squeeze(line) not in shown:
                    missing.append(f'{name}: {line!r}')
    assert not missing, f'man/{SMTPD} does not have these replies: ' + '; '.join(missing)


def test_documented_replies_exist():
    said = set()
    for name in ['qmail-smtpd.cpp', *production('smtp/*')]:
        said |= {code_ for one in literals(code(name)) for code_ in re.findall(r'(?:^|\n)(\d{3})(?:[ -]|$)', one)}
    written = set(re.findall(r'^\.It (?:Li |Sy )?"?([2-5]\d{2})\b', page(SMTPD), re.M))
    assert written, f'man/{SMTPD} has no list of replies (.It CODE ...): write it'
    same('the reply', f'man/{SMTPD}', written, said)


DAEMON_LOGS = ('qmail-verify.c', 'address/controls.cpp', 'address/address.cpp', 'logbits.c', 'daemon/crew.cpp', 'daemon/worker.cpp',
               'daemon/forwarder.cpp', 'hub/asker.cpp',
               'daemon/listen.cpp', 'daemon/local.cpp', 'daemon/troubles.cpp')


def log_literals(*names):
    """The fixed words that these sources log, as pieces."""
    pieces = []
    prefix = 'qmail-verify: '
    for name in names:
        for one in literals(code(name), define={'PREFIX': prefix} if name == 'qmail-verify.c' else {}):
            if '%' in one:  # the lines of -V
                continue
            for line in one.split('\n'):
                line = squeeze(line.removeprefix(prefix))
                if re.search('[A-Za-z]{3}', line) and re.search('[ =]', one):
                    pieces.append((name, line))
    return pieces


def advice():
    """The words of what operators are told of a domain: all that stands in these sources."""
    return [(name, squeeze(one)) for name in production('address/*.cpp') if name not in (*DAEMON_LOGS, 'address/policy.cpp')
            for one in literals(code(name))]


def test_log_lines_are_documented():
    shown = rendered(DAEMON)
    block = shown[shown.index('LOGGING One line'):shown.index('EXIT STATUS 0')]
    sentences = [(name, line) for name, line in advice() if re.search(r'[a-z]+,? [a-z]+,? [a-z]{2,}', line)]
    assert sentences, 'this test does not find the advice in address/ any more'
    missing = [f'{name}: "{line}"' for name, line in log_literals(*DAEMON_LOGS) + sentences if line not in block]
    assert not missing, f'man/{DAEMON}, LOGGING, does not have ' + '; '.join(missing)


def test_complaints_about_the_policy_are_documented():
    shown = rendered(POLICY)
    block = shown[shown.index('WHAT CANNOT BE READ It'):shown.index('WHEN A CHANGE COUNTS Once')]
    pieces = log_literals('address/policy.cpp')
    assert len(pieces) > 5, 'this test does not find the complaints in address/policy.cpp any more'
    missing = [line for _, line in pieces if line.removesuffix(';') not in block]
    assert not missing, f'man/{POLICY}, WHAT CANNOT BE READ, does not have ' + '; '.join(missing)
    listed_there = section(POLICY, 'WHAT CANNOT BE READ')
    said = ' '.join(line for _, line in pieces)
    for words in re.findall(r'\bLi "; ([^"]*)"|\bLi "([^"]*)"', listed_there):
        for line in squeeze(''.join(words)).split('; '):
            assert line in said, f'man/{POLICY}, WHAT CANNOT BE READ: address/policy.cpp does not say "{line}"'


@pytest.mark.parametrize('page, source', [('qmail-verifykeys.5', 'qmail/keys_table.cpp'),
                                          ('qmail-verifyroutes.5', 'qmail/routes.cpp')])
def test_complaints_about_lines_are_documented(page, source):
    shown = rendered(page)
    pieces = [squeeze(line) for _, line in log_literals(source)]
    assert len(pieces) > 8, f'this test does not find the complaints in {source} any more'
    missing = [line for line in pieces if line.removeprefix('; ') not in shown]
    assert not missing, f'man/{page} does not have ' + '; '.join(missing)


def test_words_of_the_policy():
    flags = re.search(r'FLAGS\[\] = \{(.*?)\};', code('address/policy.cpp'), re.S)
    assert flags, 'this test does not find the words in address/policy.cpp any more'
    read = {*re.findall(r'\{"([a-z-]+)", &policy_words::\w+\}', flags[1]), 'refuse='}
    members = re.search(r'struct policy_words \{(.*?)\n\n', code('address/policy.h'), re.S)[1]
    assert {word.replace('-', '_').strip('=') for word in read} == set(re.findall(r'(\w+)(?: = false)?;', members))
    same('the word', f'man/{POLICY}, WORDS,', listed(section(POLICY, 'WORDS'), 'Cm'), read)
    for word in read:
        item = re.search(rf'^\.It Cm {word}(?: [^\n]*)?\n(.*?)(?=^\.It |\Z)', section(POLICY, 'WORDS'), re.M | re.S)[1]
        assert re.search(rf'^\.Dl \S*:{word}', item, re.M), f'man/{POLICY}, WORDS, has no example for {word}'


def test_documented_log_lines_exist():
    said = ' '.join(line for _, line in log_literals(*DAEMON_LOGS, 'address/policy.cpp') + advice())
    block = section(DAEMON, 'LOGGING')
    for item in re.findall(r'^\.It (.*)$', block, re.M):
        for words in re.findall(r'\bLi (?:"([^"]*)"|(\S+))', item):
            line = squeeze(''.join(words).replace('\\(dq', '"').replace('\\&', ''))
            if re.search('[A-Za-z]{3}', line):
                assert line.rstrip('.:') in said, f'man/{DAEMON}, LOGGING: no source says "{line}"'


def test_log_lines_of_the_server_are_documented():
    shown = rendered(SMTPD)
    block = re.sub('[()]', '', shown[shown.index('LOGGING One line'):shown.index('EXIT STATUS 0')])
    missing, seen = [], 0
    for name in production('smtp/*'):
        for line in re.findall(r'\b(?:say|line|verify|end|text)\("((?:\\.|[^"\\])*)"', code(name)):
            if re.match(r'\\|\d{3}', line) or not re.search('[A-Za-z]{3}.* |^ .*[A-Za-z]{3}|^[A-Z]', line) or line[-1] == '=':
                continue
            seen += 1
            if squeeze(re.sub('[()]', '', line)) not in block:
                missing.append(f'{name}: "{line}"')
    assert seen > 20, 'this test does not find the log lines in smtp/ any more'
    assert not missing, f'man/{SMTPD}, LOGGING, does not have ' + '; '.join(missing)


# ---- README and CHANGES

def road_map():
    """The paths that README's road map names."""
    found = re.search(r'^ROAD MAP\n(.*?)(?=^[A-Z]+\n|\Z)', text('README'), re.M | re.S)
    assert found, 'README has no ROAD MAP: write it'
    paths, folder = [], ''
    for indent, names in re.findall(r'^( {4}| {6})(\S+(?: \S+)*)(?:  .*)?$', found[1], re.M):
        stem = ''
        for name in names.split(' '):
            if name.startswith('.') and stem:
                name = stem + name
            stem = name.split('.')[0]
            paths.append((folder if len(indent) == 6 else '') + name)
            if len(indent) == 4:
                folder = name if name.endswith('/') else ''
    return paths


def exists(path):
    """In the project, that is, and not only on this machine."""
    if path in FILES or path.endswith('/') and any(name.startswith(path) for name in FILES):
        return True
    return any(name.rsplit('.', 1)[0] == path for name in FILES)


def test_road_map_is_true():
    gone = [path for path in road_map() if not exists(path)]
    assert not gone, f'README, ROAD MAP, names what does not exist: {", ".join(gone)}'


def test_road_map_is_complete():
    named = set(road_map())
    wanted = set()
    for name in FILES:
        parts = name.split('/')
        wanted.add(parts[0] + '/' if len(parts) > 1 and parts[0] != '.ci' else name)
        if parts[0] in ('tests', 'service') and len(parts) > 1:
            wanted.add('/'.join(parts[:2]) + ('/' if len(parts) > 2 else ''))
        if parts[0] in ('address', 'conf', 'migrate', 'smtp', 'vrfy', 'qmail'):
            wanted.add(name.rsplit('.', 1)[0])
    missing = sorted(wanted - named)
    assert not missing, f'README, ROAD MAP, does not name {", ".join(missing)}: one line for each place'


def test_targets_in_readme():
    """README's make commands and variables are the Makefile's."""
    makefile = text('Makefile')
    for target in set(re.findall(r'\bmake ([a-z]+)\b', '\n'.join(
            line for line in text('README').splitlines() if line.startswith('    ')))):
        assert re.search(rf'^{target}:', makefile, re.M), f'README says "make {target}", the Makefile has no such target'
    for name in set(re.findall(r'\b([A-Z]{4,})=', re.search(r'^1\. Build.*?^2\. ', text('README'), re.M | re.S)[0])):
        assert re.search(rf'^{name} =|origin {name}\)', makefile, re.M), f'README sets {name}, the Makefile does not know it'


def test_changes_have_dates():
    lines = text('CHANGES').splitlines()
    begin = next(i for i, line in enumerate(lines) if re.match(r'\d+\.\d', line))
    for number, line in enumerate(lines[begin:], begin + 1):
        if not line or re.match(r'\d+\.\d+(?:\.\d+)?, ', line) or re.fullmatch(r'[A-Z][\w-]+|The [a-z]+|qmail-[a-z]+', line):
            continue
        entry = re.fullmatch(r'(\d{4}-\d\d-\d\d) (new|fix|change): \S.{10,118}', line)
        assert entry, f'CHANGES, line {number}: write "DATE new|fix|change: what a user notices" in one line, or a heading'
        datetime.date.fromisoformat(entry[1])


def test_security_names_tests_that_there_are():
    """Each promise's test, and one for each CVE that CHANGES names."""
    said = text('SECURITY')
    files = [name for name in FILES if re.fullmatch(r'tests/e2e/test_\w+\.py', name)]
    tests = {test for name in files for test in re.findall(r'^def (test_\w+)', text(name), re.M)}
    named = set(re.findall(r'\b(test_\w+)\b(?!\.py)', said))
    assert named and named <= tests, f'SECURITY names {", ".join(sorted(named - tests))}, which no file of tests/e2e has'
    for name in re.findall(r'\btest_\w+\.py', said):
        assert f'tests/e2e/{name}' in files, f'SECURITY names {name}, which is not in tests/e2e'
    for cve in set(re.findall(r'CVE-[\d-]+\d', text('CHANGES'))):
        assert cve in said, f'SECURITY does not tell about {cve}'
        assert any(test.startswith('test_' + cve.lower().replace('-', '_')) for test in named), f'SECURITY: no test for {cve}'
    assert 'SECURITY tells' in text('README'), 'README does not say what SECURITY is for'


# ---- README's table: what a catch-all may say, row by row

class Row(typing.NamedTuple):
    lines: str  # of the dot-qmail file, with "then" between them
    situation: str  # what is so besides; empty where nothing is
    qmail: str
    verdict: str
    reason: str

    def name(self):
        return f'{self.lines} [{self.situation}]' if self.situation else self.lines


def table():
    """The rows of README's table. Under a line that stands alone: situations of it."""
    found = re.search(r'^WHAT A CATCH-ALL MAY SAY.*?\n(?=[a-zA-Z/ ]+\n  )(.*?)^Whatever ', text('README'), re.M | re.S)
    assert found, 'README has no table "WHAT A CATCH-ALL MAY SAY": write it'
    head = ''
    for line in found[1].splitlines():
        if not line.startswith('    '):
            head = line[2:] if line.startswith('  ') else ''
            continue
        row = re.fullmatch(r'    (\S.*?) {2,}([a-z]+) +(valid|invalid|unknown|temporary), ([a-z-]+)', line)
        assert row, f'README, the table: write "line  what qmail does  verdict, reason", not "{line}"'
        own, numbers = (head or row[1]), re.search(r'^(\|exit )N \[([\d ]+)]$', row[1])
        for number in numbers[2].split() if numbers else [None]:
            yield Row(f'{numbers[1]}{number}' if numbers else own, row[1] if head else '', *row.groups()[1:])


ROWS = list(table())
HOLDER = 7100 if os.geteuid() == 0 else os.getuid()  # of the homes

PROGRAMS = ['bouncesaying', 'except', 'condredirect', 'fastforward', 'vdelivermail', 'vdeliver', 'program',
            'ezmlm-send', 'ezmlm-reject', 'ezmlm-manage', 'ezmlm-return', 'ezmlm-warn']

# Rows that no plain question can ask about: the unit test that does.
NULL_SENDER = packets.question(b'')[1:] + packets.field(packets.SENDER, b'')  # what stands behind the address's NUL

# Situations: what they put into the home, and into control/verifypolicy.
RECORDS = {'has a@host': b':a@{domain}', 'has it': b':a@{domain}', 'has @host': b':@{domain}', 'has a@': b':a@',
           'has the recipient': b':{domain}-a@{domain}', 'lacks it': b':other@{domain}'}


def laid_out(row, domain):
    """The files of a row's home: name -> bytes; None for one that must not be there."""
    lines, where = re.sub('/var/qmail/|/home/vpopmail/', '{qmail}/', row.lines).split(' then '), row.situation
    content = ''.join(f'{line}\n' for line in lines)
    if where == 'behind a blank line':
        content = '\n' + content
    if where.startswith('more than 64 KiB'):
        content += '#' * 65536 + '\n'
    files = {'.qmail-a' if 'in .qmail-a' in where else '.qmail-default': content}
    for hint in ('~alias, VERIFY_FASTFORWARDCDB ', ''):
        kind = where.removeprefix(hint) if where.startswith(hint) else ''
        if kind in RECORDS:
            files['hint.cdb' if hint else 'x.cdb'] = newu.cdb([(key_of(kind, domain), b'&b@example.net\0')])
    if where == 'has it, with a program':
        files['x.cdb'] = newu.cdb([(key_of('has a@host', domain), b'|program\0')])
    if where == 'has it, with a list that is missing':
        files['x.cdb'] = newu.cdb([(key_of('has a@host', domain), b'./list.bin\0')])
    if where == 'damaged':
        files['x.cdb'] = b'no database'
    return files | users_of(row)


def users_of(row):
    """The files in which vpopmail or vmailmgr have their users."""
    where = row.situation
    if 'vdelivermail' in row.lines and not where.startswith('neither'):
        record = f'$1$x:1:{16 if "0x10" in where else 0}:Info:a:NOQUOTA'.encode()
        name = b'other' if 'lacks the user' in where else b'a'
        if where.startswith('etc/vpopmail.mysql'):  # two folders up from the home
            database = b'no database' if 'damaged' in where else newu.cdb([(name, record)])
            return {'../../etc/vpopmail.mysql': '', 'vpasswd.cdb': database}
        if 'in vpasswd alone' in where:
            return {'vpasswd': name + b':' + record + b'\n'}
        own = {'a/.qmail': ''} if 'with a .qmail file' in where else {}
        return own | {'vpasswd.cdb': b'no database' if 'damaged' in where else newu.cdb([(name, record)])}
    if 'vdeliver' in row.lines and where != 'passwd.cdb is missing':
        expiry = b'1000000000' if 'expired' in where else b'-'
        limits = [b'-', b'-', b'-', b'-', b'974000000', expiry]
        record = b'\0'.join([b'\2', b'$1$x', b'./users/a', b'', b'Info', *limits, b''])
        name = {'has the default user': b'+', 'lacks both': b'other'}.get(where, b'a')
        return {'passwd.cdb': b'no database' if 'damaged' in where else newu.cdb([(name, record)])}
    return {}


def key_of(kind, domain):
    return RECORDS[kind].replace(b'{domain}', domain.encode())


def words_of(row):
    """What control/verifypolicy says of a row's domain."""
    if row.situation == 'a word that cannot be read':
        return 'observed'
    known = re.compile('off|observe|refuse-delete|refuse-null|ext|follow|refuse=/.*')
    return ','.join(part for part in row.situation.split(', ') if known.fullmatch(part))


@pytest.fixture(scope='module')
def catchalls(build):
    """A host with a domain for each row."""
    domains = [f'r{number}.example' for number, _ in enumerate(ROWS)]
    assign = f'+:alias:{HOLDER}:{HOLDER}:{{qmail}}/alias:-::\n'
    homes = {}
    virtual, policy, files = '', '', {f'bin/{name}': b'\x7fELF' for name in PROGRAMS}
    for domain, row in zip(domains, ROWS):
        user = 'alias' if row.situation.startswith('~alias, ') else 'joe'
        prefix = f'user.{domain}' if 'lacks the host' in row.situation else domain
        virtual += f'{domain}:{prefix}\n'
        # settings for SQL hold for all domains of a vpopmail's home
        home = ('sql/' if row.situation.startswith('etc/vpopmail.mysql') else '') + f'domains/{domain}'
        homes[domain] = home
        assign += f'+{prefix}-:{user}:{HOLDER}:{HOLDER}:{{qmail}}/{home}:-::\n'
        policy += f'{domain}:{words_of(row)}\n'
        files |= {f'{home}/{name}': data for name, data in laid_out(row, domain).items()}
    control = {'me': 'example.org\n', 'virtualdomains': virtual, 'verifypolicy': policy}
    host = Host(control=control, assign=assign + '.\n', files=files, env={'VERIFY_FASTFORWARDCDB': 'hint.cdb'})
    for name in PROGRAMS:
        (host.dir / 'bin' / name).chmod(0o755)
    for domain, row in zip(domains, ROWS):
        if row.situation == 'x bit set':
            (host.dir / homes[domain] / '.qmail-default').chmod(0o744)
    if HOLDER == 7100:
        host.own(HOLDER, 'domains', 'sql', 'alias')
    with host:
        yield host


def test_README_rows_are_complete():
    """Each reason that a file's lines can have stands in the table; no row twice."""
    missing = {name for number, name, _, _ in reasons() if 27 <= number <= 53} - {row.reason for row in ROWS}
    assert not missing, f'README, WHAT A CATCH-ALL MAY SAY, has no row for {", ".join(sorted(missing))}'
    names = [row.name() for row in ROWS]
    assert len(set(names)) == len(names), 'README, WHAT A CATCH-ALL MAY SAY, has a row twice'


def test_README_refuses_only_what_qmail_bounces():
    """But where the administrator said so."""
    told = re.compile('refuse-delete|refuse=/.*|~alias, VERIFY_FASTFORWARDCDB lacks it')
    for row in ROWS:
        assert row.verdict != 'invalid' or row.qmail == 'bounces' or told.search(row.situation), row


@pytest.mark.parametrize('number', range(len(ROWS)), ids=[row.name() for row in ROWS])
def test_README_row(number, catchalls):
    row = ROWS[number]
    name = re.match(r'(?:(a-b|a%b|0/a), )?', row.situation)[1] or 'a'
    answer, line = catchalls.ask(f'{name}@r{number}.example'.encode(),
                                 NULL_SENDER if 'null sender' in row.situation else b'')
    said = re.search(r'(?:denied|(permitted|not answered) for \S+)\. (\S+)', line)
    assert said[2] == row.reason, f'README has {row.reason} for {row.name()}: {line}'
    expected = {'temporary': None, 'invalid': b'\1'}.get(row.verdict, b'\0')
    assert (answer and bytes([answer[0] & 15])) == expected, f'README has {row.verdict} for {row.name()}'
    assert (row.reason, row.verdict) in {(name, verdict) for _, name, verdict, _ in reasons()}


# ---- the tree

CLIENT_HEADERS = {'verifyrcpt.h', 'sockbits.h', 'udpbits.h'}
CONTRACT = {'qmail-verify.h', 'packet.h'}
MAY_INCLUDE = {  # pattern: what a file may include (files, or folders with a slash)
    'qmail/routes.*': {'qmail/', 'udpbits.h', 'qmail-verify.h'},
    'qmail/local_path.*': {'qmail/', 'udpbits.h'},
    'qmail/*': {'qmail/', 'logbits.h'},
    'address/config.cpp': {'address/', 'conf.h', 'qmail-verify.h'},
    'address/*': {'address/', 'qmail/', 'qmail-verify.h'},
    'smtp/*': {'smtp/', 'qmail/', 'logbits.h', 'conf.h', 'qmail-verify.h', *CLIENT_HEADERS},
    'hub/*': {'hub/', 'qmail/', 'udpbits.h', 'sockbits.h', 'logbits.h', *CONTRACT},
    'daemon/*': {'daemon/', 'hub/', 'address/', 'qmail/', 'logbits.h', 'sockbits.h', 'udpbits.h', 'conf.h', *CONTRACT},
    'gate/*': {'gate/', 'hub/asker.h', 'qmail/', 'smtp/reply.h', 'logbits.h', 'settings.h', *CONTRACT, *CLIENT_HEADERS},
    'qmail-verify-gate.cpp': {'gate/', 'qmail/'},
    'rcptcheck/*': {'rcptcheck/', 'smtp/reply.h', 'smtp/log.h', 'smtp/verify.h', 'logbits.h', 'verifyrcpt.h'},
    'qmail-rcptcheck.cpp': {'rcptcheck/', 'qmail/fd.h', 'sockbits.h', 'qmail-verify.h'},
    'qmail-verify.h': set(),
    'packet.h': {'qmail-verify.h'},
    'logbits.*': {'logbits.h'},
    'sockbits.*': {'sockbits.h'},
    'udpbits.*': {'udpbits.h', 'sockbits.h'},
    'verifyrcpt.*': {*CONTRACT, *CLIENT_HEADERS},
    'qmail-verify.c': {'daemon/', 'address/address.h', 'conf.h', 'settings.h', 'logbits.h', 'sockbits.h', 'udpbits.h', *CONTRACT},
    'vrfy/*': {'vrfy/', 'address/', 'qmail/', 'smtp/reply.h', 'logbits.h', 'conf.h', 'settings.h', *CONTRACT, *CLIENT_HEADERS},
    'conf/*': {'conf/', 'qmail/', 'logbits.h', 'udpbits.h', 'conf.h', 'qmail-verify.h'},
    'migrate/*': {'migrate/', 'qmail/', 'udpbits.h', 'qmail-verify.h'},
    'netqmail/verifydoor.*': {'netqmail/', 'logbits.h', 'verifyrcpt.h'},
    'netqmail/*': {'netqmail/', 'migrate/edits.h', 'migrate/file.h', 'migrate/say.h', 'qmail/fd.h'},
    'qmail-verify-migrate.cpp': {'migrate/', 'qmail/fd.h', 'settings.h'},
    'settings.h': {'conf.h', 'qmail-verify.h'},
    'qmail-vrfy.cpp': {'vrfy/', 'qmail/fd.h'},
    'qmail-*-conf.cpp': {'conf/'},
    'report/*': {'report/', 'vrfy/say.h', 'vrfy/json.h', 'qmail/fd.h', 'qmail-verify.h'},
    'qmail-verify-report.cpp': {'report/', 'vrfy/', 'qmail/fd.h', 'settings.h'},
    'qmail-smtpd.cpp': {'smtp/', 'qmail/', 'logbits.h', 'conf.h', 'qmail-verify.h', *CLIENT_HEADERS},
}


@pytest.mark.parametrize('name', production())
def test_direction_of_dependencies(name):
    pattern = next((p for p in MAY_INCLUDE if pathlib.PurePath(name).match(p)), None)
    assert pattern, f'{name} is a new kind of source: say in MAY_INCLUDE what it may include'
    for one in re.findall(r'^\s*#\s*include "(.*?)"', text(name), re.M):
        beside = str(pathlib.PurePath(name).parent / one)
        target = beside if (ROOT / beside).exists() else one
        assert target == 'conf.h' or (ROOT / target).exists(), f'{name} includes {one}, which does not exist'
        allowed = any(target == a or a.endswith('/') and target.startswith(a) for a in MAY_INCLUDE[pattern])
        assert allowed, f'{name} includes {target}: {pattern} may include {sorted(MAY_INCLUDE[pattern])} only'


def is_source(name):
    if name.startswith('tests/fuzz/corpus/'):
        return False
    return bool(re.search(r'\.(?:c|cpp|h|py)$', name)) or (ROOT / name).read_bytes().startswith(b'#!')


@pytest.mark.parametrize('name', filter(is_source, FILES))
def test_a_source_begins_with_what_it_promises(name):
    lines = text(name).splitlines()
    first = next(line for line in lines if not line.startswith('#!'))
    assert first.startswith(('/*', '//', '#', '"""')) and len(first.split()) > 2, \
        f'{name}: its first line should say what it is for'
    if name in production():
        assert pathlib.PurePath(name).name in first, f'{name}: its first line should begin with its name'


def test_no_paths_of_a_workplace():
    """Nothing points to the machine on which it was written."""
    foreign = [part.encode() for part in ('/wo' + 'rk/', '/tmp/' + 'ref', '/ho' + 'me/user')]
    for name in FILES:
        data = (ROOT / name).read_bytes() if (ROOT / name).is_file() else b''
        found = [part for part in foreign if part in data]
        assert not found or name == 'tests/verdicts', f'{name} has the path {found[0].decode()}'


def test_lines_are_of_a_readable_length():
    for name, longest in (('README', 84), ('CHANGES', 120), ('SECURITY', 80)):
        for number, line in enumerate(text(name).splitlines(), 1):
            assert len(line) <= longest, f'{name}, line {number}, has {len(line)} bytes'
            assert line == line.rstrip() and '\t' not in line, f'{name}, line {number}: blanks at its end, or a tab'
