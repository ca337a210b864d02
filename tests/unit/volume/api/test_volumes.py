# SPDX-License-Identifier: Apache-2.0
"""What the use cases of volumes accept, refuse, write and send."""
import pytest

from cinder import exception
from cinder.conf import CONF
from cinder.db import operations as operations_db
from cinder.db import quotas as quotas_db
from cinder.db import services as services_db
from cinder.db import snapshots as snapshots_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.volume.api import snapshots as snapshots_api
from cinder.volume.api import volume_actions, volumes, zones


@pytest.fixture(autouse=True)
def _fresh_zones(database, sent):
    zones._cache = (0.0, {})
    yield
    zones._cache = (0.0, {})


@pytest.fixture
def make(ctxt):
    def volume(**values):
        made = volumes_db.create(ctxt, {
            'project_id': 'p1', 'size': 2, 'status': 'available', 'host': 'h@b#p',
            'availability_zone': 'z1', **values})
        return volumes_db.get(ctxt, made.id)
    return volume


def test_a_new_volume_goes_to_the_scheduler(ctxt, sent):
    volume = volumes.create(ctxt, size=3, name='n', metadata={'k': 'v'})
    stored = volumes_db.get(ctxt, volume.id)
    assert (stored.status, stored.size, stored.display_name) == ('creating', 3, 'n')
    assert stored.metadata == {'k': 'v'} and stored.volume_type.name == '__DEFAULT__'
    (method, arguments), = sent
    operation = operations_db.get(ctxt, arguments['operation'].id)
    assert (method, operation.stage, operation.state) == ('create_volume', 'schedule', 'queued')


def test_a_refused_volume_leaves_no_trace(ctxt, sent):
    quotas_db.set_limits(ctxt, 'p1', {'gigabytes': 1})
    with pytest.raises(exception.VolumeSizeExceedsAvailableQuota):
        volumes.create(ctxt, size=2)
    assert sent == [] and volumes_db.list_rows(ctxt).rows == []


def test_size_comes_from_the_source_and_is_not_below_it(ctxt, make):
    source = make(volume_type_id=types_db.default(ctxt).id)
    clone = volumes.create(ctxt, source_volume=source)
    assert (clone.size, clone.source_volid, clone.availability_zone) == (2, source.id, 'z1')
    with pytest.raises(exception.InvalidInput, match='smaller than the 2 GiB'):
        volumes.create(ctxt, size=1, source_volume=source)
    with pytest.raises(exception.InvalidInput, match='size is required'):
        volumes.create(ctxt)


def test_a_clone_stays_on_the_back_end_of_its_source(ctxt, make, sent):
    volumes.create(ctxt, source_volume=make())
    assert sent[-1][1]['operation'].arguments['resource_backend'] == 'h@b'


def test_a_source_that_is_going_away_is_refused(ctxt, make):
    with pytest.raises(exception.InvalidVolume, match='deleting'):
        volumes.create(ctxt, source_volume=make(status='deleting'))


def _service(ctxt, zone, **values):
    return services_db.create(ctxt, {
        'host': f'{zone}@b', 'binary': 'cinder-volume', 'topic': 'cinder-volume',
        'availability_zone': zone, **values})


def test_zones_that_no_service_serves_are_refused(ctxt):
    _service(ctxt, 'z1')
    assert volumes.create(ctxt, size=1, availability_zone='z1').availability_zone == 'z1'
    with pytest.raises(exception.InvalidAvailabilityZone, match='nowhere'):
        volumes.create(ctxt, size=1, availability_zone='nowhere')


def test_a_zone_that_comes_later_is_found(ctxt):
    with pytest.raises(exception.InvalidAvailabilityZone):
        volumes.create(ctxt, size=1, availability_zone='z2')
    _service(ctxt, 'z2')
    volumes.create(ctxt, size=1, availability_zone='z2')


def test_the_type_may_restrict_zones(ctxt):
    for zone in ('z1', 'z2'):
        _service(ctxt, zone)
    made = types_db.create(ctxt, {'name': 't', 'is_public': True},
                           {zones.TYPE_ZONES: 'z1, z3'})
    volume_type = types_db.get(ctxt, made.id)
    with pytest.raises(exception.InvalidInput, match='does not allow'):
        volumes.create(ctxt, size=1, volume_type=volume_type, availability_zone='z2')
    assert volumes.create(ctxt, size=1, volume_type=volume_type).availability_zone is None


@pytest.mark.parametrize('values', [
    {'status': 'in-use', 'attach_status': 'attached'}, {'migration_status': 'migrating'},
    {'group_id': 'g'}, {'status': 'creating'}])
def test_what_is_in_use_elsewhere_is_not_deleted(ctxt, make, sent, values):
    volume = make(**values)
    with pytest.raises(exception.InvalidVolume, match=volume.id):
        volumes.delete(ctxt, volume)
    assert sent == []
    assert volumes_db.get(ctxt, volume.id).status == volume.status


def test_blockers_are_named(ctxt, make):
    volume = make()
    snapshot = snapshots_db.create(ctxt, {'volume_id': volume.id, 'project_id': 'p1',
                                          'volume_size': 2, 'status': 'available'})
    with pytest.raises(exception.InvalidVolume, match=snapshot.id):
        volumes.delete(ctxt, volume)


def test_force_deletes_from_any_status(ctxt, make, sent):
    volumes.delete(ctxt, make(status='extending'), force=True)
    assert sent[-1][0] == 'delete_volume'


