# SPDX-License-Identifier: Apache-2.0
"""What the use cases of groups accept, refuse, write and send."""
import contextlib

import pytest

from cinder import context, exception
from cinder.db import group_snapshots as group_snapshots_db
from cinder.db import group_types as group_types_db
from cinder.db import groups as groups_db
from cinder.db import operations as operations_db
from cinder.db import quotas as quotas_db
from cinder.db import services as services_db
from cinder.db import snapshots as snapshots_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.volume.api import group_replication, group_snapshots, groups, volumes, zones

HOST = 'h@b#p'


@pytest.fixture(autouse=True)
def _zones(ctxt, database, sent):
    services_db.create(ctxt, {'host': 'h@b', 'binary': 'cinder-volume',
                              'topic': 'cinder-volume', 'availability_zone': 'z1'})
    zones._cache = (0.0, {})
    yield
    zones._cache = (0.0, {})


@pytest.fixture
def kind(ctxt):
    return group_types_db.create(ctxt, {'name': 'kind', 'is_public': True})


@pytest.fixture
def make(ctxt, kind):
    """Make groups that are available on HOST and take volumes of the default type."""
    def group(group_type=kind, **values):
        made = groups_db.create(ctxt, {
            'project_id': 'p1', 'status': 'available', 'replication_status': 'disabled',
            'host': HOST, 'availability_zone': 'z1', **values},
            [types_db.default(ctxt).id], group_type)
        return groups_db.get(ctxt, made.id)
    return group


@pytest.fixture
def member(ctxt):
    """Make available volumes of 2 GiB, in a group or not."""
    def volume(group=None, **values):
        made = volumes_db.create(ctxt, {
            'project_id': 'p1', 'size': 2, 'status': 'available', 'attach_status': 'detached',
            'host': HOST, 'volume_type_id': types_db.default(ctxt).id,
            'group_id': group and group.id, **values})
        return volumes_db.get(ctxt, made.id)
    return volume


def _status(ctxt, group):
    return groups_db.get(ctxt, group.id).status


# --------------------------------------------------------------------------------------- create
def test_a_new_group_goes_to_the_scheduler(ctxt, kind, sent):
    default = types_db.default(ctxt)
    group = groups.create(ctxt, kind, [default, default], name='n')
    stored = groups_db.get(ctxt, group.id)
    assert (stored.status, stored.name, stored.host) == ('creating', 'n', None)
    assert (stored.volume_types, stored.group_type.name) == ([default.id], 'kind')
    assert stored.replication_status == 'disabled'
    (method, arguments), = sent
    operation = operations_db.get(ctxt, arguments['operation'].id)
    assert (method, operation.verb, operation.stage) == ('create_group', 'group.create', 'schedule')


def test_the_quota_of_groups_is_exact(ctxt, kind, sent):
    quotas_db.set_limits(ctxt, 'p1', {'groups': 1})
    groups.create(ctxt, kind, [types_db.default(ctxt)])
    with pytest.raises(exception.GroupLimitExceeded):
        groups.create(ctxt, kind, [types_db.default(ctxt)])
    assert len(sent) == len(groups_db.list_rows(ctxt).rows) == 1


def test_a_type_that_went_away_meanwhile_makes_no_group(ctxt, kind, sent):
    group_types_db.destroy(ctxt, kind.id)
    with pytest.raises(exception.GroupTypeNotFound):
        groups.create(ctxt, kind, [types_db.default(ctxt)])
    assert sent == []


def test_a_type_in_use_stays(ctxt, kind, make):
    make()
    with pytest.raises(exception.GroupTypeInUse):
        group_types_db.destroy(ctxt, kind.id)


def test_there_is_one_type_of_consistency_groups(ctxt):
    plain = context.RequestContext(is_admin=False, roles=['member'], project_id='p2',
                                   overwrite=False)
    made = group_types_db.of_consistency_groups(plain)
    assert group_types_db.of_consistency_groups(ctxt).id == made.id


# ------------------------------------------------------------------------------- volumes in groups
def test_a_volume_made_in_a_group_stays_with_it(ctxt, make, sent):
    group = make()
    volume = volumes.create(ctxt, size=1, group=group, volume_type=types_db.default(ctxt))
    assert (volume.group_id, volume.availability_zone) == (group.id, 'z1')
    assert sent[-1][1]['operation'].arguments['resource_backend'] == 'h@b'
    assert groups_db.volume_ids(ctxt, group.id) == [volume.id]


