"""Signed questions and answers as qmail-verify-packet(5) has them, without the daemon's code."""
import hmac
import packets

MAC, SUM = 255, 16
WORD = (1 << 64) - 1


def siphash(key, data):
    """SipHash-2-4 with an output of 128 bits."""
    k0, k1 = (int.from_bytes(key[at:at + 8], 'little') for at in (0, 8))
    a, b, c, d = k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f83, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573

    def rounds(n):
        nonlocal a, b, c, d
        for _ in range(n):
            a = (a + b) & WORD
            c = (c + d) & WORD
            b = (b << 13 & WORD | b >> 51) ^ a
            d = (d << 16 & WORD | d >> 48) ^ c
            a = a << 32 & WORD | a >> 32
            c = (c + b) & WORD
            a = (a + d) & WORD
            b = (b << 17 & WORD | b >> 47) ^ c
            d = (d << 21 & WORD | d >> 43) ^ a
            c = c << 32 & WORD | c >> 32

    data += bytes(-(len(data) + 1) % 8) + bytes([len(data) & 255])
    for at in range(0, len(data), 8):
        word = int.from_bytes(data[at:at + 8], 'little')
        d ^= word
        rounds(2)
        a ^= word
    c ^= 0xee
    rounds(4)
    first = a ^ b ^ c ^ d
    b ^= 0xdd
    rounds(4)
    return first.to_bytes(8, 'little') + (a ^ b ^ c ^ d).to_bytes(8, 'little')


class Key:
    def __init__(self, name, secret):
        self.name, self.secret = name.encode(), secret

    def line(self, peer):
        """Of control/verifykeys, for this peer."""
        return f'{self.name.decode()}:{self.secret.hex()}:{peer}\n'

    def seal(self, way, address, datagram):
        head = way + bytes([len(self.name)]) + self.name + len(address).to_bytes(2, 'big')
        return packets.field(MAC, siphash(self.secret, head + address + datagram) + self.name)

    def question(self, datagram):
        return datagram + self.seal(b'q', b'', datagram)

    def good(self, address, datagram):
        """Is this an answer about the address that was sealed with this key?"""
        at = len(datagram) - 3 - SUM - len(self.name)
        return at > 0 and hmac.compare_digest(datagram[at:], self.seal(b'a', address, datagram[:at]))
