"""The client library as those see it who link it into an SMTP server of theirs:
C files that build quietly, bring no foreign names, need no C++, and answer."""

import os
import pathlib
import re
import shutil
import socket
import subprocess
import threading

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = TOP / os.environ.get("BUILD", "build/plain")
LINKED = ["verifyrcpt", "sockbits", "udpbits"]
CLIENT = [*LINKED, "logbits"]
HEADERS = ["qmail-verify.h", "packet.h", *(f"{name}.h" for name in LINKED)]
FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror", f"-I{TOP}"]

# What a file may define for others: its own prefix, and the call-out tools.
PREFIXES = {
    "verifyrcpt": r"verifyrcpt(_\w+)?",
    "sockbits": r"sockbits_\w+|query_skt",
    "udpbits": r"udp_\w+|connect_udp|bind_udp",
    "logbits": r"log_\w+",
}

# What the client may want from outside: the C library, and no more of it than this.
WANTED = set("""
    bcmp bind clock_gettime close connect getrandom inet_ntop inet_pton memchr memcmp memcpy memset
    poll pwritev2 recv recvfrom send sendto setsockopt socket strcat strchr strcmp strcspn strerror
    strlen strncasecmp writev snprintf vsnprintf
    __errno_location __memcpy_chk __memset_chk __poll_chk __recv_chk __recvfrom_chk
    __snprintf_chk __strcat_chk __vsnprintf_chk __stack_chk_fail _GLOBAL_OFFSET_TABLE_
""".split())

PROGRAM = r"""
#include "verifyrcpt.h"
#include <stdio.h>

/* An SMTP session in miniature: VERIFY, then one recipient an argument. */
static void note(void *ctx, const char *text) {
  (void)ctx;
  printf("note: %s\n", text);
}

int main(int argc, char **argv) {
  static const char *const replies[] = {"250", "550", "451", "421"};
  struct verifyrcpt v;
  struct verifyrcpt_answer answer;

  if (argc < 2) return 100;
  verifyrcpt_begin(&v, argv[1], note, 0);
  verifyrcpt_client(&v, "192.0.2.7");
  verifyrcpt_sender(&v, "ann@example.org");
  for (int i = 2; i < argc; ++i) {
    enum verifyrcpt_reply reply = verifyrcpt_rcpt(&v, argv[i], &answer);
    printf("%s %s: %s\n", replies[reply], answer.user, answer.why);
  }
  printf("data %s\n", verifyrcpt_close(&v) ? "421" : verifyrcpt_data(&v) ? "554" : "354");
  verifyrcpt_reset(&v);
  printf("again %s\n", verifyrcpt_data(&v) ? "554" : "354");
  verifyrcpt_end(&v);
  return 0;
}
"""


def run(*command, **kw):
    return subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True, **kw).stdout


@pytest.fixture(params=["gcc", "clang"], scope="module")
def objects(request, tmp_path_factory):
    """The client's objects, built by each compiler from nothing but the client's files."""
    if not shutil.which(request.param):
        pytest.skip(f"no {request.param} here")
    where = tmp_path_factory.mktemp(request.param)
    for name in CLIENT:
        run(request.param, *FLAGS, "-O2", "-c", "-o", where / f"{name}.o", TOP / f"{name}.c")
    return request.param, where


def symbols(path, *options):
    return [line.split() for line in run("nm", *options, path).splitlines() if line.strip()]


def test_external_names(objects):
    _, where = objects
    for name in CLIENT:
        defined = [s[-1] for s in symbols(where / f"{name}.o", "--defined-only", "--extern-only")]
        assert defined
        foreign = [s for s in defined if not re.fullmatch(PREFIXES[name], s)]
        assert not foreign, f"{name}.o defines {foreign}"


def test_no_writable_data(objects):
    """No globals: a session's state is in its struct verifyrcpt."""
    _, where = objects
    for name in CLIENT:
        data = [s for s in symbols(where / f"{name}.o", "--defined-only") if s[-2] in "bBCdDsSgG"]
        assert not data, f"{name}.o has {data}"


def test_wants_only_the_c_library(objects):
    _, where = objects
    ours, wanted = set(), set()
    for name in CLIENT:
        ours |= {s[-1] for s in symbols(where / f"{name}.o", "--defined-only", "--extern-only")}
        wanted |= {s[-1] for s in symbols(where / f"{name}.o", "--undefined-only")}
    assert wanted - ours <= WANTED, "no malloc, no exit, no streams"


def test_the_build_directory_holds_the_same_names():
    paths = [BUILD / f"{name}.o" for name in CLIENT]
    if not all(p.exists() for p in paths):
        pytest.skip(f"nothing built in {BUILD}")
    for path in paths:
        for s in symbols(path, "--defined-only", "--extern-only"):
            if not s[-1].startswith("__"):  # a sanitizer's own
                assert re.fullmatch(PREFIXES[path.stem], s[-1])