@pytest.mark.parametrize(('state', 'typed', 'zone', 'error'), [
    ('updating', True, None, exception.InvalidGroup),
    ('available', False, None, exception.InvalidInput),
    ('available', True, 'z2', exception.InvalidInput)])
def test_a_volume_that_does_not_fit_its_group_is_refused(ctxt, make, sent, state, typed, zone,
                                                         error):
    with pytest.raises(error):
        volumes.create(ctxt, size=1, group=make(status=state), availability_zone=zone,
                       volume_type=types_db.default(ctxt) if typed else None)
    assert sent == [] and volumes_db.list_rows(ctxt).rows == []


def test_a_source_elsewhere_does_not_fit_the_group(ctxt, make, member):
    source = member(host='other@b#p', availability_zone='z1')
    with pytest.raises(exception.InvalidInput, match='different back ends'):
        volumes.create(ctxt, source_volume=source, group=make(), volume_type=source.volume_type)


def test_a_volume_of_a_consistency_group_tells_so(ctxt, make):
    group = make(group_types_db.of_consistency_groups(ctxt))
    volume = volumes.create(ctxt, size=1, group=group, volume_type=types_db.default(ctxt))
    assert volume.consistencygroup_id == group.id
    assert volumes_db.get(ctxt, volume.id).consistencygroup_id == group.id
    other = volumes.create(ctxt, size=1, group=make(), volume_type=types_db.default(ctxt))
    shown = {row['id']: row['consistencygroup_id']
             for row in volumes_db.list_rows(ctxt, detail=True).rows}
    assert shown == {volume.id: group.id, other.id: None}


def test_a_volume_in_a_group_is_not_deleted_alone(ctxt, make, member):
    volume = member(make())
    with pytest.raises(exception.InvalidVolume, match='is in group'):
        volumes.delete(ctxt, volume, force=True)


# --------------------------------------------------------------------------------------- update
def test_names_change_at_once(ctxt, make, sent):
    group = make(description='d')
    groups.update(ctxt, group, {'name': 'n'})
    stored = groups_db.get(ctxt, group.id)
    assert (stored.name, stored.description, stored.status) == ('n', 'd', 'available')
    assert sent == []


def test_members_change_on_the_back_end(ctxt, make, member, sent):
    group = make()
    new, old = member(), member(group)
    groups.update(ctxt, group, {'name': 'n'}, add=[new.id], remove=[old.id])
    assert _status(ctxt, group) == 'updating'
    (method, arguments), = sent
    assert (method, arguments['operation'].host) == ('update_group', 'h@b')
    assert arguments['operation'].arguments == {'add': [new.id], 'remove': [old.id]}
    # A volume on its way in is taken already; one on its way out is not free yet.
    assert set(groups_db.volume_ids(ctxt, group.id)) == {new.id, old.id}


@pytest.mark.parametrize('values', [
    {'status': 'creating'}, {'host': 'h@other#p'}, {'volume_type_id': 'other'},
    {'group_id': 'other'}, {'project_id': 'p2'}])
def test_a_volume_that_cannot_be_added_changes_nothing(ctxt, make, member, sent, values):
    group = make()
    volume = member(**values)
    with pytest.raises(exception.InvalidVolume):
        groups.update(ctxt, group, {'name': 'n'}, add=[volume.id])
    assert sent == [] and groups_db.volume_ids(ctxt, group.id) == []
    assert (_status(ctxt, group), groups_db.get(ctxt, group.id).name) == ('available', None)


def test_only_members_are_removed(ctxt, make, member):
    group, stranger = make(), member()
    with pytest.raises(exception.InvalidVolume, match='is not in group'):
        groups.update(ctxt, group, {}, remove=[stranger.id])
    with pytest.raises(exception.InvalidVolume, match='could not be found'):
        groups.update(ctxt, group, {}, remove=['nothing'])
    with pytest.raises(exception.InvalidVolume, match='both added and removed'):
        groups.update(ctxt, group, {}, add=[stranger.id], remove=[stranger.id])


# --------------------------------------------------------------------------------------- delete
def test_an_empty_group_is_deleted(ctxt, make, sent):
    group = make(status='error')
    groups.delete(ctxt, group)
    assert (sent[-1][0], _status(ctxt, group)) == ('delete_group', 'deleting')


def test_a_group_that_was_never_placed_needs_no_back_end(ctxt, make, sent):
    group = make(host=None, status='error')
    groups.delete(ctxt, group)
    assert sent == []
    with pytest.raises(exception.GroupNotFound):
        groups_db.get(ctxt, group.id)


