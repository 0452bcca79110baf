"""OpenSMTPD 6.8 with qmail-verify-gate as a table, set up as qmail-verify-doors(7) says."""
import pytest
from doorhost import KNOWN, MANY, UNKNOWN, DoorHost, page
from qmailhost import until

LIBEXEC = '/usr/libexec/opensmtpd'
ELSEWHERE = 'joe@elsewhere.example'


class Opensmtpd(DoorHost):
    def __init__(self, verify=None):
        """verify: VERIFY, where it is not the page's."""
        super().__init__('opensmtpd')
        self.verify_is = verify

    def lay_out(self):
        super().lay_out()
        self.users(opensmtpd=7811, opensmtpq=7812)
        self.run('ln -s /run /var/run; mkdir -p /var/lib/opensmtpd/empty /var/spool /var/mail')
        self.run(f'cp -a {LIBEXEC} /run/libexec && mount --bind /run/libexec {LIBEXEC}')  # /usr cannot be written

    def serve(self):
        link, conf = page('OPENSMTPD')
        if self.verify_is:
            assert '/var/qmail/verify/socket,STRICT' in conf
            conf = conf.replace('/var/qmail/verify/socket,STRICT', self.verify_is)
        self.run(link)
        self.write('/etc/smtpd.conf', 'listen on 0.0.0.0 port 25\nlisten on socket\n' + conf)
        self.launch('smtpd', 'smtpd', '-d')
        until('OpenSMTPD listens', lambda: self.listens(25))


@pytest.fixture(scope='module')
def host():
    with Opensmtpd() as host:
        host.verify()
        host.serve()
        yield host


def test_known_and_unknown(host):
    assert host.answers(KNOWN, UNKNOWN, MANY) == ['250', '550', '250']


def test_other_domains_are_not_taken(host):
    assert host.answers(ELSEWHERE, KNOWN) == ['550', '250']


def test_daemon_down_and_back(host):
    host.shows_an_outage()


def test_update_of_the_table(host):
    host.run('install -g opensmtpq -m 2755 /usr/sbin/smtpctl /run/smtpctl')
    assert 'command succeeded' in host.run('/run/smtpctl update table recipients')
    assert host.answers(UNKNOWN, KNOWN) == ['550', '250']


def test_many_recipients(host):
    host.takes_many('127.0.0.1:25')


def test_open_and_observe():
    with Opensmtpd('/var/qmail/verify/socket,STRICT,OPEN') as host:  # the daemon is not there
        host.serve()
        assert host.answers(KNOWN, UNKNOWN, ELSEWHERE) == ['250', '250', '550']
    with Opensmtpd('/var/qmail/verify/socket,STRICT,OBSERVE') as host:
        host.verify()
        host.serve()
        assert host.answers(KNOWN, UNKNOWN) == ['250', '250']
        host.logged('smtpd', 'OBSERVE), else 550')
