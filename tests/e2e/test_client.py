"""The client library as those see it who link it into an SMTP server of theirs:
four C files that build quietly, bring no foreign names, need no C++, and answer."""

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
CLIENT = ["verifyrcpt", "sockbits", "udpbits", "logbits"]
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
    bind clock_gettime close connect getrandom inet_ntop inet_pton memchr memcmp memcpy memset
    poll pwritev2 recv recvfrom send sendto setsockopt socket strcat strchr strcspn strerror
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
  static const char *const replies[] = {"250", "550", "451"};
  struct verifyrcpt v;
  struct verifyrcpt_answer answer;

  if (argc < 2) return 100;
  verifyrcpt_begin(&v, argv[1], note, 0);
  for (int i = 2; i < argc; ++i) {
    enum verifyrcpt_reply reply = verifyrcpt_rcpt(&v, argv[i], &answer);
    printf("%s %s: %s\n", replies[reply], answer.user, answer.why);
  }
  printf("data %s\n", verifyrcpt_data(&v) ? "554" : "354");
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
    """Answers a@... with a0 "joe", t@... with 02, anything else with e1 "alias", on 127.0.0.1."""

    def __init__(self):
        super().__init__(daemon=True)
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        self.questions = []

    def run(self):
        while True:
            question, asker = self.sock.recvfrom(65536)
            if question == b"stop":
                return
            self.questions.append(question)
            answer = {b"a": b"\xa0joe", b"t": b"\x02"}.get(question[:1], b"\xe1alias")
            self.sock.sendto(answer, asker)

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
    run(compiler, *FLAGS, "-o", where / "program", source, *(where / f"{n}.o" for n in CLIENT))
    return where / "program"


def test_a_c_program_asks(program):
    with Server() as server:
        out = run(program, f":{server.port}", "a@example.com", "b@example.com", "t@example.com", timeout=30)
        assert server.questions == [b"a@example.com\0", b"b@example.com\0", b"t@example.com\0"]
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
        assert server.questions == [b"a@x\0", b"b@x\0"]
    assert out.splitlines() == [
        f'note: "word" is not known and is ignored: VERIFY=word,DEFER,127.0.0.1:{server.port}',
        "250 joe: dot-qmail",
        "250 alias: no-mailbox",
        "250 : ",
        "data 554",
        "again 354",
    ]


def test_needs_no_cxx(program):
    assert "stdc++" not in run("ldd", program)