def test_volumes_keep_a_group_unless_they_go_too(ctxt, make, member, sent):
    group = make(status='updating')
    volume = member(group, status='error')
    with pytest.raises(exception.InvalidGroup, match='updating'):
        groups.delete(ctxt, group)
    groups_db.overwrite(ctxt, group.id, {'status': 'available'})
    with pytest.raises(exception.InvalidGroup, match=volume.id):
        groups.delete(ctxt, group)
    groups.delete(ctxt, group, delete_volumes=True)
    assert volumes_db.get(ctxt, volume.id).status == 'deleting'


def test_an_attached_volume_keeps_its_group(ctxt, make, member):
    group = make()
    member(group)
    member(group, attach_status='attached', status='in-use')
    with pytest.raises(exception.InvalidVolume, match='attached'):
        groups.delete(ctxt, group, delete_volumes=True)
    assert _status(ctxt, group) == 'available'
    assert {volumes_db.get(ctxt, ident).status for ident in groups_db.volume_ids(
        ctxt, group.id)} == {'available', 'in-use'}


def test_snapshots_and_copies_keep_a_group(ctxt, make, member, sent):
    group = make()
    member(group)
    copy = groups.copy_group(ctxt, group)
    with pytest.raises(exception.InvalidGroup, match=copy.id):
        groups.delete(ctxt, group, delete_volumes=True)
    groups_db.overwrite(ctxt, copy.id, {'status': 'available'})
    taken = group_snapshots.create(ctxt, group)
    with pytest.raises(exception.InvalidGroup, match=taken.id):
        groups.delete(ctxt, group, delete_volumes=True)


# --------------------------------------------------------------------------------------- copies
def test_a_copy_has_a_clone_of_each_volume(ctxt, make, member, sent):
    group = make()
    sources = [member(group, display_name=name) for name in 'ab']
    copy = groups.copy_group(ctxt, group, name='copy')
    made = [volumes_db.get(ctxt, ident) for ident in groups_db.volume_ids(ctxt, copy.id)]
    assert sorted((v.source_volid, v.display_name, v.status, v.size, v.host) for v in made) == \
        sorted((s.id, s.display_name, 'creating', 2, HOST) for s in sources)
    assert (copy.source_group_id, copy.host, copy.volume_types) == (
        group.id, HOST, group.volume_types)
    assert (sent[-1][0], sent[-1][1]['operation'].host) == ('copy_group', 'h@b')


@pytest.mark.parametrize('limits', [{'groups': 1}, {'volumes': 3}, {'gigabytes': 7},
                                    {'volumes___DEFAULT__': 3}])
def test_a_copy_takes_quota_for_all_or_is_not_made(ctxt, make, member, sent, limits):
    group = make()
    for _ in range(2):
        member(group)
    quotas_db.set_limits(ctxt, 'p1', limits)
    with pytest.raises(exception.QuotaError):
        groups.copy_group(ctxt, group)
    assert len(volumes_db.list_rows(ctxt).rows) == 2 and sent == []


def test_nothing_is_copied_from_nothing(ctxt, make):
    with pytest.raises(exception.InvalidGroup, match='no volumes'):
        groups.copy_group(ctxt, make())


def test_a_copy_of_a_snapshot_comes_from_its_snapshots(ctxt, make, member, sent):
    group = make()
    volume = member(group)
    taken = group_snapshots.create(ctxt, group)
    with pytest.raises(exception.InvalidGroupSnapshot, match='creating'):
        groups.copy_group_snapshot(ctxt, taken)
    group_snapshots_db.overwrite(ctxt, taken.id, {'status': 'available'})
    snapshot, = snapshots_db.for_volume(ctxt, volume.id)
    snapshots_db.overwrite(ctxt, snapshot.id, {'status': 'available'})
    copy = groups.copy_group_snapshot(ctxt, group_snapshots_db.get(ctxt, taken.id))
    made, = groups_db.volume_ids(ctxt, copy.id)
    assert volumes_db.get(ctxt, made).snapshot_id == snapshot.id
    with pytest.raises(exception.InvalidGroupSnapshot, match=copy.id):
        group_snapshots.delete(ctxt, group_snapshots_db.get(ctxt, taken.id))


# ------------------------------------------------------------------------------ group snapshots
def test_a_group_snapshot_has_a_snapshot_of_each_volume(ctxt, make, member, sent):
    group = make()
    members = {member(group).id, member(group, status='in-use').id}
    taken = group_snapshots.create(ctxt, group, name='n')
    rows = snapshots_db.list_rows(ctxt).rows
    assert {row['volume_id'] for row in rows} == members
    assert {(row['group_snapshot_id'], row['status'], row['display_name']) for row in rows} == {
        (taken.id, 'creating', 'n')}
    assert sent[-1][0] == 'create_group_snapshot'


