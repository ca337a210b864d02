# SPDX-License-Identifier: Apache-2.0
"""The operations that may run at a time, divided between processes."""
import pytest

from cinder.backup import processes


@pytest.mark.parametrize(('workers', 'most', 'shares'), [
    (1, 15, [15]), (2, 15, [8, 7]), (4, 3, [1, 1, 1]), (3, 0, [3334, 3333, 3333])])
def test_all_processes_together_have_the_limit(conf, workers, most, shares):
    conf.set_override('backup_workers', workers)
    conf.set_override('backup_max_operations', most)
    assert [processes.share(number) for number in range(processes.number())] == shares
