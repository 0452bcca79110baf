#!/usr/bin/python3
"""run.py --build DIR [-k WORDS] [-v] [--only unit|fuzz|e2e|fault]: run all tests.

DIR is a build directory (build/plain, build/sanitize-...). Runs the unit tests
(DIR/unit-tests), every fuzz target on the inputs kept for it, the tests with
real programs (tests/e2e) and the fault table (tests/fault). Names what failed and,
with the reason, what was skipped. The last line says "N passed, N failed[, N
skipped]"; the exit status is 0 only if nothing failed and something passed.

A sanitizer's report counts as a failure wherever it comes from, also from a
program whose standard error nobody reads.

Only the Python library and pytest are needed, root is not: a test that needs
more than there is skips itself and says so.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from importlib.util import find_spec
from pathlib import Path

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
UNIT_SECONDS = 600
FUZZ_SECONDS = 300
PYTEST_SECONDS = 3600
SOAK_SECONDS = 6 * 3600


class Tally:
    """What came of the tests so far."""

    def __init__(self):
        self.passed = 0
        self.failed = []
        self.skipped = []

    def fail(self, name, output=""):
        self.failed.append(name)
        print(f"FAILED  {name}")
        for line in output.rstrip().splitlines():
            print(f"    {line}")

    def junit(self, path):
        """Adds the results in a JUnit file; returns how many it holds."""
        count = 0
        for case in ElementTree.parse(path).iter("testcase"):
            count += 1
            place = case.get("classname", "").removeprefix("tests.e2e.").removeprefix("tests.")
            name = f"{place}.{case.get('name')}".lstrip(".")
            trouble = [e for e in case if e.tag in ("failure", "error")]
            skip = case.find("skipped")
            if trouble:
                self.fail(name, "\n".join(e.text or e.get("message", "") for e in trouble))
            elif skip is not None or case.get("status") == "notrun":
                reason = "switched off" if skip is None else skip.get("message") or "no reason given"
                self.skipped.append((name, " ".join(reason.split())))
            else:
                self.passed += 1
        return count

    def line(self):
        text = f"{self.passed} passed, {len(self.failed)} failed"
        return f"{text}, {len(self.skipped)} skipped" if self.skipped else text


def run(command, seconds, environment):
    """Runs a command; returns its exit status (None: none in time), its output."""
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            status = child.wait(seconds)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            status = None
        output.seek(0)
        return status, output.read().decode(errors="replace")


def ended(status):
    """An exit status in words."""
    if status is None:
        return "did not end in time"
    return f"was ended by signal {-status}" if status < 0 else f"exited {status}"


def unit(build, choice, tally, scratch, environment):
    """The unit tests: one program, each of its tests counted."""
    program, report = build / "unit-tests", scratch / "unit.xml"
    if not program.exists():
        return tally.fail("unit-tests", f"{program} does not exist")
    command = [program, f"--gtest_output=xml:{report}", "--gtest_brief=1"]
    if choice.k:
        command.append(f"--gtest_filter=*{choice.k}*")
    status, output = run(command, UNIT_SECONDS, environment)
    if choice.verbose:
        print(output)
    known = len(tally.failed)
    if not report.exists() or (tally.junit(report) == 0 and not choice.k):
        tally.fail("unit-tests", f"{ended(status)}\n{output}")
    elif status != 0 and len(tally.failed) == known:
        tally.fail("unit-tests", f"{ended(status)}\n{output}")


def fuzz(build, choice, tally, scratch, environment):
    """The fuzz targets, each on the inputs kept for it: one test a target."""
    targets = sorted(source.stem for source in TESTS.glob("fuzz/fuzz_*.cpp"))
    for target in targets:
        if choice.k and choice.k not in target:
            continue
        corpus = TESTS / "fuzz" / "corpus" / target.removeprefix("fuzz_")
        inputs = sorted(path for path in corpus.glob("*") if path.is_file())
        program = build / "fuzz" / target
        if not inputs or not program.exists():
            tally.fail(target, f"needs {program} and inputs in {corpus}")
            continue
        status, output = run([program, *inputs], FUZZ_SECONDS, environment)
        if choice.verbose:
            print(output)
        if status == 0:
            tally.passed += 1
        else:
            tally.fail(target, f"{ended(status)}\n{output}")


def e2e(build, choice, tally, scratch, environment):
    """The tests with real programs."""
    pytests("e2e", choice, tally, scratch, environment)


def fault(build, choice, tally, scratch, environment):
    """The fault table; long with SOAK in the environment."""
    pytests("fault", choice, tally, scratch, environment)


def pytests(folder, choice, tally, scratch, environment):
    """A folder of tests for pytest, on two processors where it can."""
    if not any(TESTS.glob(f"{folder}/test_*.py")):
        return
    if find_spec("pytest") is None:
        return tally.fail(f"tests/{folder}", "pytest is not installed")
    report = scratch / f"{folder}.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
    if find_spec("xdist") is not None and not choice.serial:
        command += ["-n", "2", "--dist", "loadgroup"]
    if choice.k:
        command += ["-k", choice.k]
    seconds = SOAK_SECONDS if environment.get("SOAK") else PYTEST_SECONDS
    status, output = run([*command, f"tests/{folder}"], seconds, environment)
    if choice.verbose:
        print(output)
    known = len(tally.failed)
    nothing_chosen = 5
    if not report.exists():
        tally.fail(f"tests/{folder}", f"{ended(status)}\n{output}")
        return
    tally.junit(report)
    if status not in (0, nothing_chosen) and len(tally.failed) == known:
        tally.fail(f"tests/{folder}", f"{ended(status)}\n{output}")


def reports(tally, scratch):
    """What sanitizers wrote in any of the programs that ran."""
    for report in sorted(scratch.glob("sanitizer.*")):
        tally.fail(f"sanitizer report of process {report.suffix[1:]}", report.read_text(errors="replace"))


def processes_of(scratch):
    """Those that still run and name the scratch folder: their ids and commands."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command, environment = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
        except OSError:
            continue  # it has ended, or is another user's
        if bytes(scratch) in command + environment and int(process.name) != os.getpid():
            found[int(process.name)] = command.replace(b"\0", b" ").decode(errors="replace")
    return found


