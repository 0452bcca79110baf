#!/usr/bin/python3
"""newu.py ASSIGN CDB: make users/cdb from users/assign, as qmail-newu does.

For the demonstration and the tests, where no qmail-newu may be at hand. The
cdb is written beside its place and renamed into it. A line that qmail-newu
would refuse ends this with exit status 111 and leaves the old cdb alone.
"""

import os
import struct
import sys


def records(assign):
    """The records (key, data) for the text of a users/assign."""
    pairs = []
    wildcards = b""
    for line in assign.split(b"\n"):
        if line.startswith(b"."):
            return [*pairs, (b"", wildcards)]
        fields = line.split(b":", 7)
        if len(fields) < 8 or not fields[0] or b"\0" in line:
            raise ValueError(f"not an assignment: {line!r}")
        kind, name, data = fields[0][:1], fields[0][1:], b"\0".join(fields[1:7])
        if kind == b"+":
            pairs.append((b"!" + name.lower(), data))
            if name[-1:] not in wildcards:  # as typed: capitals never match
                wildcards += name[-1:]
        else:  # "=", or whatever qmail-newu takes for it
            pairs.append((b"!" + name.lower() + b"\0", data))
    raise ValueError("the line that begins with a dot is missing")


def cdb_hash(key):
    h = 5381
    for byte in key:
        h = ((h * 33) & 0xFFFFFFFF) ^ byte
    return h


def cdb(pairs):
    """The bytes of a constant database with these records."""
    body = bytearray()
    tables = [[] for _ in range(256)]
    for key, data in pairs:
        h = cdb_hash(key)
        tables[h & 255].append((h, 2048 + len(body)))
        body += struct.pack("<II", len(key), len(data)) + key + data
    header = bytearray()
    for table in tables:
        slots = [(0, 0)] * (2 * len(table))
        for h, position in table:
            slot = (h >> 8) % len(slots)
            while slots[slot][1]:
                slot = (slot + 1) % len(slots)
            slots[slot] = (h, position)
        header += struct.pack("<II", 2048 + len(body), len(slots))
        for slot in slots:
            body += struct.pack("<II", *slot)
    return bytes(header + body)


def newu(assign, target):
    with open(assign, "rb") as f:
        image = cdb(records(f.read()))
    with open(f"{target}.new", "wb") as f:
        f.write(image)
    os.rename(f"{target}.new", target)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: newu.py ASSIGN CDB")
    try:
        newu(*sys.argv[1:])
    except (OSError, ValueError) as trouble:
        print(f"newu.py: {trouble}", file=sys.stderr)
        sys.exit(111)
