"""netqmail's build settings: read, checked, and built in."""
import pathlib
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
