"""qpsmtpd in front of a qmail host, with our plugin, as qmail-verify-doors(7) says."""
import shlex
import shutil
import socket
import threading

import pytest
from doorhost import KNOWN, MANY, SOCKET, UNKNOWN, DoorHost, page
from qmailhost import ROOT, until

COPY, LINE = range(2)  # the page's displays
ELSEWHERE = 'joe@elsewhere.example'
PLUGINS = '/usr/share/qpsmtpd/plugins'


class Qpsmtpd(DoorHost):
    def __init__(self, verify=None):
        """verify: what stands behind the plugin's name, where it is not the page's."""
        super().__init__('qpsmtpd')
        self.verify_is, self.dns = verify, None

    def lay_out(self):
        super().lay_out()
        self.run('mkdir -p /var/log /etc/qpsmtpd /var/spool/qpsmtpd && chmod 700 /var/spool/qpsmtpd && chown qmaild /var/spool/qpsmtpd')
        examples = '/usr/local/share/doc/qmail-verify/examples/qpsmtpd'
        self.run(f'mkdir -p {examples}')
        shutil.copy(ROOT / 'qpsmtpd/qmail_verify', self.within(examples))
        self.run(f'cp -a {PLUGINS} /run/plugins && mount --bind /run/plugins {PLUGINS}')  # /usr cannot be written

    def serve(self, status=0):
        self.run(page('QPSMTPD')[COPY])
        line = page('QPSMTPD')[LINE] if self.verify_is is None else f'qmail_verify {self.verify_is}\n'
        self.write('/etc/qpsmtpd/plugins', f'relay\n{line}rcpt_ok\n')
        for name, text in {'rcpthosts': 'example.org\nshop.example\n', 'me': 'mail.example.org\n', 'spool_dir': '/var/spool/qpsmtpd\n',
                           'plugin_dirs': PLUGINS + '\n', 'logging': 'logging/warn LOGINFO\n', 'loglevel': '6\n',
                           'relayclients': '127.0.0.9\n'}.items():
            self.write(f'/etc/qpsmtpd/{name}', text)
        # it asks the DNS about each client, with -H as well
        self.run('rm -f /etc/resolv.conf; echo "nameserver 127.0.0.1" >/etc/resolv.conf')
        if not self.dns:
            with self.network():
                self.dns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                self.dns.bind(('127.0.0.1', 53))
            threading.Thread(target=self.know_no_name, daemon=True).start()
        self.launch('qpsmtpd', 'perl', '-T', '/usr/bin/qpsmtpd-forkserver', '-H', '-p', '25', '-l', '0.0.0.0', '-u', 'qmaild', '-m', '100', env={'QPSMTPD_CONFIG': '/etc/qpsmtpd'})

    def know_no_name(self):
        """Answers each query: there is no such name."""
        while True:
            query, client = self.dns.recvfrom(4096)
            self.dns.sendto(query[:2] + b'\x81\x83' + query[4:6] + bytes(6) + query[12:query.index(b'\0', 12) + 5], client)

    def up(self):
        self.serve()
        until('qpsmtpd listens', lambda: self.listens(25))
        return self


@pytest.fixture(scope='module')
def host():
    with Qpsmtpd() as host:
        host.verify()
        yield host.up()


def test_known_and_unknown(host):
    with host.smtp() as s:
        known, unknown, many = s.mail(KNOWN, UNKNOWN, MANY)
    assert (known[:3], many[:3]) == ('250', '250')
    assert unknown == '550 sorry, no mailbox here by that name. (#5.1.1)'
    host.logged('qpsmtpd', f'verify: refused {UNKNOWN}: reason 16, ')


def test_the_daemon_hears_client_and_sender(host):
    assert host.answers(KNOWN) == ['250']
    host.logged('qmail-verify', f'{KNOWN} permitted for')


def test_other_domains_are_not_relayed(host):
    assert host.answers(ELSEWHERE, KNOWN) == ['550', '250']


