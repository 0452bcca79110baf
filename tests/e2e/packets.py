"""Extended questions and answers as bytes, see qmail-verify-packet(5)."""
import collections
import os
import socket
import struct

MAGIC = b'qverify2'
CLIENT, SENDER, USER = 1, 2, 3
VALID, INVALID, TEMPORARY = 0, 1, 2
Answer = collections.namedtuple('Answer', 'result reason user')


def field(kind, value):
    return struct.pack('>BH', kind, len(value)) + value


def question(address, client=None, nonce=None):
    """client: the SMTP client's IP address as text."""
    more = b''
    if client:
        more = field(CLIENT, socket.inet_pton(socket.AF_INET6 if ':' in client else socket.AF_INET, client))
    return address + b'\0' + MAGIC + (nonce or os.urandom(16)) + more


def parse(answer):
    """(result, reason, user as it stands before the NUL)."""
    at = answer.index(b'\0', 1)
    assert answer[at + 1:at + 9] == MAGIC, answer
    return Answer(answer[0] & 15, struct.unpack('>H', answer[at + 25:at + 27])[0], answer[1:at])
