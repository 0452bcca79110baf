"""Sessions, replayed: those of netqmail 1.06 and qmail-verify 1.32 that were
recorded, and our own. tests/transcripts/FORMAT.md says what a case is."""
import concurrent.futures
import importlib.util
import os
import pathlib

import pytest

HERE = pathlib.Path(__file__).resolve().parent.parent / 'transcripts'
RECORDED, OURS = str(HERE / 'recorded'), str(HERE / 'ours')
AT_ONCE = 2 + 2 * (os.cpu_count() or 1)  # most of them wait most of the time
# One process for all of them, which keeps so many going.
pytestmark = pytest.mark.xdist_group('transcripts')

spec = importlib.util.spec_from_file_location('replay', HERE / 'replay.py')
replay = importlib.util.module_from_spec(spec)
spec.loader.exec_module(replay)


def read_differences():
    """Name: reason."""
    words = [line.split(None, 2) for line in (HERE / 'DIFFERENCES').read_text().splitlines()
             if line and line[0] != '#']
    assert all(len(line) == 3 and line[1] in '1234567' for line in words), 'name, reason, sentence'
    return {name: int(reason) for name, reason, _ in words}


DIFFERENCES = read_differences()
CASES = [(RECORDED, name) for name in replay.case_names(RECORDED)] + [(OURS, name) for name in replay.case_names(OURS)]


@pytest.fixture(scope='session')
def namespaces():
    """The words that give a command a network of its own."""
    words = replay.unshare()
    if words is None:
        pytest.skip('needs network namespaces: root, or unshare -Urn, and ip')
    return words


def patience(folder, name):
    """A case that has to fail may wait for something until it does: not for long."""
    if folder == OURS or name not in DIFFERENCES:
        return 60
    timing = replay.lines(replay.load(f'{folder}/{name}/timing'))
    return 2 + max([float(words[1]) for words in timing], default=0)


@pytest.fixture(scope='session')
def results(request, build, namespaces):
    """Replays all cases that have been chosen, several at once. case: its future."""
    chosen = {item.callspec.params['case'] for item in request.session.items
              if getattr(item, 'originalname', '') == 'test_session'}
    able = [case for case in CASES if case in chosen and not replay.real_queue_missing(*case)]
    able.sort(key=lambda case: not os.path.exists(os.path.join(*case, 'timing')))  # those that wait long come first
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        yield {(folder, name): pool.submit(replay.replay, folder, name, str(build / 'qmail-smtpd'),
                                           patience(folder, name), namespaces) for folder, name in able}


@pytest.mark.parametrize('case', CASES, ids=lambda case: f'{os.path.basename(case[0])}-{case[1]}')
def test_session(case, results):
    folder, name = case
    if replay.real_queue_missing(folder, name):
        pytest.skip(f'needs a netqmail in {replay.QMAIL}')
    differences = results[case].result()
    if folder == RECORDED and name in DIFFERENCES:
        assert differences, 'stands in DIFFERENCES and is the same'
    else:
        assert not differences, '\n' + differences


@pytest.mark.parametrize('name', DIFFERENCES)
def test_difference_has_its_counterpart(name):
    """A line of DIFFERENCES names a recorded case, and ours begins like it."""
    recorded, ours = (replay.load(f'{folder}/{name}/in') for folder in (RECORDED, OURS))
    assert recorded is not None and ours is not None
    for file in ('env', 'verify-site'):
        assert replay.load(f'{RECORDED}/{name}/{file}') == replay.load(f'{OURS}/{name}/{file}'), file
    first_lines = [data.split(b'\r\n')[:3] for data in (recorded, ours)]
    assert first_lines[0][:2] == first_lines[1][:2]