def test_extend_in_use_only_where_the_request_may(ctxt, make, sent):
    volume = make(status='in-use')
    with pytest.raises(exception.InvalidVolume, match='in-use'):
        volumes.extend(ctxt, volume, 3)
    volumes.extend(ctxt, volume, 3, attached_ok=True)
    assert sent[-1][1]['operation'].arguments == {'new_size': 3}


def test_extend_of_what_another_request_has_extended(ctxt, make):
    """The first request is through before the second one's transaction begins."""
    volume = make()
    volumes_db.update(ctxt, volume.id, {'size': 3})
    with pytest.raises(exception.InvalidVolume, match='no longer has'):
        volumes.extend(ctxt, volume, 3)
    assert volumes_db.get(ctxt, volume.id).status == 'available'


def test_extend_over_quota_changes_nothing(ctxt, make):
    quotas_db.set_limits(ctxt, 'p1', {'gigabytes': 3})
    volume = make()
    with pytest.raises(exception.VolumeSizeExceedsAvailableQuota):
        volumes.extend(ctxt, volume, 4)
    assert volumes_db.get(ctxt, volume.id).status == 'available'


@pytest.mark.parametrize('status', ['in-use', 'deleting', 'reverting'])
def test_statuses_that_cannot_be_reset_to(ctxt, make, status):
    with pytest.raises(exception.InvalidVolume):
        volumes.reset_status(ctxt, make(), status=status)


def test_reset_writes_what_is_named(ctxt, make):
    volume = make(migration_status='error')
    volumes.reset_status(ctxt, volume, status='error', migration_status='none')
    now = volumes_db.get(ctxt, volume.id)
    assert (now.status, now.attach_status, now.migration_status) == ('error', 'detached', None)


def test_snapshots_of_volumes_in_use(ctxt, make, sent):
    volume = make(status='in-use')
    with pytest.raises(exception.InvalidVolume):
        snapshots_api.create(ctxt, volume)
    snapshot = snapshots_api.create(ctxt, volume, name='s', metadata={'k': 'v'}, force=True)
    assert snapshots_db.get(ctxt, snapshot.id).metadata == {'k': 'v'}
    assert sent[-1][0] == 'create_snapshot'


def test_progress_of_outside_snapshots_follows_the_table(ctxt, make):
    made = snapshots_api.create(ctxt, make())
    snapshots_api.update_status(ctxt, made, 'error', '50%')
    now = snapshots_db.get(ctxt, made.id)
    assert (now.status, now.progress) == ('error', '50%')
    with pytest.raises(exception.InvalidSnapshot):
        snapshots_api.update_status(ctxt, now, 'available')


def test_revert_takes_the_newest_snapshot_only(ctxt, make):
    volume = make()
    snapshots = [snapshots_db.create(ctxt, {'volume_id': volume.id, 'project_id': 'p1',
                                            'volume_size': 2, 'status': 'available'})
                 for _ in range(2)]
    with pytest.raises(exception.InvalidInput, match='newest'):
        volume_actions.revert(ctxt, volume, snapshots[0].id)
    volume_actions.revert(ctxt, volume, snapshots[1].id)
    assert snapshots_db.get(ctxt, snapshots[1].id).status == 'restoring'


def test_the_old_way_to_attach_and_detach(ctxt, make):
    volume = make()
    volume_actions.reserve(ctxt, volume)
    with pytest.raises(exception.InvalidVolume):
        volume_actions.reserve(ctxt, volume)
    volume_actions.attach(ctxt, volume, None, 'host1', '/dev/vdb', 'ro')
    attached = volumes_db.get(ctxt, volume.id)
    assert (attached.status, attached.attach_status) == ('in-use', 'attached')
    assert attached.admin_metadata == {'readonly': 'False', 'attached_mode': 'ro'}
    volume_actions.begin_detaching(ctxt, attached)
    volume_actions.detach(ctxt, attached)
    assert volumes_db.get(ctxt, volume.id).status == 'available'


def test_taking_back_what_was_not_announced_does_nothing(ctxt, make):
    volume = make()
    volume_actions.unreserve(ctxt, volume)
    volume_actions.roll_detaching(ctxt, volume)
    assert volumes_db.get(ctxt, volume.id).status == 'available'


def test_migration_needs_a_living_destination(ctxt):
    with pytest.raises(exception.InvalidHost, match='nowhere@b'):
        volume_actions.check_destination(ctxt, 'nowhere@b#p', None)


def test_the_default_type_can_be_configured(ctxt):
    types_db.create(ctxt, {'name': 'fast', 'is_public': True})
    CONF.set_override('default_volume_type', 'fast')
    try:
        assert volumes.create(ctxt, size=1).volume_type.name == 'fast'
    finally:
        CONF.clear_override('default_volume_type')


def test_metadata_that_changed_meanwhile_is_not_overwritten(ctxt, make):
    volume = make()
    volumes.set_metadata(ctxt, volume, {'k': 'theirs'})
    with pytest.raises(exception.PreconditionFailed):
        volumes.set_metadata(ctxt, volume, {'k': 'ours'}, matches=lambda now: now == {})
    assert volumes_db.get(ctxt, volume.id).metadata == {'k': 'theirs'}


def test_a_deletion_without_a_back_end(ctxt, make, sent, told):
    volumes.delete(ctxt, make(status='error', host=None))
    assert told.types == ['volume.delete.start', 'volume.delete.end']
    assert told.events[-1][1]['status'] == 'deleted'
    told.require_changes()
