"""Exim in front of a qmail host, its ACL asking by ${readsocket}, as qmail-verify-doors(7) says."""
import pytest
from doorhost import KNOWN, MANY, UNKNOWN, DoorHost, page
from qmailhost import until

FOLDER, RUN, ACL = range(3)  # the page's displays
ELSEWHERE = 'joe@elsewhere.example'
CONF = '''primary_hostname = mail.example.org
domainlist relay_to_domains = example.org : shop.example
acl_smtp_rcpt = acl_check_rcpt
queue_only
log_file_path = /var/log/exim-%s
allow_utf8_domains = false

begin acl

acl_check_rcpt:
  require
    message = relay not permitted
    domains = +relay_to_domains

{acl}
  accept

begin routers

to_qmail:
  driver = manualroute
  domains = +relay_to_domains
  transport = to_qmail
  route_list = * 127.0.0.1::2525 byname
  self = send

begin transports

to_qmail:
  driver = smtp
'''


class Exim(DoorHost):
    def __init__(self, verify=''):
        """verify: what is put behind VERIFY's own items."""
        super().__init__('exim')
        self.more_verify = verify

    def lay_out(self):
        super().lay_out()
        self.names('passwd', ['Debian-exim:x:7831:7831::/var/spool/exim4:/bin/false'])
        self.names('group', ['Debian-exim:x:7831:'])
        self.run('mkdir -p /var/spool/exim4 /var/log /service/gate /etc/exim4; ln -s /run /var/run;'
                 'chown Debian-exim:Debian-exim /var/spool/exim4; chown Debian-exim /var/log')

    def start_gate(self):
        self.gate_service(page('EXIM')[RUN], self.more_verify)

    def serve(self):
        self.run(page('EXIM')[FOLDER])
        self.start_gate()
        self.write('/etc/exim4/exim4.conf', CONF.replace('{acl}', page('EXIM')[ACL]))
        self.launch('exim', 'exim4', '-bdf', '-oX', '25')
        until('Exim listens', lambda: self.listens(25))


@pytest.fixture(scope='module')
def host():
    with Exim() as host:
        host.verify()
        host.serve()
        yield host


def test_known_and_unknown(host):
    with host.smtp() as s:
        known, unknown, many = s.mail(KNOWN, UNKNOWN, MANY)
    assert (known[:3], many[:3]) == ('250', '250')
    assert unknown == '550 5.1.1 sorry, no mailbox here by that name. (#5.1.1)'


def test_other_domains_are_not_relayed(host):
    with host.smtp() as s:
        elsewhere, known = s.mail(ELSEWHERE, KNOWN)
    assert elsewhere == '550 relay not permitted' and known.startswith('250')


def test_quoted_local_parts(host):
    """A name that only quotes can hold is not refused for its quotes."""
    host.write('/home/joe/.qmail-a::b', './Maildir/\n', owner=7801)
    host.write('/home/joe/.qmail-a b', './Maildir/\n', owner=7801)
    host.write('/home/joe/.qmail-a"}${b', './Maildir/\n', owner=7801)
    known = ['"joe-a..b"@example.org', '"joe-a b"@example.org', '"joe"@example.org', r'"joe-a\"}${b"@example.org']
    assert host.answers(*known, '"joe-a..c"@example.org', '"joe-a c"@example.org') == ['250'] * 4 + ['550'] * 2


def test_daemon_down_and_back(host):
    host.shows_an_outage()


def test_gate_down_and_back(host):
    host.gate_down()
    assert host.answers(KNOWN, UNKNOWN) == ['451', '451']
    host.start_gate()
    assert host.answers(UNKNOWN, KNOWN) == ['550', '250']


def test_many_recipients(host):
    host.takes_many('127.0.0.1:25')


def test_the_gate_is_told_who_asks(host):
    assert host.answers(UNKNOWN) == ['550']
    host.logged('gate', 'line for 198.51.100.1: refused ')


def test_open_and_observe():
    with Exim(',OPEN') as host:  # the daemon is not there
        host.serve()
        assert host.answers(UNKNOWN) == ['250']
    with Exim(',OBSERVE') as host:
        host.verify()
        host.serve()
        assert host.answers(KNOWN, UNKNOWN) == ['250', '250']
        host.logged('gate', 'OBSERVE), else 550')
