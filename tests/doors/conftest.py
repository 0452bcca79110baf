"""The tests run as those in tests/e2e do; their hosts are in doorhost.py."""
import importlib.util
import pathlib
import sys

DOORS = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(DOORS.parent / 'e2e'))  # privatehost and its like
spec = importlib.util.spec_from_file_location('e2e_conftest', DOORS.parent / 'e2e/conftest.py')
e2e = importlib.util.module_from_spec(spec)
spec.loader.exec_module(e2e)
pytest_runtest_protocol = e2e.pytest_runtest_protocol