def left_running(tally, scratch):
    """Tests end what they start; what they did not is named and ended here."""
    end = time.monotonic() + 5
    while processes_of(scratch) and time.monotonic() < end:
        time.sleep(0.1)
    for process, command in processes_of(scratch).items():
        tally.fail(f"left running: {command}")
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            pass


def test_environment(build, scratch):
    """The environment of all tests."""
    log = f"log_path={scratch}/sanitizer"
    temporary = scratch / "tmp"
    temporary.mkdir()
    temporary.chmod(0o1777)
    return {
        **os.environ,
        "BUILD": str(build),
        "TMPDIR": str(temporary),
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONDONTWRITEBYTECODE": "1",
        "ASAN_OPTIONS": f"detect_leaks=1:abort_on_error=1:detect_stack_use_after_return=1:{log}",
        "UBSAN_OPTIONS": f"print_stacktrace=1:{log}",
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--build", required=True, type=Path)
    parser.add_argument("-k", metavar="WORDS", default="", help="only tests whose names hold this")
    parser.add_argument("-v", "--verbose", action="store_true", help="show all that the tests print")
    parser.add_argument("--only", choices=("unit", "fuzz", "e2e", "fault"), help="one kind of tests")
    parser.add_argument("--serial", action="store_true", help="one test at a time")
    choice = parser.parse_args()
    build = choice.build.resolve()

    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="qmail-verify-check-", ignore_cleanup_errors=True) as folder:
        scratch = Path(folder)
        scratch.chmod(0o1777)  # programs under test write as several users
        environment = test_environment(build, scratch)
        for kind in (unit, fuzz, e2e, fault):
            if choice.only not in (None, kind.__name__):
                continue
            began, known = time.monotonic(), tally.passed
            kind(build, choice, tally, scratch, environment)
            seconds = time.monotonic() - began
            print(f"{kind.__name__}: {tally.passed - known} passed in {seconds:.0f} s", flush=True)
        left_running(tally, scratch)
        reports(tally, scratch)

    for name, reason in tally.skipped:
        print(f"skipped {name}: {reason}")
    for name in tally.failed:
        print(f"FAILED  {name}")
    print(tally.line())
    return 0 if tally.passed and not tally.failed else 1


if __name__ == "__main__":
    sys.exit(main())