def test_daemon_down_and_back(host):
    host.verify_down()
    with host.smtp() as s:
        first, second, elsewhere = s.mail(KNOWN, UNKNOWN, ELSEWHERE)
    assert (first, second) == ('451 qv temporary failure (#4.3.0)',) * 2
    assert elsewhere[:3] == '451'  # the plugin stands before rcpt_ok
    host.verify()
    assert host.answers(UNKNOWN, KNOWN) == ['550', '250']


def test_many_recipients(host):
    before = host.decisions()
    with host.smtp() as s:
        assert {reply[:3] for reply in s.mail(*[KNOWN, UNKNOWN] * 100)} == {'250', '550'}
    until('they are logged', lambda: host.decisions() - before >= 200)
    assert host.decisions() - before == 200


def test_relay_clients_are_not_verified(host):
    with host.smtp(source='127.0.0.9') as s:
        assert [reply[:3] for reply in s.mail(UNKNOWN, ELSEWHERE)] == ['250', '250']


@pytest.mark.parametrize('words, down, expected', [
    (',OBSERVE', False, ['250', '250']), (',OBSERVE', True, ['250', '250']), (',OPEN', True, ['250', '250']),
    (',OPEN', False, ['250', '550']), (',MAXBAD=1', False, ['250', '550', '421'])])
def test_words(words, down, expected):
    with Qpsmtpd(f'{SOCKET},STRICT{words}') as host:
        host.verify()
        host.up()
        if down:
            host.verify_down()
        assert host.answers(*[KNOWN, UNKNOWN, KNOWN][:len(expected)]) == expected
        if 'OBSERVE' in words:
            host.logged('qpsmtpd', 'else 451' if down else 'else 550')


def test_deferred_to_data():
    with Qpsmtpd(f'DEFER,{SOCKET}') as host:
        host.verify()
        host.up()
        with host.smtp() as s:
            assert [reply[:3] for reply in s.mail(KNOWN, UNKNOWN)] == ['250', '250']
            assert s.say('DATA') == '554 sorry, invalid mailbox name(s). (#5.1.1)'
            assert [reply[:3] for reply in s.mail(KNOWN)] == ['250']
            assert s.say('DATA')[:3] == '354'


def test_by_udp_and_the_next_server():
    with Qpsmtpd('127.0.0.1:11112,127.0.0.1,STRICT') as host:
        host.verify(LISTEN='127.0.0.1')
        host.up()
        assert host.answers(KNOWN, UNKNOWN) == ['250', '550']


def test_what_it_cannot_read_keeps_it_from_starting():
    with Qpsmtpd('mail.example.org') as host:
        host.serve()
        host.logged('qpsmtpd', 'qmail_verify: mail.example.org: give ip, ip:port')


def test_qd1_as_its_own_plugin_asks():
    """The requests of Qmail::Deliverable::Client, which the plugin qmail_deliverable uses."""
    with Qpsmtpd() as host:
        host.verify()
        host.gate('qd1=127.0.0.1:8998')
        script = ('use IO::Socket::INET; for (@ARGV) { my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:8998") or die; '
                  'print $s "GET /qd1/deliverable?$_ HTTP/1.0\\r\\nHost: 127.0.0.1:8998\\r\\nConnection: close\\r\\n\\r\\n"; '
                  'local $/; my ($head, $body) = split /\\r?\\n\\r?\\n/, <$s>, 2; my ($code) = $head =~ m{^HTTP/\\d\\.\\d (\\d+)}; print "$code $body\\n" }')
        ask = shlex.join(['perl', '-e', script, *(a.replace('@', '%40') for a in (KNOWN, UNKNOWN, ELSEWHERE))])
        assert host.run(ask) == '200 241\n200 0\n200 255\n'
        host.verify_down()
        assert host.run(ask) == '503 \n503 \n503 \n'
