# SPDX-License-Identifier: Apache-2.0
"""Limits that were set, usage counted from the rows."""
import pytest

from cinder.conf import CONF
from cinder.db import quotas, snapshots, types, volumes


@pytest.fixture
def used(make_volume, ctxt):
    kind = types.create(ctxt, {'name': 'fast'})
    volume = make_volume(size=4, growth=2, volume_type_id=kind.id)
    make_volume(size=1)
    make_volume(size=100, use_quota=False)
    make_volume(size=100, project_id='p2')
    volumes.destroy(ctxt, make_volume(size=100).id)
    snapshots.create(ctxt, {'project_id': 'p1', 'volume_id': volume.id, 'volume_size': 4,
                            'volume_type_id': kind.id})
    snapshots.create(ctxt, {'project_id': 'p1', 'volume_id': volume.id, 'volume_size': 4,
                            'use_quota': False})


def test_usage_is_counted_in_one_statement(used, ctxt, statements):
    statements.clear()
    state = quotas.limits_and_usage(ctxt, 'p1')
    assert len(statements) == 1
    assert {name: amount for name, amount in state.usage.items() if amount} == {
        'volumes': 2, 'volumes_fast': 1, 'gigabytes': 11, 'gigabytes_fast': 10,
        'snapshots': 1, 'snapshots_fast': 1}


def test_snapshots_may_be_left_out_of_gigabytes(used, ctxt):
    CONF.set_override('no_snapshot_gb_quota', True)
    try:
        usage = quotas.limits_and_usage(ctxt, 'p1', ['gigabytes']).usage
    finally:
        CONF.clear_override('no_snapshot_gb_quota')
    assert (usage['gigabytes'], usage['gigabytes_fast']) == (7, 6)


def test_only_what_matters_is_counted(used, ctxt, statements):
    statements.clear()
    assert quotas.limits_and_usage(ctxt, 'p1', ['volumes', 'volumes_fast']).usage['volumes'] == 2
    assert 'snapshots' not in statements[0]
    assert 'FROM volumes' in statements[0]


def test_limits(database, ctxt):
    quotas.set_limits(ctxt, 'p1', {'volumes': 5, 'gigabytes': -1})
    quotas.set_limit(ctxt, 'p1', 'volumes', 6)
    quotas.set_class(ctxt, 'default', {'volumes': 20})
    quotas.set_class(ctxt, 'default', {'volumes': 21})
    quotas.set_class(ctxt, 'other', {'volumes': 22})
    state = quotas.limits_and_usage(ctxt, 'p1')
    assert state.project_limits == {'volumes': 6, 'gigabytes': -1} == quotas.limits(ctxt, 'p1')
    assert state.class_limits == {'volumes': 21} == quotas.get_class(ctxt, 'default')
    quotas.delete_limits(ctxt, 'p1')
    assert quotas.limits(ctxt, 'p1') == {}


def test_projects(used, ctxt):
    assert quotas.projects(ctxt) == ['p1', 'p2']
