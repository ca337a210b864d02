# SPDX-License-Identifier: Apache-2.0
"""The places of other volumes, from the database."""
import uuid

import pytest

from cinder import objects
from cinder.db import group_types as group_types_db
from cinder.db import groups as groups_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.scheduler.capacity import Capacity
from cinder.scheduler.filters import affinity_filter
from cinder.scheduler.host_manager import Pool
from tests.fakes import scheduler as fakes

pytestmark = pytest.mark.usefixtures('database')

POOLS = {name: Pool(name.partition('#')[2], {}, Capacity.from_report(fakes.report()),
                    name.partition('#')[0], cluster)
         for name, cluster in [('n1@b#p', None), ('n1@b#q', None), ('n2@b#p', None),
                               ('n3@b#p', 'c@b')]}
NOWHERE = str(uuid.uuid4())


@pytest.fixture
def ids(ctxt):
    """Name -> id of a volume: its place, or what is special about it."""
    rows = {'n1#p': {'host': 'n1@b#p'}, 'n1#q': {'host': 'n1@b#q'},
            'cluster': {'host': 'n9@b#p', 'cluster_name': 'c@b#p'}, 'unplaced': {'host': None},
            'foreign': {'host': 'n2@b#p', 'project_id': 'p2'}}
    return {'unknown': NOWHERE} | {name: volumes_db.create(ctxt, {
        'size': 1, 'status': 'available', 'attach_status': 'detached', 'project_id': 'p1',
        'user_id': 'u1', **row}).id for name, row in rows.items()}


def passing(ctxt, check, **hints):
    """The pools that pass, by the fast test and by the reasons."""
    spec = fakes.request(scheduler_hints=hints, facts={},
                         volume=objects.Volume(project_id='p1'))
    check = check(fakes.options())
    check.prepare(ctxt, spec)
    test = check.test(spec)
    passed = [name for name, pool in POOLS.items() if check.refuse(pool, spec) is None]
    assert passed == [name for name, pool in POOLS.items() if test is None or test(pool)]
    return passed


ALL = list(POOLS)


@pytest.mark.parametrize(('wanted', 'same', 'different'), [
    ([], ALL, ALL), (['n1#p'], ['n1@b#p'], ['n1@b#q', 'n2@b#p', 'n3@b#p']),
    (['n1#p', 'n1#q'], ['n1@b#p', 'n1@b#q'], ['n2@b#p', 'n3@b#p']),
    (['cluster'], ['n3@b#p'], ['n1@b#p', 'n1@b#q', 'n2@b#p']),
    (['unknown'], [], ALL), (['unplaced'], [], ALL), (['foreign'], [], ALL),
    (['unknown', 'n1#q'], ['n1@b#q'], ['n1@b#p', 'n2@b#p', 'n3@b#p'])])
def test_same_and_different_pool(ctxt, ids, wanted, same, different):
    found = [ids[name] for name in wanted]
    assert passing(ctxt, affinity_filter.SameBackendFilter, same_host=found) == same
    assert passing(ctxt, affinity_filter.DifferentBackendFilter, different_host=found) == different


def test_one_id_in_any_spelling(ctxt, ids):
    spelled = ids['n1#q'].upper().replace('-', '')
    assert passing(ctxt, affinity_filter.SameBackendFilter, same_host=spelled) == ['n1@b#q']


def test_each_reads_its_own_hint(ctxt, ids):
    assert passing(ctxt, affinity_filter.SameBackendFilter, different_host=ids['n1#p']) == ALL
    assert passing(ctxt, affinity_filter.DifferentBackendFilter, same_host=ids['n1#p']) == ALL


@pytest.mark.parametrize(('host', 'project', 'found'), [
    ('n1@b#p', 'p1', ['n1@b#p', 'n1@b#q']), (None, 'p1', []), ('n1@b#p', 'p2', [])])
def test_back_end_of_a_group(ctxt, host, project, found):
    kind = group_types_db.create(ctxt, {'name': 'kind', 'is_public': True}, {})
    group = groups_db.create(
        ctxt, {'status': 'available', 'project_id': project, 'user_id': 'u1', 'host': host,
               'name': 'g'}, [types_db.default(ctxt).id], kind)
    assert passing(ctxt, affinity_filter.SameBackendFilter, group=group.id) == found


def test_group_that_does_not_exist(ctxt):
    assert passing(ctxt, affinity_filter.SameBackendFilter, group='nothing') == []


def test_tenant_learns_no_place(ctxt, ids):
    spec = fakes.request(scheduler_hints={'same_host': ids['n1#p']}, facts={},
                         volume=objects.Volume(project_id='p1'))
    check = affinity_filter.SameBackendFilter(fakes.options())
    check.prepare(ctxt, spec)
    reason = check.refuse(POOLS['n2@b#p'], spec)
    assert reason == ('holds none of the volumes of the hint same_host', 'they are on n1@b#p')
