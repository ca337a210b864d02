# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the back end's process at each step of each operation; its parent starts another.

LVM_LAB_FULL=1 in the environment takes all points of the table, else those of operations.SOME.
"""
import contextlib
import os

import pytest

from tests.functional.client import CUT_OFF
from tests.lvm import operations, service
from tests.lvm.service import TIMEOUT_SECONDS, delete

CASES = operations.ALL if 'LVM_LAB_FULL' in os.environ else operations.SOME


@pytest.mark.parametrize(('vg', 'operation', 'point'), CASES,
                         ids=['-'.join(case) for case in CASES])
def test_killed_at(suite, client, witness, vg, operation, point):
    steps = operations.run(client, vg, operation)
    next(steps)
    with suite.killed_at(point, TIMEOUT_SECONDS), contextlib.suppress(*CUT_OFF):
        next(steps)
    # The target daemon is not ours: with our service dead, bytes still come and go.
    witness.check()
    assert next(steps, None) is None
    service.Oracle(suite).check(TIMEOUT_SECONDS)
    clean(client, witness.volume)


def clean(client, kept):
    """Delete everything but one volume, the groups with what is in them."""
    for each in client.get('group_snapshots')['group_snapshots']:
        delete(client, 'group_snapshot', each['id'])
    for each in client.get('groups')['groups']:
        client.post(f'groups/{each["id"]}/action', {'delete': {'delete-volumes': True}},
                    expect=202)
        client.wait_gone('group', each['id'], TIMEOUT_SECONDS)
    delete(client, 'snapshot', *(each['id'] for each in client.get('snapshots')['snapshots']))
    delete(client, 'volume', *(each['id'] for each in client.get('volumes')['volumes']
                               if each['id'] != kept))
