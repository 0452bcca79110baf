"""The services under systemd, runit and s6, as make install brings them: service/.

runsvdir and s6-svscan run as they are, below a root of the test's own. systemd does not
run in a test: systemd-analyze reads its units, and what they have the kernel keep from
the daemon is kept from it here.
"""
import os
import re
import shlex
import signal
import shutil

import pytest
from privatehost import PrivateHost
from qmailhost import BUILD, ROOT, until

pytestmark = [pytest.mark.xdist_group('install'),
              pytest.mark.skipif(os.geteuid() != 0, reason='needs root, as installing does'),
              pytest.mark.skipif(BUILD != ROOT / 'build/plain', reason='installs what make builds: build/plain')]

UNPACKED = ROOT / 'build/supervisors'  # by tests/packages
EXAMPLES = '/usr/local/share/doc/qmail-verify/examples'
SOCKET = 'Listening on socket: /var/qmail/verify/socket. Judging /var/qmail.'


@pytest.fixture(scope='module')
def installed(plain):
    with PrivateHost(UNPACKED) as host:
        host.run('make install', folder=str(ROOT))
        yield host


def need(host, program):
    if not host.run(f'command -v {program}', status=None):
        pytest.skip(f'needs {program}: see tests/packages')


def answer(host, address):
    """qmail-vrfy's exit status: 0 accepted, 1 refused, 111 no answer."""
    return host.run(f'/var/qmail/bin/qmail-vrfy {address} >/dev/null 2>&1; echo $?').strip()


def answers(host):
    try:
        until('joe is valid', lambda: answer(host, 'joe@example.org') == '0')
    except AssertionError as error:
        raise AssertionError(f'{error}: {host.run("cat /var/log/said; ps ax", status=None)}') from None
    assert answer(host, 'nobody@example.org') == '1'


def gone(host, *names):
    until(f'{names} are gone', lambda: not any(host.pids(name) for name in names))


def supervised(host, kind, command, names):
    """Under its supervisor the daemon serves, is started again and logs; qmail-smtpd-conf's service runs beside it."""
    need(host, command[0])
    host.run(f'mkdir /{kind} && cp -R {EXAMPLES}/{kind}/qmail-verify /{kind}/')
    host.run(f'/var/qmail/bin/qmail-smtpd-conf qmaild qmaill /{kind}/qmail-smtpd 0')
    names = [*names, 'tcpserver', 'multilog']
    host.start(*command)
    try:
        answers(host)
        until('tcpserver listens', lambda: ':25' in host.run('ss -H -l -n -t'))
        assert '<** 550 sorry, no mailbox here' in host.swaks('nobody@example.org')
        until('that is logged', lambda: 'nobody@example.org' in host.run(f'cat /{kind}/qmail-smtpd/log/main/current'))
        log = f'/{kind}/qmail-verify/log/main'
        until('it is logged', lambda: SOCKET in host.run(f'cat {log}/current', status=None))
        assert 'nobody@example.org denied. no-mailbox' in until('it logs decisions', lambda: host.run(
            f'grep denied {log}/current', status=None))
        assert host.run(f'stat -c "%a %U:%G" {log}') == '750 qmaill:nofiles\n'
        [parent, *_] = host.pids('qmail-verify')
        host.kill(signal.SIGKILL, parent)
        until('another daemon', lambda: parent not in host.pids('qmail-verify') != [])
        answers(host)
    finally:
        for name in (*names, 'qmail-verify'):
            pids = host.pids(name)
            if pids:
                host.kill(signal.SIGKILL, *pids)
        gone(host, *names, 'qmail-verify')


def test_runit(installed):
    supervised(installed, 'runit', ['runsvdir', '/runit'], ['runsvdir', 'runsv', 'svlogd'])


def test_s6(installed):
    supervised(installed, 's6', ['s6-svscan', '/s6'], ['s6-svscan', 's6-supervise', 's6-log'])


# ---- systemd

def unit(host, name='qmail-verify.service'):
    """The unit's settings: name to the list of its values."""
    found = {}
    for key, value in re.findall(r'^(\w+)=(.*)$', host.run(f'cat {EXAMPLES}/systemd/{name}'), re.M):
        found.setdefault(key, []).append(value)
    return found


def test_systemd_reads_the_units(installed):
    need(installed, 'systemd-analyze')
    installed.run('mkdir -p /var/qmail/supervise && /var/qmail/bin/qmail-smtpd-conf qmaild qmaill /var/qmail/supervise/qmail-smtpd 0')
    said = installed.run(f'cp {EXAMPLES}/systemd/*.service /etc/systemd/system/ && '
                         f'systemd-analyze verify --man=no qmail-verify.service qmail-smtpd.service '
                         f'qmail-verify-gate.service')
    assert 'qmail-' not in said, said


