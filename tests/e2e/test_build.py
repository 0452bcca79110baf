"""netqmail's build settings: read, checked, and built in. What the compiler adds against attacks."""
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
USERS = 'alias\nqmaild\nqmaill\nroot\nqmailp\nqmailq\nqmailr\nqmails\n\nThe qmail system is ...\n'


def make(*settings, **env):
    """make -n: what would be done, or the error."""
    return subprocess.run(['make', '-n', *settings], cwd=ROOT, capture_output=True, text=True,
                          env={'PATH': '/usr/bin:/bin', **env})


@pytest.mark.parametrize('setting, word', [
    ('QMAIL=var/qmail', 'QMAIL=var/qmail: give the qmail directory'), ('QMAIL=', 'QMAIL=: give'),
    ('BREAK=', 'BREAK=: give one character'), ('BREAK=--', 'BREAK=--: give one character'),
    ('PATRN=09', 'PATRN=09: give mode bits'), ('PATRN=', 'PATRN=: give mode bits'),
    ('USERS=alias', 'give the eight names'), ('GROUPS=qmail', 'give the two names'),
    ('CONF=/nonexistent', 'CONF=/nonexistent: no conf-qmail there')])
def test_a_wrong_setting_stops_make(setting, word):
    done = make(setting)
    assert done.returncode == 2 and word in done.stderr


def test_settings_come_from_the_sources_conf_files(tmp_path):
    for name, text in (('qmail', '/opt/qmail\n\nThis is ...\n'), ('break', '+\n\nThis ...\n'), ('patrn', '022\n'),
                       ('users', USERS.replace('alias', 'postal')), ('groups', 'qmail\nnofiles2\n\nThese ...\n')):
        (tmp_path / f'conf-{name}').write_text(text)
    done = make(f'CONF={tmp_path}')
    assert done.returncode == 0, done.stderr
    for line in ('CONF_QMAIL "/opt/qmail"', 'CONF_BREAK "+"', 'CONF_PATRN 0022', 'CONF_ALIAS "postal"',
                 'CONF_QMAILP "qmailp"', 'CONF_NOFILES "nofiles2"'):
        assert f'#define {line}' in done.stdout, line


def test_a_variable_of_the_environment_sets_nothing(tmp_path):
    done = make(CONF='/nonexistent', GROUPS='0', USERS='x', QMAIL='y')
    assert done.returncode == 0 and '#define CONF_NOFILES "nofiles"' in done.stdout


def test_settings_given_once_count_for_later_makes_until_make_clean(tmp_path):
    for name in ('Makefile', 'qmail-verify.h'):
        shutil.copy(ROOT / name, tmp_path)

    def made(*words):
        subprocess.run(['make', '-s', *words], cwd=tmp_path, check=True, env={'PATH': '/usr/bin:/bin'}, capture_output=True)
        return (tmp_path / 'build/plain/conf.h').read_text()

    conf = 'build/plain/conf.h'
    assert 'CONF_BREAK "-"' in made(conf)
    given = made(conf, 'QMAIL=/opt/qmail', 'BREAK=$', 'USERS=a b c d e f g h')
    assert all(f'#define {line}' in given for line in ('CONF_BREAK "$"', 'CONF_BIN "/opt/qmail/bin"', 'CONF_USERS "a b c d e f g h"'))
    assert made(conf) == given, 'make install after it would build for another qmail'
    assert 'CONF_BREAK "-"' in made(conf, 'QMAIL=/opt/qmail'), 'what is given counts whole'
    subprocess.run(['make', '-s', 'clean'], cwd=tmp_path, check=True)
    assert 'CONF_QMAIL "/var/qmail"' in made(conf)


# ---- hardening, in the binaries that are installed

PROGRAMS = ('qmail-verify', 'qmail-smtpd', 'qmail-vrfy', 'qmail-verify-report', 'qmail-verify-migrate',
            'qmail-verify-conf', 'qmail-smtpd-conf', 'qmail-rcptcheck')