class Server(threading.Thread):
    """Answers a@... with a0 "joe", t@... with 02, anything else with e1 "alias", on 127.0.0.1;
    extended: with the nonce and the reason 1 behind it. Keeps the addresses and what follows them."""

    def __init__(self, extended=False):
        super().__init__(daemon=True)
        self.extended, self.rest = extended, []
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        self.questions = []

    def run(self):
        while True:
            question, asker = self.sock.recvfrom(65536)
            if question == b"stop":
                return
            address, rest = question[:question.index(0)], question[question.index(0):]
            self.questions.append(address)
            self.rest.append(rest)
            answer = {b"a": b"\xa0joe", b"t": b"\x02"}.get(question[:1], b"\xe1alias")
            self.sock.sendto(answer + (rest[:25] + b"\0\1" if self.extended else b""), asker)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"stop", ("127.0.0.1", self.port))
        self.join()
        self.sock.close()


@pytest.fixture(scope="module")
def program(objects):
    compiler, where = objects
    source = where / "program.c"
    source.write_text(PROGRAM)
    run(compiler, *FLAGS, "-o", where / "program", source, *(where / f"{n}.o" for n in LINKED))
    return where / "program"


def test_the_client_needs_no_other_files(tmp_path):
    for name in [*HEADERS, *(f"{name}.c" for name in LINKED)]:
        shutil.copy(TOP / name, tmp_path)
    (tmp_path / "program.c").write_text(PROGRAM)
    flags = [flag for flag in FLAGS if not flag.startswith("-I")]
    run("gcc", *flags, "-o", "program", "program.c", *(f"{name}.c" for name in LINKED), cwd=tmp_path)


def test_a_c_program_asks(program):
    with Server() as server:
        out = run(program, f":{server.port}", "a@example.com", "b@example.com", "t@example.com", timeout=30)
        assert server.questions == [b"a@example.com", b"b@example.com", b"t@example.com"]
    assert out.splitlines() == [
        "250 joe: dot-qmail",
        "550 alias: no-mailbox",
        f"451 : position unknown (127.0.0.1:{server.port} cannot tell now)",
        "data 354",
        "again 354",
    ]


def test_a_c_program_defers(program):
    with Server() as server:
        out = run(program, f"word,DEFER,127.0.0.1:{server.port}", "a@x", "b@x", "c@x", timeout=30)
        assert server.questions == [b"a@x", b"b@x"]
    assert out.splitlines() == [
        f'note: "word" is not known and is ignored: VERIFY=word,DEFER,127.0.0.1:{server.port}',
        "250 joe: dot-qmail",
        "250 alias: no-mailbox",
        "250 : ",
        "data 554",
        "again 354",
    ]


def test_a_c_program_asks_in_extended_form(program):
    with Server(extended=True) as server:
        out = run(program, f"STRICT,MAXBAD=1,:{server.port}", "a@x", "b@x", "c@x", timeout=30)
        assert server.questions == [b"a@x", b"b@x"]
    nonces = {rest[9:25] for rest in server.rest}
    assert len(nonces) == 2
    # the bytes of qmail-verify-packet(5): NUL, magic, nonce, client, sender
    assert {rest[:9] for rest in server.rest} == {b"\0qverify2"}
    assert {rest[25:] for rest in server.rest} == {b"\1\0\4\xc0\0\2\7" b"\2\0\x0fann@example.org"}
    assert out.splitlines() == [
        "250 joe: remote: the domain is neither in locals nor in virtualdomains",
        "550 alias: remote: the domain is neither in locals nor in virtualdomains",
        "421 : not asked: this session has had 1 invalid recipients (MAXBAD=1)",
        "data 354",
        "again 354",
    ]


def test_the_extended_example_of_the_packet_page(program):
    """What qmail-verify-packet(5) shows is what is sent, and taken for an answer."""
    page = (TOP / "man/qmail-verify-packet.5").read_text()
    asked, answered = (bytes.fromhex(block) for block in re.search(
        r"^> ((?:[0-9a-f ]+\n){5})< ((?:[0-9a-f ]+\n){4})", page, re.M).groups())
    nonce = asked[17:33]
    assert asked == b"no@b.org\0qverify2" + nonce + b"\1\0\4\xc0\0\2\7" b"\2\0\7a@b.net"
    assert answered == b"\xe1alias\0qverify2" + nonce + b"\0\x10"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(30)
        client = subprocess.Popen([program, f"STRICT,:{server.getsockname()[1]}", "no@b.org"], stdout=subprocess.PIPE,
                                  text=True)
        question, asker = server.recvfrom(4096)
        drawn = question[17:33]
        server.sendto(answered.replace(nonce, drawn), asker)
        out = client.communicate(timeout=30)[0]
    sender = b"\2\0\x0fann@example.org"  # the program's
    assert question == asked.replace(nonce, drawn)[:-10] + sender
    assert out.startswith("550 alias: no-mailbox: ")


def test_needs_no_cxx(program):
    assert "stdc++" not in run("ldd", program)