def test_the_daemon_bears_what_its_unit_takes_away(installed):
    """Capabilities, and where it may write; by hand, as systemd does it."""
    settings = unit(installed)
    kept = settings['CapabilityBoundingSet'][0].split()
    bounding = ','.join(['-all', *('+' + one.removeprefix('CAP_').lower() for one in kept)])
    [writable] = settings['ReadWritePaths']
    assert settings['ProtectSystem'] == ['strict'] and settings['NoNewPrivileges'] == ['yes']
    script = (f'mount --make-rprivate / && mount --bind {writable} {writable} && '
              f'mount -o remount,bind,ro / && mount -o remount,bind,ro /usr && ! touch /var/qmail/try && '
              f'exec env - {" ".join(map(shlex.quote, settings["Environment"]))} '
              f'setpriv --no-new-privs --bounding-set {bounding} prlimit --data={200 << 20} {settings["ExecStart"][0]}')
    before = installed.run('cat /var/log/said', status=None)
    installed.start('unshare', '-m', 'sh', '-c', script)
    answers(installed)

    def said():
        return installed.run('cat /var/log/said').removeprefix(before)
    assert SOCKET in said()
    assert installed.run('stat -c "%a %U:%G" /var/qmail/verify/socket') == '660 root:nofiles\n'
    # reload, then stop: what ExecReload and KillMode=mixed send
    [parent, *_] = installed.pids('qmail-verify')
    installed.kill(signal.SIGHUP, parent)
    until('it has heard SIGHUP', lambda: 'SIGHUP' in said())
    answers(installed)
    installed.kill(signal.SIGTERM, parent)
    gone(installed, 'qmail-verify')


def test_the_gate_asks_as_its_unit_runs_it(installed):
    """In the group of the daemon's socket, without a right."""
    settings = unit(installed, 'qmail-verify-gate.service')
    [runtime], [user] = settings['RuntimeDirectory'], settings['User']
    assert settings['CapabilityBoundingSet'] == [''] and user == 'qmaild'
    held = (f'env - {" ".join(map(shlex.quote, settings["Environment"]))} setpriv --reuid {user} --regid nofiles '
            f'--clear-groups --no-new-privs --bounding-set=-all')
    [command] = settings['ExecStart']
    installed.start('env', '-', 'LISTEN=/var/qmail/verify/socket', '/var/qmail/bin/qmail-verify')
    answers(installed)
    installed.run(f'mkdir -p /run/{runtime} && chown {user} /run/{runtime}')
    installed.start('sh', '-c', f'exec {held} {command}')
    until('it listens', lambda: f'/run/{runtime}/socketmap' in installed.run('ss -H -l -x'))
    asked = installed.run(f"printf 'nobody@example.org\\n\\nx@elsewhere.example\\n\\n' | {held} /var/qmail/bin/qmail-verify-gate line")
    assert 'invalid\nvalid\n' in asked
    for name in ('qmail-verify-gate', 'qmail-verify'):
        installed.kill(signal.SIGTERM, installed.pids(name)[0])
    gone(installed, 'qmail-verify-gate', 'qmail-verify')


def test_the_daemon_needs_no_system_call_that_its_unit_forbids(installed):
    """Those that it makes while it starts, judges, hears SIGHUP and ends, against systemd's group."""
    if not shutil.which('strace'):
        pytest.skip('needs strace')
    need(installed, 'systemd-analyze')
    assert unit(installed)['SystemCallFilter'] == ['@system-service']
    installed.start('env', '-', 'LISTEN=/var/qmail/verify/socket', 'strace', '-f', '-o', '/var/log/calls',
                    '/var/qmail/bin/qmail-verify')
    answers(installed)
    [parent, *_] = installed.pids('qmail-verify')
    installed.kill(signal.SIGHUP, parent)
    answers(installed)
    installed.kill(signal.SIGTERM, parent)
    gone(installed, 'qmail-verify', 'strace')
    made = set(re.findall(r'^\d+ +(?:<\.\.\. )?(\w+)[( ]', installed.run('cat /var/log/calls'), re.M)) - {'resumed'}
    assert {'execve', 'setresuid', 'recvmsg'} & made and len(made) > 20
    allowed, left = set(), ['@system-service', '@default']
    while left:
        said = installed.run(f'systemd-analyze syscall-filter {left.pop()}')
        for one in re.findall(r'^ +(@?[a-z][\w-]*)$', re.sub('\x1b[^m]*m', '', said), re.M):
            if one.startswith('@'):
                left.append(one)
            else:
                allowed.add(one)
    assert len(allowed) > 100 and made <= allowed, f'not in @system-service: {sorted(made - allowed)}'
