# SPDX-License-Identifier: Apache-2.0
"""The kills of test_kill.py with volumes in Ceph, and at each change of the cluster besides: before
a call of librbd and after it. CEPH_FULL=1 kills at every point, else at some."""

import contextlib
import os

import pytest

from tests.functional import scenarios
from tests.functional.ceph_scenarios import MORE, SCENARIOS
from tests.functional.client import CUT_OFF
from tests.functional.oracle import Oracle
from tests.functional.suite import fault_names

# Scenario -> what it calls of ceph.CALLS.
MADE = {'create': ('RBD.create',),
        'clone': ('Image.create_snap', 'RBD.clone', 'Image.remove_snap'),
        'create-from-snapshot': ('RBD.clone',), 'delete': ('RBD.remove',),
        'extend': ('Image.resize',), 'snapshot-create': ('Image.create_snap',),
        'snapshot-delete': ('Image.remove_snap',)}
CASES = [(name, point) for name, (_scenario, verb) in scenarios.ALL.items()
         for point in (*fault_names(verb), *(f'ceph:{call}:{when}' for call in MADE[name]
                                             for when in ('before', 'after')))]
SHORT = [(name, point) for name, point in CASES
         if point.startswith('ceph:') and point.endswith('after')]
OTHERS = [(name, point) for name, (_scenario, verb, made) in MORE.items()
          for point in (*(fault_names(verb) if verb else ()), *(
              f'ceph:{call}:{when}' for call in made for when in ('before', 'after')))]
CASES += OTHERS
SHORT += [('group-snapshot', 'ceph:Group.create_snap:after')]


@pytest.mark.parametrize(('name', 'point'), CASES if os.environ.get('CEPH_FULL') else SHORT,
                         ids=lambda value: value)
def test_killed_at(ceph_suite, name, point):
    client = ceph_suite.client()
    scenario = SCENARIOS[name](client)
    scenario.prepare()
    with ceph_suite.killed_at(point), contextlib.suppress(*CUT_OFF):
        scenario.request()
    ceph_suite.ensure_running()
    if point.endswith('api:commit:before'):
        scenario.check_not_done()
    else:
        scenario.check_done()
    Oracle(ceph_suite).check(60)
