"""What is asked: classes of questions, and sites of several sizes to ask about.

Names of users, domains and files are those that bench/site.cpp makes; templates are
bench/load.cpp's.
"""
import collections
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent

# expect and reason: the only right answer. scale: the size of the site that count
# numbers come from (None: nothing is numbered), times of it those that are asked.
# grows: the size that this class could grow with. peer: what 1.32 answers, where it
# does not look as far; None: the same.
Class = collections.namedtuple('Class', 'key title address scale times expect reason grows peer')

CLASSES = [
    Class('remote', 'remote domain', 'a%r@far.example', None, 1, 'valid', 'remote', 'domains', None),
    Class('cdb', 'users/cdb hit, no extension', 'c%p@local.example', 'cdb', 1, 'valid', 'default-delivery', 'cdb', None),
    Class('virtual', 'virtual hit (.qmail-x)', 'x@d%p.example', 'domains', 1, 'valid', 'dotqmail', 'domains', None),
    Class('virtual-miss', 'virtual miss a-b-c', 'a%r-b-c@d%e.example', 'domains', .5, 'invalid', 'no-mailbox',
          'domains', None),
    Class('many-miss', 'virtual miss, home with K files', 'f%r@many.example', None, 1, 'invalid', 'no-mailbox',
          'files', None),
    Class('passwd', 'passwd user', 'u%p@local.example', 'passwd', 1, 'valid', 'default-delivery', 'passwd', None),
    Class('passwd-miss', 'passwd miss', 'n%r@local.example', None, 1, 'invalid', 'no-mailbox', 'passwd', None),
    Class('passwd-miss-dashes', 'passwd miss with two dashes', 'n%r-b-c@local.example', None, 1, 'invalid',
          'no-mailbox', 'passwd', None),
    Class('vpasswd', 'catch-all, user in vpasswd.cdb', 'v%p@vp.example', 'vpopmail', 1, 'valid', 'vpopmail-user',
          'vpopmail', None),
    Class('vpasswd-miss', 'catch-all, not in vpasswd.cdb', 'n%r@vp.example', None, 1, 'invalid', 'vpopmail-no-user',
          'vpopmail', 'valid'),
]
BY_KEY = {c.key: c for c in CLASSES}
PLOTTED = ['cdb', 'virtual', 'virtual-miss', 'passwd', 'passwd-miss']


def sizes(passwd, cdb, domains, files, vpopmail):
    return {'passwd': passwd, 'cdb': cdb, 'domains': domains, 'files': files, 'vpopmail': vpopmail}


SITES = {
    'tiny': sizes(5, 20, 4, 3, 5),  # for the test of the benchmark itself
    'small': sizes(50, 50, 50, 50, 50),
    'large': sizes(100_000, 1_000_000, 100_000, 10_000, 10_000),
    'many-passwd': sizes(100_000, 50, 50, 50, 50),  # small but for passwd: for what a user costs in memory
}
PLOT_SIZES = [10, 100, 1_000, 10_000, 100_000]


def plot_site(n):
    return sizes(n, n, n, min(n, 10_000), min(n, 10_000))


def count_of(c, site):
    return max(1, int(site[c.scale] * c.times)) if c.scale else 1


def reason_numbers():
    """The numbers of the reasons, by name."""
    text = (ROOT / 'qmail-verify.h').read_text()
    return {name: int(n) for n, name in re.findall(r'X\( *(\d+), \w+, +"([\w-]+)"', text)}
