"""Lines as qmail-smtpd and qmail-verify log them, of as many sessions as are wanted:
the same ones each time.

lines(1000, begin=1795000000, seconds=86400) -> (seconds, line), in the order of time.
"""
import math
import random

TAI64_AT_1970 = 4611686018427387914
GOOD = ['joe', 'ann', 'sales', 'info', 'support', 'billing']
DOMAINS = ['example.org'] * 6 + ['shop.example'] * 3 + ['lists.example.net', 'old.example.com']
HARVEST = ['admin', 'test', 'root', 'webmaster', 'office', 'contact', 'hr', 'jobs', 'peter', 'maria', 'michael']
SERVER = '/var/qmail/verify/socket'
NO_MAILBOX = 'no-mailbox: no dot-qmail file for the extension, and no default'
VPOPMAIL = 'vpopmail-no-user: vpopmail does not have the user'


def stamp(seconds, nano=0):
    """As multilog t writes it, with the blank behind it."""
    return f'@{TAI64_AT_1970 + int(seconds):016x}{nano:08x} '


def session(random_, number, second):
    """One session's lines."""
    client = f'192.0.2.{random_.randrange(1, 200)}'
    harvester = random_.random() < 0.12
    if harvester:
        client = random_.choice(['203.0.113.66', '203.0.113.67', '2001:db8::66'])
    front = f'qmail-smtpd: pid {10000 + number % 50000} from {client}: '
    yield front + 'New session'
    yield front + 'Received EHLO mail.client.example'
    sender = '' if random_.random() < 0.1 else 'someone@client.example'
    yield front + f'Sender <{sender}>'
    down = 0.62 < second < 0.64
    accepted = 0
    for _ in range(random_.choice([1, 1, 1, 2, 3]) if not harvester else random_.randrange(3, 8)):
        domain = random_.choice(DOMAINS)
        if down:
            yield front + 'temporary failure (connection refused)'
            yield front + f'verify: temporary joe@{domain}: {SERVER}: connection refused'
            continue
        if harvester or random_.random() < 0.15:
            address = f'{random_.choice(HARVEST)}{random_.randrange(40) or ""}@{domain}'
            reason = VPOPMAIL if domain == 'shop.example' else NO_MAILBOX
            yield f'qmail-verify: {address} denied. {reason.split(":")[0]} /home/alias'
            if random_.random() < 0.2:
                yield front + f'verify: invalid {address}: {reason}; accepted all the same (OBSERVE), else 550, user alias, server {SERVER}'
                yield front + f'Recipient <{address}>'
                accepted += 1
            else:
                yield front + 'Unverified mailbox at RCPT time'
                yield front + f'verify: refused {address}: {reason}, user alias, server {SERVER}'
            continue
        address = f'{random_.choice(GOOD)}@{domain}'
        if domain == 'old.example.com':
            yield f'qmail-verify: {address} permitted for old. vpopmail-delete /home/old/vpasswd.cdb'
        else:
            yield f'qmail-verify: {address} permitted for joe. dotqmail /home/joe/.qmail'
        yield front + f'Recipient <{address}>'
        accepted += 1
    if accepted:
        yield front + f'Message accepted, qp {number} ({accepted} recipients, {random_.randrange(900, 90000)} bytes)'
    yield front + random_.choice(['Remote end QUIT: quitting'] * 8 + ['Read error (disconnect?): quitting',
                                                                       'Connection timed out: quitting'])


def lines(sessions, begin=1795000000, seconds=3 * 86400, seed=1):
    random_ = random.Random(seed)
    for number in range(sessions):
        part = number / sessions
        # more in the daytime
        at = begin + seconds * (part + 0.03 * math.sin(2 * math.pi * part * seconds / 86400))
        for line in session(random_, number, part):
            yield at, line
