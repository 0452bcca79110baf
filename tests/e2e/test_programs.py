"""The two programs as they are installed: what they are linked with."""
import re
import subprocess


def output(*command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return done.stdout + done.stderr


def test_qmail_verify_needs_libc_alone(plain):
    """NSS wants a dynamic libc; nothing else may be needed."""
    libraries = [line.split()[0] for line in output('ldd', plain / 'qmail-verify').splitlines()]
    libraries = [name.rsplit('/', 1)[-1] for name in libraries]
    assert [name for name in libraries if not re.match(r'linux-(vdso|gate)|ld-linux|ld64', name)] == ['libc.so.6']


def test_qmail_verify_wants_no_cxx_runtime(plain):
    undefined = output('nm', '--dynamic', '--undefined-only', plain / 'qmail-verify')
    assert ' getpwnam_r' in undefined
    # U: needed. The weak ones (w) are libstdc++'s for transactional memory, and nobody brings them.
    names = [line.split()[-1] for line in undefined.splitlines() if ' U ' in line]
    assert not [name for name in names if name.startswith(('_Z', '__cxa_throw', '__gxx', '_Unwind'))], names


def test_qmail_smtpd_is_static(plain):
    text = output('file', '--brief', plain / 'qmail-smtpd')
    assert re.search(r'statically linked|static-pie linked', text), text
    assert 'statically linked' in output('ldd', plain / 'qmail-smtpd')


def test_programs_are_hardened(plain):
    for program in ('qmail-verify', 'qmail-smtpd'):
        headers = output('readelf', '--wide', '--file-header', '--program-headers', '--dynamic', plain / program)
        assert re.search(r'Type:\s+DYN', headers), f'{program} is not position independent'
        assert 'GNU_RELRO' in headers and re.search(r'BIND_NOW|Flags: .*NOW', headers), program
        assert re.search(r'GNU_STACK\s.*\sRW\s', headers), f'{program} has an executable stack'
