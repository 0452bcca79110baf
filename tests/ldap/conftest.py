"""The tests run as those in tests/e2e do; what they measured is shown behind the results."""
import importlib.util
import pathlib
import sys

LDAP = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(LDAP.parent / 'e2e'))  # qmailhost and its like
spec = importlib.util.spec_from_file_location('e2e_conftest', LDAP.parent / 'e2e/conftest.py')
e2e = importlib.util.module_from_spec(spec)
spec.loader.exec_module(e2e)
pytest_runtest_protocol = e2e.pytest_runtest_protocol


def pytest_terminal_summary(terminalreporter):
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, 'user_properties', []):
                if name == 'measured' and report.when == 'call':
                    terminalreporter.write_line(value)
