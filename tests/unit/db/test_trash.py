# SPDX-License-Identifier: Apache-2.0
"""What the SQL of the trash costs, and what it leaves as it is."""
import pytest

from cinder import objects
from cinder.db import snapshots as snapshots_db
from cinder.db import trash as trash_db
from cinder.db import volumes as volumes_db

POOL = 'h@b#p'


@pytest.fixture
def fill(ctxt, make_volume):
    """Return a function that puts the snapshots of a volume into the trash, counted for the quota;
    it returns the volume and their ids."""
    def make(number: int) -> tuple[objects.Volume, list[str]]:
        volume = make_volume(host=POOL)
        made = []
        for _time in range(number):
            row = snapshots_db.create(ctxt, {'project_id': 'p1', 'volume_id': volume.id,
                                             'volume_size': 1, 'status': 'available'})
            snapshot = snapshots_db.get(ctxt, row.id)
            trash_db.put(ctxt, snapshot, 1, counted=True)
            snapshots_db.destroy(ctxt, snapshot.id)
            made.append(snapshot.id)
        return volume, made
    return make


@pytest.mark.parametrize('number', [1, 5])
def test_the_volumes_of_a_pool_are_one_statement(ctxt, fill, statements, number):
    volume, _snapshots = fill(number)
    statements.clear()
    assert trash_db.volumes_in_pool(ctxt, POOL).keys() == {volume.id}
    assert len(statements) == 1 and trash_db.volumes_in_pool(ctxt, 'h@b#other') == {}


def test_a_volume_with_many_snapshots_is_forgotten_as_one_with_a_single_one(ctxt, fill,
                                                                            statements):
    counts = []
    for number in (1, 5):
        volume, _snapshots = fill(number)
        trash_db.put(ctxt, volume, 1, counted=True)
        volumes_db.destroy(ctxt, volume.id)
        statements.clear()
        trash_db.destroy(ctxt, volume.id)
        counts.append(len(statements))
        assert trash_db.of_volume(ctxt, volume.id) == []
    assert counts[0] == counts[1]


def test_a_removal_that_is_under_way_outlives_a_migration(ctxt, fill, make_volume):
    volume, (kept, purged) = fill(2)
    trash_db.begin_purge(ctxt, trash_db.find(ctxt, purged))
    target = make_volume(host=POOL)
    trash_db.leave_behind(ctxt, volume.id, target.id)
    assert {each.id: each.status for each in trash_db.of_volume(ctxt, target.id)} == {
        kept: 'error_purging', purged: 'purging'}
