# SPDX-License-Identifier: Apache-2.0
"""A frozen back end keeps what it has: nothing is made, grown or deleted there."""
import pytest

from cinder import exception
from cinder.db import clusters as clusters_db
from cinder.db import services as services_db
from cinder.db import snapshots as snapshots_db
from cinder.db import volumes as volumes_db
from cinder.volume.api import snapshots, volumes

OTHER = {'host': 'other@b#p', 'cluster_name': None}


@pytest.fixture
def make(ctxt, database, sent):
    def make(**place):
        made = volumes_db.create(ctxt, {
            'project_id': 'p1', 'size': 1, 'status': 'available', 'host': 'h@b#p',
            'availability_zone': 'z', **place})
        taken = snapshots_db.create(ctxt, {
            'project_id': 'p1', 'volume_id': made.id, 'volume_size': 1, 'status': 'available'})
        return volumes_db.get(ctxt, made.id), snapshots_db.get(ctxt, taken.id)
    return make


@pytest.fixture(params=['host', 'service of the cluster', 'cluster'])
def frozen(request, ctxt, database):
    """Where a volume of a back end that is frozen is."""
    service = services_db.create(ctxt, {'host': 'h@b', 'binary': 'cinder-volume', 'topic': 't',
                                        'cluster_name': 'c@b'})
    cluster = clusters_db.create(ctxt, {'name': 'c@b', 'binary': 'cinder-volume'})
    if request.param == 'cluster':
        assert clusters_db.set_frozen(ctxt, cluster.id, True)
        return {'host': 'gone@b#p', 'cluster_name': 'c@b#p'}
    assert services_db.set_frozen(ctxt, service.id, True)
    assert not services_db.set_frozen(ctxt, service.id, True)
    return ({'cluster_name': None} if request.param == 'host'
            else {'host': 'gone@b#p', 'cluster_name': 'c@b#p'})


ACTS = {
    'delete': lambda ctxt, volume, _snapshot: volumes.delete(ctxt, volume, cascade=True),
    'force_delete': lambda ctxt, volume, _snapshot: volumes.delete(
        ctxt, volume, force=True, cascade=True),
    'extend': lambda ctxt, volume, _snapshot: volumes.extend(ctxt, volume, 2),
    'clone': lambda ctxt, volume, _snapshot: volumes.create(ctxt, source_volume=volume),
    'from_snapshot': lambda ctxt, _volume, snapshot: volumes.create(ctxt, snapshot=snapshot),
    'snapshot': lambda ctxt, volume, _snapshot: snapshots.create(ctxt, volume),
    'delete_snapshot': lambda ctxt, _volume, snapshot: snapshots.delete(ctxt, snapshot),
}


@pytest.mark.parametrize('act', ACTS)
def test_nothing_happens_there(ctxt, make, sent, frozen, act):
    with pytest.raises((exception.InvalidVolume, exception.InvalidSnapshot), match='frozen'):
        ACTS[act](ctxt, *make(**frozen))
    assert sent == []
    ACTS[act](ctxt, *make(**OTHER))
    assert len(sent) == 1
