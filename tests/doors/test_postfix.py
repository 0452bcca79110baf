"""Postfix in front of a qmail host, chrooted as Debian has it, set up as qmail-verify-doors(7) says."""
import pytest
from doorhost import DOORS, KNOWN, MANY, UNKNOWN, DoorHost, page
from qmailhost import until

FOLDER, RUN, RECIPIENTS, POLICY, ACCESS, TCP = range(6)  # the page's displays
WAYS = {'recipients': RECIPIENTS, 'policy': POLICY, 'access': ACCESS, 'tcp_table': TCP}
ELSEWHERE = 'joe@elsewhere.example'
BEFORE = '''compatibility_level = 3.6
myhostname = mail.example.org
mydestination =
mynetworks = 127.0.0.0/8, 192.0.2.25
maillog_file = /var/log/postfix
alias_maps =
relay_transport = discard:
smtpd_recipient_limit = 2000
smtpd_error_sleep_time = 0
'''


class Postfix(DoorHost):
    def __init__(self, way, verify='', more=''):
        """way: one of WAYS. verify: what is put behind VERIFY's own items, more: behind main.cf."""
        super().__init__('postfix')
        self.way, self.more_verify, self.more = way, verify, more

    def lay_out(self):
        super().lay_out()
        self.users(postfix=7821, postdrop=7822)
        self.run(f'''set -e
            ln -s /run /var/run
            cp -a {DOORS}/postfix/etc/postfix /etc/
            cp /usr/share/postfix/dynamicmaps.cf /etc/postfix/
            cp /usr/share/postfix/master.cf.dist /etc/postfix/master.cf
            mkdir -p /var/spool/postfix /var/lib/postfix /var/log /service/gate
            chown postfix:postfix /var/lib/postfix''')

    def settings(self):
        return BEFORE + page('POSTFIX')[WAYS[self.way]] + self.more

    def start_gate(self):
        script = page('POSTFIX')[RUN]
        if self.way == 'tcp_table':
            script = script.rstrip('\n') + ' tcp_table=127.0.0.1:10033\n'
        self.gate_service(script, self.more_verify)

    def serve(self):
        self.run(page('POSTFIX')[FOLDER])
        self.start_gate()
        self.write('/etc/postfix/main.cf', self.settings())
        self.run('postfix start')
        until('Postfix listens', lambda: self.listens(25))


@pytest.fixture(scope='module', params=WAYS)
def host(request):
    with Postfix(request.param) as host:
        host.verify()
        host.serve()
        yield host


def test_known_and_unknown(host):
    assert host.answers(KNOWN, UNKNOWN, MANY) == ['250', '550', '250']


def test_other_domains_are_not_relayed(host):
    with host.smtp() as s:
        elsewhere, known = s.mail(ELSEWHERE, KNOWN)
    assert 'Relay access denied' in elsewhere and known.startswith('250')


def test_quoted_local_parts(host):
    """A name that only quotes can hold is not refused for its quotes."""
    host.write('/home/joe/.qmail-a::b', './Maildir/\n', owner=7801)
    host.write('/home/joe/.qmail-a b', './Maildir/\n', owner=7801)
    known = ['joe-a..b@example.org', '"joe-a..b"@example.org', '"joe-a b"@example.org', '"joe"@example.org']
    assert host.answers(*known, 'joe-a..c@example.org', '"joe-a c"@example.org') == ['250'] * 4 + ['550'] * 2


def test_daemon_down_and_back(host):
    host.shows_an_outage()


def test_gate_down_and_back(host):
    host.gate_down()
    assert host.answers(KNOWN, UNKNOWN) == ['451', '451']
    host.start_gate()
    assert host.answers(UNKNOWN, KNOWN) == ['550', '250']


def test_many_recipients(host):
    host.takes_many('198.51.100.1:25')


def test_clients_of_mynetworks(host):
    """They are not asked about by the policy service and the access table."""
    with host.smtp(source='192.0.2.25') as s:
        [reply] = s.mail(UNKNOWN)
    assert reply[:3] == ('250' if host.way in ('policy', 'access') else '550')


@pytest.mark.parametrize('way', WAYS)
def test_open_and_observe(way):
    with Postfix(way, ',OPEN') as host:  # the daemon is not there
        host.serve()
        assert host.answers(UNKNOWN) == ['250']
    with Postfix(way, ',OBSERVE') as host:
        host.verify()
        host.serve()
        assert host.answers(KNOWN, UNKNOWN) == ['250', '250']
        host.logged('gate', 'OBSERVE), else 550')


def test_the_policy_service_is_told_who_asks():
    with Postfix('policy', ',OBSERVE') as host:
        host.verify()
        host.serve()
        assert host.answers(UNKNOWN) == ['250']
        host.logged('gate', 'policy for 198.51.100.1: ')


def test_through_proxymap():
    with Postfix('recipients', more='relay_recipient_maps = proxy:socketmap:unix:qmail-verify/socketmap:recipients\n') as host:
        host.verify()
        host.serve()
        assert host.answers(KNOWN, UNKNOWN, MANY) == ['250', '550', '250']


@pytest.mark.parametrize('way', ['recipients', 'policy'])
def test_aliases_that_qmail_does_not_know(way):
    more = 'virtual_alias_maps = inline:{ { sales@example.org = joe@example.org } }\n'
    with Postfix(way, more=more) as host:
        host.verify()
        host.serve()
        assert host.answers('sales@example.org', KNOWN) == ['250' if way == 'recipients' else '550', '250']


@pytest.mark.parametrize('way', WAYS)
def test_recipient_delimiter_does_not_matter(way):
    """Such maps are asked for whole addresses: a user's extension does not come in for the user's sake."""
    with Postfix(way, more='recipient_delimiter = -\n') as host:
        host.verify()
        host.serve()
        assert host.answers('joe-nothing@example.org', KNOWN) == ['550', '250']
