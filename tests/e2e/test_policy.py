"""control/verifypolicy with the real daemon: when a line of it is in force, and
what the log says of one that cannot be read."""
import os
import signal

import pytest
from qmailhost import Host, until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason='needs root: users of its own')

ASSIGN = ('=joe:joe:7001:7001:{qmail}/home/joe:::\n+joe-:joe:7001:7001:{qmail}/home/joe:-::\n'
          '+:alias:7003:7003:{qmail}/alias:-::\n.\n')
CONTROL = {'me': 'example.org\n', 'locals': 'example.org\nexample.net\n'}
TAKEN_OVER = 'control/verifypolicy has changed: taken over'
DENIED, OFF, OBSERVED = b'\xe1alias', b'\xf0', b'\xf0alias'
BROKEN = ('control/verifypolicy line 2: "example.org": there is no word "obsrve"; the words are off, observe, '
          'refuse-delete, refuse-null, ext, follow and refuse=/full/path/of/a/program; until this is mended '
          '"example.org" is only observed.\n')


def policy_host(policy=None, **more):
    host = Host(control={**CONTROL, **({} if policy is None else {'verifypolicy': policy})}, assign=ASSIGN,
                files={'home/joe/.qmail-list': '&a@example.net\n', **more})
    host.own(7001, 'home/joe')
    host.own(7003, 'alias')
    return host


def test_without_the_file_nothing_is_said_and_all_is_judged():
    with policy_host() as host:
        assert host.ask(b'none@example.org')[0] == DENIED
        assert 'verifypolicy' not in host.text()


def test_a_line_is_in_force_from_the_start():
    with policy_host('Example.ORG:OFF\n') as host:
        answer, line = host.ask(b'none@example.org')
        assert answer == OFF
        assert line == 'qmail-verify: none@example.org permitted for UNKNOWN. policy-off'
        assert host.ask(b'none@example.net')[0] == DENIED
        assert 'verifypolicy' not in host.text()


def test_observe_says_what_would_have_been_refused():
    with policy_host(':observe\nexample.net:\n') as host:
        answer, line = host.ask(b'none@example.org')
        assert answer == OBSERVED
        assert line == ('qmail-verify: none@example.org permitted for alias. '
                        f'policy-observe no-mailbox {host.dir}/alias')
        assert host.ask(b'joe-list@example.org')[1].endswith(f'. dotqmail {host.dir}/home/joe/.qmail-list')
        assert host.ask(b'none@example.net')[0] == DENIED


def test_observe_answers_where_a_look_failed():
    host = policy_host('example.org:observe\n')
    (host.dir / 'home/joe').chmod(0)
    with host:
        answer, line = host.ask(b'joe-x@example.org')
        assert answer == b'\xf0joe'
        assert line.endswith(f'. policy-observe home-unreachable {host.dir}/home/joe: Permission denied')
        assert host.ask(b'joe-x@example.net')[0] is None


def test_follow_is_a_word_of_the_domain_that_was_asked_for():
    with policy_host('example.org:follow\n', **{'home/joe/.qmail-gone': '&none@example.net\n'}) as host:
        answer, line = host.ask(b'joe-gone@example.org')
        assert answer == b'\xa1joe'
        assert line.endswith(f'denied. policy-follow {host.dir}/home/joe/.qmail-gone:&none@example.net')
        assert host.ask(b'joe-gone@example.net')[0] == b'\xa0joe'


def test_a_change_is_in_force_within_seconds_without_a_signal():
    with policy_host() as host:
        assert host.ask(b'none@example.org')[0] == DENIED
        for policy, answer in (('example.org:off\n', OFF), ('example.org:observe\n', OBSERVED)):
            before = host.text().count(TAKEN_OVER)
            host.control('verifypolicy', policy)
            until('it is taken over', lambda: host.text().count(TAKEN_OVER) > before)
            assert host.ask(b'none@example.org')[0] == answer
        (host.dir / 'control/verifypolicy').unlink()
        host.logged('control/verifypolicy is gone: no domain has a policy now')
        assert host.ask(b'none@example.org')[0] == DENIED


def test_a_change_is_in_force_at_once_after_sighup():
    with policy_host('') as host:
        host.control('verifypolicy', 'example.org:off\n')
        host.signal(signal.SIGHUP)
        host.logged('SIGHUP: control/locals')
        assert host.ask(b'none@example.org')[0] == OFF
        assert TAKEN_OVER in host.text()


def test_sighup_without_a_change_says_nothing_of_the_policy():
    with policy_host('example.org:off\n') as host:
        host.signal(signal.SIGHUP)
        host.logged('SIGHUP: control/locals')
        assert host.ask(b'none@example.org')[0] == OFF
        assert 'verifypolicy' not in host.text()


def test_a_word_that_cannot_be_read_is_told_with_its_line_and_the_domain_is_observed():
    with policy_host('# a comment\nexample.org:refuse-delete,obsrve\nexample.net:ext\n') as host:
        host.logged('qmail-verify: ' + BROKEN)
        answer, line = host.ask(b'none@example.org')
        assert answer == OBSERVED and 'policy-observe no-mailbox' in line
        assert host.ask(b'none@example.net')[0] == DENIED
        host.signal(signal.SIGHUP)
        until('it is told again', lambda: host.text().count('until this is mended') == 2)
        host.control('verifypolicy', '# mended\nexample.org:refuse-delete\n')
        host.signal(signal.SIGHUP)
        host.logged(TAKEN_OVER)
        assert host.ask(b'none@example.org')[0] == DENIED
        assert host.text().count('until this is mended') == 2


def test_a_word_that_becomes_broken_is_told_when_it_is_taken_over():
    with policy_host('example.org:\n') as host:
        assert host.ask(b'none@example.org')[0] == DENIED
        host.control('verifypolicy', '\nexample.org:obsrve\n')
        host.logged(BROKEN)
        assert host.ask(b'none@example.org')[0] == OBSERVED


def test_what_the_file_holds_splits_no_line_of_the_log():
    with policy_host(b'example.org:a\rb\0c\x1b\xff\n') as host:
        host.logged('there is no word "a\\x0db\\x00c\\x1b\\xff"; ')
        assert host.ask(b'none@example.org')[0] == OBSERVED


def test_a_file_that_cannot_be_read_at_the_start_makes_every_domain_observed():
    host = policy_host()
    (host.dir / 'control/verifypolicy').mkdir()
    with host:
        words = 'control/verifypolicy cannot be read: Is a directory; until it can, every domain is only observed.'
        host.logged(words)
        assert host.ask(b'none@example.org')[0] == OBSERVED
        host.signal(signal.SIGHUP)
        host.logged('SIGHUP: control/locals')
        assert host.ask(b'none@example.net')[0] == OBSERVED
        (host.dir / 'control/verifypolicy').rmdir()
        host.control('verifypolicy', 'example.net:off\n')
        host.logged('control/verifypolicy can be read again')
        assert host.ask(b'none@example.org')[0] == DENIED
        assert host.ask(b'none@example.net')[0] == OFF
        assert host.text().count('cannot be read') == 2  # again at SIGHUP


def test_a_file_that_can_no_longer_be_read_changes_nothing():
    with policy_host('example.org:off\n') as host:
        (host.dir / 'control/verifypolicy').unlink()
        (host.dir / 'control/verifypolicy').mkdir()
        host.logged('control/verifypolicy cannot be read: Is a directory; what was read before counts.')
        assert host.ask(b'none@example.org')[0] == OFF
        assert host.ask(b'none@example.net')[0] == DENIED
