# SPDX-License-Identifier: Apache-2.0
"""Advice which volumes to migrate: pools above the level, volumes that can be moved, and targets
that pass the filters."""
import pytest

from cinder.db import snapshots as snapshots_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.scheduler import advice
from tests.fakes import scheduler as fakes
from tests.unit.scheduler.test_filter_scheduler import scheduler

pytestmark = pytest.mark.usefixtures('database')


@pytest.fixture
def volume(ctxt):
    def make(size, host='n1@b#lvm', status='available', **values):
        return volumes_db.create(ctxt, {
            'size': size, 'status': status, 'attach_status': 'detached', 'project_id': 'p1',
            'host': host, **values}).id
    return make


def test_fewest_gib_to_pools_below_the_level(ctxt, volume):
    driver = scheduler(fakes.report(free_capacity_gb=5), fakes.report(free_capacity_gb=60),
                       fakes.report(free_capacity_gb=21))
    volume(40), volume(30), volume(8, host='n2@b#lvm')
    small, medium = volume(7), volume(9)
    told = advice.advise(ctxt, driver, 80)
    assert told == {
        'fill': 80, 'gib': 16, 'best': True, 'unknown': [],
        'moves': [{'volume_id': ident, 'size': size, 'from': 'n1@b#lvm', 'to': 'n2@b#lvm'}
                  for ident, size in sorted(((small, 7), (medium, 9)))],
        'pools': [{'name': 'n1@b#lvm', 'percent': 95.0, 'above': 15.0, 'movable': 86,
                   'volumes': 4}],
        'targets': [{'name': 'n2@b#lvm', 'percent': 40.0, 'after': 56.0},
                    {'name': 'n3@b#lvm', 'percent': 79.0, 'after': 79.0}]}


@pytest.mark.parametrize('values', [
    {'status': 'error'}, {'migration_status': 'migrating'}, {'replication_status': 'enabled'},
    {'group_id': '6d9f6ab0-4d0e-4d0c-8f6b-0c1f0c6f6d53'}, {'host': 'n1@b#other'}])
def test_volumes_that_cannot_be_migrated(ctxt, volume, values):
    volume(20, **values)
    told = advice.advise(ctxt, scheduler(fakes.report(free_capacity_gb=5), fakes.report()), 80)
    assert (told['moves'], told['best']) == (None, True)
    assert (told['pools'][0]['movable'], told['pools'][0]['volumes']) == (0, 0)


def test_volume_with_snapshots_stays(ctxt, volume):
    ident = volume(20)
    snapshots_db.create(ctxt, {'volume_id': ident, 'project_id': 'p1', 'volume_size': 20,
                               'status': 'available'})
    told = advice.advise(ctxt, scheduler(fakes.report(free_capacity_gb=5), fakes.report()), 80)
    assert told['moves'] is None


def test_target_passes_the_filters_for_the_type(ctxt, volume):
    kind = types_db.create(ctxt, {'name': 'gold'}, {'disk': 'ssd'})
    driver = scheduler(fakes.report(free_capacity_gb=5, disk='ssd'), fakes.report(),
                       fakes.report(free_capacity_gb=50, disk='ssd'))
    gold = volume(20, volume_type_id=kind.id)
    told = advice.advise(ctxt, driver, 80)
    assert [(move['volume_id'], move['to']) for move in told['moves']] == [(gold, 'n3@b#lvm')]


def test_nothing_to_do(ctxt, volume):
    volume(50)
    told = advice.advise(ctxt, scheduler(fakes.report(free_capacity_gb=50), fakes.report(
        total_capacity_gb='unknown')), 50)
    assert (told['moves'], told['pools'], told['unknown']) == ([], [], ['n2@b#lvm'])


def test_thin_pools_count_what_is_provisioned(ctxt, volume):
    thin = {'thin_provisioning_support': True, 'max_over_subscription_ratio': 2}
    driver = scheduler(
        fakes.report(provisioned_capacity_gb=190, free_capacity_gb=90, **thin),
        fakes.report(provisioned_capacity_gb=100, free_capacity_gb=90, **thin))
    ident = volume(30)
    told = advice.advise(ctxt, driver, 80)
    assert told['pools'][0]['percent'] == 95.0
    assert [move['volume_id'] for move in told['moves']] == [ident]
    assert told['targets'] == [{'name': 'n2@b#lvm', 'percent': 50.0, 'after': 65.0}]