@pytest.mark.parametrize(('state', 'volume_state', 'error'), [
    ('available', None, exception.InvalidGroup), ('error', 'available', exception.InvalidGroup),
    ('available', 'error', exception.InvalidVolume)])
def test_what_forbids_a_group_snapshot(ctxt, make, member, sent, state, volume_state, error):
    group = make(status=state)
    if volume_state:
        member(group, status=volume_state)
    with pytest.raises(error):
        group_snapshots.create(ctxt, group)
    assert sent == [] and snapshots_db.list_rows(ctxt).rows == []


def test_snapshots_of_a_group_take_quota_for_all_or_none(ctxt, make, member, sent):
    group = make()
    for _ in range(2):
        member(group)
    quotas_db.set_limits(ctxt, 'p1', {'snapshots': 1})
    with pytest.raises(exception.SnapshotLimitExceeded):
        group_snapshots.create(ctxt, group)
    assert snapshots_db.list_rows(ctxt).rows == []


def test_a_group_snapshot_takes_its_snapshots_along(ctxt, make, member, sent):
    group = make()
    volume = member(group)
    taken = group_snapshots.create(ctxt, group)
    group_snapshots.reset_status(ctxt, taken, 'error')
    group_snapshots.delete(ctxt, group_snapshots_db.get(ctxt, taken.id))
    snapshot, = snapshots_db.for_volume(ctxt, volume.id)
    assert (snapshot.status, sent[-1][0]) == ('deleting', 'delete_group_snapshot')


def test_a_frozen_back_end_takes_no_work_on_groups(ctxt, make, member, sent):
    group = make()
    volume, free = member(group), member()
    service, = services_db.list_all(ctxt)
    services_db.set_frozen(ctxt, service.id, True)
    for refused in (lambda: groups.delete(ctxt, group, delete_volumes=True),
                    lambda: groups.copy_group(ctxt, group),
                    lambda: groups.update(ctxt, group, {}, add=[free.id]),
                    lambda: group_snapshots.create(ctxt, group)):
        with pytest.raises(exception.InvalidGroup, match='frozen'):
            refused()
    assert sent == [] and _status(ctxt, group) == volume.status == 'available'


# --------------------------------------------------------------------------------- replication
MIRRORED = {'group_replication_enabled': '<is> True'}


@pytest.mark.parametrize(('specs', 'values', 'verb', 'words'), [
    ({}, {}, 'enable_replication', 'does not enable replication'),
    (MIRRORED, {'host': None}, 'enable_replication', 'no back end'),
    (MIRRORED, {'status': 'creating'}, 'enable_replication', 'is in status'),
    (MIRRORED, {}, 'disable_replication', 'it has disabled')])
def test_replication_is_refused_for_the_first_reason(ctxt, make, sent, specs, values, verb, words):
    kind = group_types_db.create(ctxt, {'name': 'mirrored', 'is_public': True}, specs)
    with pytest.raises(exception.InvalidGroup, match=words):
        group_replication.replicate(ctxt, make(kind, **values), verb)
    assert sent == []


@pytest.mark.parametrize(('status', 'attached', 'fails_over'), [
    ('available', False, True), ('in-use', False, False), ('in-use', True, True),
    ('extending', True, False)])
def test_attached_volumes_fail_over_only_on_request(ctxt, make, member, sent, status, attached,
                                                    fails_over):
    kind = group_types_db.create(ctxt, {'name': 'mirrored', 'is_public': True}, MIRRORED)
    group = make(kind, replication_status='enabled')
    volume = member(group, status=status, replication_status='enabled')
    with contextlib.nullcontext() if fails_over else pytest.raises(exception.InvalidVolume):
        group_replication.replicate(ctxt, group, 'failover_replication', attached=attached)
    now = 'failing-over' if fails_over else 'enabled'
    assert volumes_db.get(ctxt, volume.id).replication_status == now
    assert groups_db.get(ctxt, group.id).replication_status == now
    assert [method for method, _ in sent] == ['failover_replication_group'] * fails_over


def test_a_deletion_without_a_back_end(ctxt, make, member, sent, told):
    group = make(host=None, status='error')
    member(group, host=None)
    groups.delete(ctxt, group, delete_volumes=True)
    assert told.types == ['group.delete.start', 'volume.delete.start', 'volume.delete.end',
                          'group.delete.end']
    told.require_changes()