def binutils(program, *arguments):
    if not shutil.which(program):
        pytest.skip(f'{program} is not installed (binutils)')
    return subprocess.run([program, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True).stdout


@pytest.fixture(params=PROGRAMS)
def headers(request, plain):
    """What readelf says of a program's headers and of its dynamic section."""
    return binutils('readelf', '--wide', '--file-header', '--program-headers', '--dynamic', plain / request.param)


def test_a_program_is_position_independent(headers):
    assert re.search(r'Type:\s+DYN', headers)
    assert re.search(r'\(FLAGS_1\)\s+Flags:.* PIE', headers)


def test_a_program_has_its_relocations_read_only(headers):
    """Full RELRO: all is bound at the start, and then protected."""
    assert 'GNU_RELRO' in headers
    assert re.search(r'\(FLAGS\)\s.*BIND_NOW', headers) and re.search(r'\(FLAGS_1\)\s+Flags: NOW', headers)
    assert 'TEXTREL' not in headers, 'code that is written to at the start'


def test_a_program_has_nothing_writable_that_can_be_executed(headers):
    segments = re.findall(r'^  ([A-Z_]+) +(?:0x\w+ +){5}([RWE ]{3}) ', headers, re.M)
    assert {'LOAD', 'GNU_STACK'} <= {kind for kind, _ in segments}, 'this test does not understand readelf any more'
    assert not [kind for kind, rights in segments if 'W' in rights and 'E' in rights]


def test_a_program_finds_its_libraries_in_the_systems_places_only(headers):
    assert not re.search(r'\((?:RPATH|RUNPATH)\)', headers)


def producers(program):
    """How each of the sources was compiled, as the program itself tells: its name -> the compiler's options."""
    text = binutils('readelf', '--wide', '--debug-dump=info', '--dwarf-depth=1', program)
    units = re.findall(r'DW_AT_producer\s*:(?: \(.*?\):)? (.*?)\n.*?DW_AT_name\s*:(?: \(.*?\):)? (\S+)', text, re.S)
    return {name: options for options, name in units if re.fullmatch(r'[\w/-]+\.(?:c|cpp)', name)}


@pytest.mark.parametrize('program', PROGRAMS)
def test_every_source_was_compiled_with_the_options_of_the_makefile(program, plain):
    """HARDEN: the stack protector is one of them. A library that was left over from another build would show."""
    hardening = re.search(r'^HARDEN = (.*)$', (ROOT / 'Makefile').read_text(), re.M)[1].split()
    wanted = {option for option in hardening if option.startswith('-f')}
    assert {'-fstack-protector-strong', '-fPIE'} <= wanted
    found = producers(plain / program)
    assert f'{program}.c' in found or f'{program}.cpp' in found, found
    assert len(found) > 4, f'this test does not understand readelf any more: {found}'
    for name, options in found.items():
        assert wanted <= set(options.split()), f'{name}: {options}'


def objects(plain):
    """What the programs are made of: object file -> the names that it leaves to others."""
    found = {path: {line.split()[-1] for line in binutils('nm', '--undefined-only', path).splitlines()}
             for path in plain.rglob('*.o') if path.relative_to(plain).parts[0] not in ('tests', 'fuzz')}
    assert plain / 'verifyrcpt.o' in found
    return found


def test_buffers_are_checked_by_libc(plain):
    """_FORTIFY_SOURCE, in C and in C++: an snprintf whose buffer the compiler cannot measure is libc's careful one."""
    found = objects(plain)
    for name in ('verifyrcpt.o', 'udpbits.o', 'address/address.o'):
        assert '__snprintf_chk' in found[plain / name] and 'snprintf' not in found[plain / name], name
    assert re.search(r' U __\w+_chk\b', binutils('nm', '--dynamic', plain / 'qmail-verify'))
    assert ' T __snprintf_chk' in binutils('nm', plain / 'qmail-smtpd')


def test_the_stack_is_guarded(plain):
    """In every object with a buffer on the stack, that is in nearly all."""
    found = objects(plain)
    guarded = [path for path, names in found.items() if '__stack_chk_fail' in names]
    assert len(guarded) > len(found) * 3 / 4, sorted(set(found) - set(guarded))
    assert ' U __stack_chk_fail' in binutils('nm', '--dynamic', plain / 'qmail-verify')
    assert ' T __stack_chk_fail' in binutils('nm', plain / 'qmail-smtpd')


def test_a_program_has_no_rights_of_its_own(plain):
    """Neither is set-id: the daemon is run by root, qmail-smtpd by qmaild."""
    for program in PROGRAMS:
        assert (plain / program).stat().st_mode & 0o7000 == 0, program
