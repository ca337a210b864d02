# SPDX-License-Identifier: Apache-2.0
"""Locks kept in files, between processes."""
import pytest

from cinder import coordination, exception

HOLDER = '''
import sys
from cinder import coordination
with coordination.Coordinator(sys.argv[1]).lock('a volume/with: odd name'):
    print('held', flush=True)
    sys.stdin.read()
'''


@pytest.fixture
def url(tmp_path):
    return f'file://{tmp_path}'


def left(tmp_path) -> list[str]:
    return [path.name for path in tmp_path.iterdir() if path.name.startswith('cinder-')]


def test_another_process_holds_the_lock_until_it_dies(url, clean):
    coordinator = coordination.Coordinator(url)
    with clean.start(HOLDER, url) as holder:
        assert holder.stdout.readline() == 'held\n'
        with pytest.raises(exception.LockCreationFailed):
            coordinator.lock('a volume/with: odd name', timeout=0.1).__enter__()
    with coordinator.lock('a volume/with: odd name', timeout=2):
        pass


def test_who_waits_for_a_file_that_is_removed_does_not_hold_another(url, tmp_path, clean):
    """Processes that take turns: each removes the file for which the others wait."""
    others = [clean.start(TURNS, url, str(tmp_path / 'inside')) for _ in range(3)]
    for other in others:
        with other:
            assert other.stdout.read() == '30\n', other.stderr.read()
    assert left(tmp_path) == []


TURNS = '''
import os, sys
from cinder import coordination
locks, taken = coordination.Coordinator(sys.argv[1]), 0
for _ in range(30):
    with locks.lock('one', timeout=50):
        os.close(os.open(sys.argv[2], os.O_CREAT | os.O_EXCL))
        os.unlink(sys.argv[2])
        taken += 1
print(taken)
'''


def test_what_killed_processes_left_goes_at_the_next_start(url, tmp_path, clean):
    (tmp_path / 'cinder-volume-1').touch()
    (tmp_path / 'of-others').touch()
    with clean.start(HOLDER, url) as holder:
        assert holder.stdout.readline() == 'held\n'
        coordination.Coordinator(url).start()
        assert left(tmp_path) == ['cinder-a_volume_with__odd_name']
    coordination.Coordinator(url).start()
    assert left(tmp_path) == [] and (tmp_path / 'of-others').exists()
