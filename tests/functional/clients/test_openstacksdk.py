# SPDX-License-Identifier: Apache-2.0
"""Every method for block storage of openstacksdk, and what it does to the running service."""

import uuid

import pytest
from openstack.block_storage.v3.service import Level, Service

from tests.functional.clients.programs import Library, refused
from tests.functional.processes import wait_until
from tools.initiator import CONNECTOR

FILES, SECOND = 'node1@files#files', 'node1@second#second'
INTERVAL = 0.1

# Methods that the library will drop are there for its users as long as it has them.
pytestmark = pytest.mark.filterwarnings('ignore::PendingDeprecationWarning')


def ids(resources: list) -> set[str]:
    return {resource.id for resource in resources}


@pytest.fixture
def ready(sdk):
    """Wait for a status and return the resource as the service has it then."""
    def wait(resource, status: str = 'available'):
        return sdk.wait_for_status(resource, status, interval=INTERVAL, wait=30)
    return wait


@pytest.fixture
def gone(sdk):
    """Wait until a resource is no more."""
    return lambda resource: sdk.wait_for_delete(resource, interval=INTERVAL, wait=30)


@pytest.fixture
def volume(sdk, ready):
    return ready(sdk.create_volume(name='one', size=1, metadata={'a': 'b'}))


@pytest.fixture
def type_(sdk, client):
    return sdk.create_type(name=f'type-{client.project}', description='text')


def test_volumes(sdk, client, ready, gone, volume):
    sdk.extend_volume(volume, 2)
    volume = ready(sdk.get_volume(volume))
    assert (volume.size, volume.metadata) == (2, {'a': 'b'})
    assert sdk.update_volume(volume, name='first', description='text').name == 'first'
    sdk.set_volume_metadata(volume, c='d')
    assert sdk.get_volume_metadata(volume).metadata == {'a': 'b', 'c': 'd'}
    sdk.delete_volume_metadata(volume, ['a'])
    assert sdk.fetch_volume_metadata(volume).metadata == {'c': 'd'}
    sdk.set_volume_image_metadata(volume, os='plan9')
    assert sdk.get_volume(volume).volume_image_metadata == {'os': 'plan9'}
    sdk.delete_volume_image_metadata(volume, ['os'])
    sdk.set_volume_bootable_status(volume, True)
    sdk.set_volume_readonly(volume, True)
    shown = sdk.find_volume('first', ignore_missing=False)
    assert shown.is_bootable and shown.metadata['readonly'] == 'True'

    copy = ready(sdk.create_volume(source_volume_id=volume.id, name='two', size=2))
    for query in ({'name': 'two'}, {'sort': 'name:desc', 'limit': 1}, {'details': False},
                  {'status': 'available'}):
        assert copy.id in ids(sdk.volumes(**query)), query
    assert sdk.summary(all_projects=False).total_count == 2
    sdk.reset_volume_status(copy, 'error', 'detached', 'none')
    assert sdk.get_volume(copy).status == 'error'
    sdk.delete_volume(copy, force=True)
    gone(copy)
    sdk.delete_volume(volume, cascade=True)
    gone(volume)


def test_snapshots(sdk, ready, gone, volume):
    snapshot = ready(sdk.create_snapshot(volume_id=volume.id, name='moment', metadata={'a': 'b'}))
    assert sdk.update_snapshot(snapshot, name='then').name == 'then'
    sdk.set_snapshot_metadata(snapshot, c='d')
    assert sdk.get_snapshot_metadata(snapshot).metadata == {'a': 'b', 'c': 'd'}
    sdk.delete_snapshot_metadata(snapshot, ['a'])
    assert sdk.fetch_snapshot_metadata(snapshot).metadata == {'c': 'd'}
    assert sdk.find_snapshot('then').id == snapshot.id
    assert ids(sdk.snapshots(volume_id=volume.id)) == {snapshot.id}
    sdk.revert_volume_to_snapshot(volume, snapshot)
    ready(volume)
    ready(snapshot)
    sdk.reset_snapshot_status(snapshot, 'creating')
    sdk.set_snapshot_status(snapshot, 'available', progress='100%')
    sdk.reset_snapshot(snapshot, 'error')
    assert sdk.get_snapshot(snapshot).status == 'error'
    sdk.delete_snapshot(snapshot, force=True)
    gone(snapshot)


def test_move(sdk, client, ready, volume, type_):
    here = volume.host
    there = SECOND if here == FILES else FILES

    def moved_to(host: str) -> bool:
        shown = sdk.get_volume(volume)
        return (shown.host, shown.status) == (host, 'available') and (
            shown.migration_status in (None, 'success'))

    refused(sdk.complete_volume_migration, volume, str(uuid.uuid4()), status=404)
    sdk.migrate_volume(volume, host=there)
    wait_until(lambda: moved_to(there), 30, 'the migration')
    sdk.update_type_extra_specs(type_, volume_backend_name=here.partition('#')[2])
    sdk.retype_volume(volume, type_, migration_policy='on-demand')
    wait_until(lambda: moved_to(here), 30, 'the retype')


def test_management(sdk, ready, gone, volume):
    snapshot = ready(sdk.create_snapshot(volume_id=volume.id, name='moment'))
    for listed, resource in ((sdk.manageable_volumes, volume),
                             (sdk.manageable_snapshots, snapshot)):
        rows = listed(details=True, host=volume.host)
        assert resource.id in {row.cinder_id for row in rows}
    # What is left behind on the storage can be taken back.
    sdk.unmanage_snapshot(snapshot)
    gone(snapshot)
    snapshot = ready(sdk.manage_snapshot(
        volume_id=volume.id, ref={'source-name': f'snapshot-{snapshot.id}'}, name='again'))
    sdk.delete_snapshot(snapshot)
    gone(snapshot)
    sdk.unmanage_volume(volume)
    gone(volume)
    back = ready(sdk.manage_volume(host=volume.host, name='back',
                                   ref={'source-name': f'volume-{volume.id}'}))
    assert back.size == 1


def test_old_attachments(sdk, ready, volume):
    sdk.reserve_volume(volume)
    assert sdk.get_volume(volume).status == 'attaching'
    sdk.unreserve_volume(volume)
    ready(volume)
    refused(sdk.complete_volume_extend, volume, status=400)
    info = sdk.init_volume_attachment(volume, CONNECTOR)
    assert info['driver_volume_type']
    sdk.attach_volume(volume, '/dev/vdb', host_name='here')
    shown = ready(volume, 'in-use')
    sdk.begin_volume_detaching(volume)
    assert sdk.get_volume(volume).status == 'detaching'
    sdk.abort_volume_detaching(volume)
    sdk.terminate_volume_attachment(volume, CONNECTOR)
    sdk.detach_volume(volume, shown.attachments[0]['attachment_id'])
    ready(volume)


def test_attachments(sdk, ready, volume):
    made = sdk.create_attachment(volume, instance=str(uuid.uuid4()), connector={})
    sdk.update_attachment(made, connector=CONNECTOR)
    sdk.complete_attachment(made)
    ready(volume, 'in-use')
    assert sdk.get_attachment(made).status == 'attached'
    assert ids(sdk.attachments(volume_id=volume.id)) == {made.id}
    sdk.delete_attachment(made)
    ready(volume)


def test_types(sdk, client, other_project):
    type_ = sdk.create_type(name=f'gold-{client.project}', is_public=False)
    assert sdk.update_type(type_, description='more').description == 'more'
    sdk.update_type_extra_specs(type_, a='b', c='d')
    sdk.delete_type_extra_specs(type_, ['c'])
    assert sdk.get_type(type_).extra_specs == {'a': 'b'}
    sdk.add_type_access(type_, other_project)
    assert [row['project_id'] for row in sdk.get_type_access(type_)] == [other_project]
    sdk.remove_type_access(type_, other_project)
    assert sdk.find_type(type_.name).id == type_.id
    assert type_.id in ids(sdk.types(is_public=False))

    made = sdk.create_type_encryption(type_, provider='luks', cipher='aes-xts-plain64',
                                      key_size=128, control_location='front-end')
    sdk.update_type_encryption(made, key_size=256)
    assert sdk.get_type_encryption(type_).key_size == 256
    sdk.delete_type_encryption(volume_type=type_)

    sdk.set_default_type(client.project, type_)
    assert sdk.show_default_type(client.project).volume_type_id == type_.id
    assert client.project in {row.project_id for row in sdk.default_types()}
    sdk.unset_default_type(client.project)
    sdk.delete_type(type_)
    assert sdk.find_type(type_.id) is None


def test_qos(sdk, client, type_):
    qos = sdk.create_qos_spec(name=f'fast-{client.project}', consumer='front-end',
                              read='1')
    sdk.update_qos_spec(qos, write='2')
    sdk.delete_qos_spec_metadata(qos, ['read'])
    assert sdk.get_qos_spec(qos).specs == {'write': '2'}
    assert sdk.find_qos_spec(qos.name).id == qos.id
    sdk.associate_qos_spec(qos, type_.id)
    assert ids(sdk.qos_spec_associations(qos)) == {type_.id}
    sdk.disassociate_qos_spec(qos, type_.id)
    sdk.associate_qos_spec(qos, type_.id)
    sdk.disassociate_all_qos_spec(qos)
    assert qos.id in ids(sdk.qos_specs())
    sdk.delete_qos_spec(qos, force=True)
    assert sdk.find_qos_spec(qos.name) is None


def test_quotas(sdk, client):
    project = client.project
    sdk.update_quota_set(project, volumes=3)
    assert sdk.get_quota_set(project).volumes == 3
    assert sdk.get_quota_set(project, usage=True).usage['volumes'] == 0
    assert sdk.get_limits().absolute.max_total_volumes == 3
    sdk.revert_quota_set(project)
    assert sdk.get_quota_set(project).volumes == sdk.get_quota_set_defaults(project).volumes
    sdk.update_quota_class_set(f'class-{project}', volumes=5)
    assert sdk.get_quota_class_set(f'class-{project}').volumes == 5


def test_transfers(sdk, suite, used, ready, volume, other_project):
    first = sdk.create_transfer(volume_id=volume.id, name='gift')
    assert sdk.get_transfer(first).volume_id == volume.id
    assert sdk.find_transfer('gift').id == first.id
    assert ids(sdk.transfers()) == {first.id}
    sdk.delete_transfer(first)
    second = sdk.create_transfer(volume_id=volume.id, no_snapshots=True)
    receiver = Library(suite.endpoint, other_project, used['sdk'])
    receiver.accept_transfer(second.id, second.auth_key)
    assert ids(receiver.volumes()) == {volume.id}


def test_groups(sdk, client, ready, gone, type_):
    kind = sdk.create_group_type(name=f'group-{client.project}', description='text')
    kind = sdk.update_group_type(kind, description='more')
    sdk.create_group_type_group_specs(kind, {'a': 'b', 'c': 'd'})
    assert sdk.fetch_group_type_group_specs(kind).group_specs == {'a': 'b', 'c': 'd'}
    sdk.update_group_type_group_specs_property(kind, 'a', 'x')
    assert sdk.get_group_type_group_specs_property(kind, 'a') == 'x'
    for name in 'ac':
        sdk.delete_group_type_group_specs_property(kind, name)
    assert sdk.get_group_type(kind).group_specs == {}
    assert sdk.find_group_type(kind.name).id == kind.id
    assert kind.id in ids(sdk.group_types())

    group = ready(sdk.create_group(group_type=kind.id, volume_types=[type_.id], name='both'))
    volume = ready(sdk.create_volume(size=1, volume_type=type_.id, group_id=group.id))
    assert sdk.get_group(group, list_volume=True).volumes == [volume.id]
    assert sdk.update_group(group, name='pair').name == 'pair'
    assert sdk.find_group('pair').id == group.id
    for change in (sdk.enable_group_replication, sdk.disable_group_replication,
                   sdk.failover_group_replication):
        refused(change, group, status=400)

    snapshot = ready(sdk.create_group_snapshot(group_id=group.id, name='moment'))
    assert sdk.find_group_snapshot('moment').id == snapshot.id
    assert ids(sdk.group_snapshots()) == {snapshot.id}
    copy = ready(sdk.create_group_from_source(group_snapshot_id=snapshot.id, name='copy',
                                              source_group_id=None))
    assert ids(sdk.groups()) == {group.id, copy.id}
    for reset, name in ((sdk.reset_group_snapshot_status, 'error'),
                        (sdk.reset_group_snapshot_state, 'available')):
        reset(snapshot, name)
        assert sdk.get_group_snapshot(snapshot).status == name
    for reset, name in ((sdk.reset_group_status, 'error'), (sdk.reset_group_state, 'available')):
        reset(group, name)
        assert sdk.get_group(group).status == name
    sdk.delete_group_snapshot(snapshot)
    gone(snapshot)
    for each in (group, copy):
        sdk.delete_group(each, delete_volumes=True)
        gone(each)
    sdk.delete_group_type(kind)
    assert not sdk.volumes()


def test_consistency_groups(sdk, client, ready, gone, type_):
    group = ready(sdk.create_consistency_group(volume_types=type_.id, name='both'))
    volume = ready(sdk.create_volume(size=1, volume_type=type_.id, consistency_group_id=group.id))
    sdk.update_consistency_group(group, name='pair')
    assert sdk.get_consistency_group(group).name == 'pair'
    assert sdk.find_consistency_group('pair').id == group.id
    snapshot = ready(sdk.create_consistency_group_snapshot(
        consistencygroup_id=group.id, name='moment'))
    assert sdk.get_consistency_group_snapshot(snapshot).consistencygroup_id == group.id
    assert sdk.find_consistency_group_snapshot('moment').id == snapshot.id
    assert ids(sdk.consistency_group_snapshots()) == {snapshot.id}
    copy = ready(sdk.create_consistency_group_from_source(
        consistency_group_snapshot=snapshot, name='copy'))
    assert ids(sdk.consistency_groups()) == {group.id, copy.id}
    sdk.delete_consistency_group_snapshot(snapshot)
    gone(snapshot)
    # It calls the group by a name that the API does not know.
    refused(sdk.delete_consistency_group, group, force=True, status=400)
    assert sdk.get_volume(volume).status == 'available'


def test_messages(sdk, type_):
    sdk.update_type_extra_specs(type_, volume_backend_name='nowhere')
    volume = sdk.create_volume(size=1, volume_type=type_.id)
    wait_until(lambda: sdk.get_volume(volume).status == 'error', 30, 'the error')
    message, = sdk.messages()
    assert message.resource_uuid == volume.id
    assert sdk.get_message(message).id == message.id
    sdk.delete_message(message)
    assert not sdk.messages()


def test_services(sdk):
    assert {row.host for row in sdk.services(binary='cinder-volume')} == {
        'node1@files', 'node1@second'}

    def found() -> Service:
        return sdk.find_service('cinder-volume', host='node1@second')

    sdk.disable_service(found(), reason='rest')
    assert (found().status, found().disabled_reason) == ('disabled', 'rest')
    sdk.enable_service(found())
    assert found().status == 'enabled'
    sdk.freeze_service(found())
    refused(sdk.freeze_service, found(), status=400)
    sdk.thaw_service(found())
    refused(sdk.failover_service, found(), status=400)
    sdk.set_service_log_levels(level=Level.WARNING.value, binary='cinder-scheduler',
                               prefix='cinder.scheduler')
    wait_until(lambda: {level for row in sdk.get_service_log_levels(
        binary='cinder-scheduler', prefix='cinder.scheduler')
        for level in row.levels.values()} == {'WARNING'}, 10, 'the level')
    # It asks with PUT, where the API knows POST.
    refused(sdk.cleanup_service_workers, binary='cinder-volume', host='nobody',
            cluster_name=None, status=404)


def test_storage(sdk):
    assert {row.name for row in sdk.backend_pools()} == {FILES, SECOND}
    assert sdk.get_capabilities('node1@files').volume_backend_name == 'files'
    assert {row.name for row in sdk.clusters()} == {'cluster@files', 'cluster@second'}
    cluster = sdk.find_cluster('cluster@second')
    sdk.disable_cluster(cluster, reason='rest')
    assert sdk.get_cluster(cluster).disabled_reason == 'rest'
    sdk.enable_cluster(cluster)
    assert sdk.get_cluster(cluster).status == 'enabled'
    assert 'volume' in {row.resource for row in sdk.resource_filters()}
    assert 'os-quota-sets' in {row.alias for row in sdk.extensions()}
    assert [zone.name for zone in sdk.availability_zones()] == ['nova']


def test_images(sdk, ready, image_service):
    image = image_service.add(b'picture')['id']
    volume = ready(sdk.create_volume(name='one', size=1, image_id=image))
    assert volume.volume_image_metadata['image_id'] == image
    made = sdk.upload_volume_to_image(volume, 'picture', disk_format='qcow2', protected=True)
    ready(sdk.get_volume(volume))
    kept = image_service.show(made['image_id'])
    assert (kept['name'], kept['status'], kept['protected']) == ('picture', 'active', True)
    sdk.create_image('another', volume, False, 'bare', 'qcow2', False, 1)
    ready(sdk.get_volume(volume))
    assert {'picture', 'another'} <= image_service.names()


def test_backups(sdk, client, volume, ready, gone):
    made = ready(sdk.create_backup(volume_id=volume.id, name='copy'))
    found = sdk.find_backup('copy')
    assert (found.id, ids(sdk.backups())) == (made.id, {made.id})
    # The API has no address for the metadata of backups: they are part of the backup.
    for method in (sdk.fetch_backup_metadata, sdk.get_backup_metadata):
        refused(method, found, status=404)
    refused(sdk.set_backup_metadata, found, a='b', status=404)
    refused(sdk.delete_backup_metadata, found, ['a'], status=404)
    shown = sdk.update_backup(found, name='kept', metadata={'a': 'b'})
    assert (shown.name, sdk.get_backup(found).metadata) == ('kept', {'a': 'b'})
    for reset, name in ((sdk.reset_backup_status, 'error'), (sdk.reset_backup, 'available')):
        reset(found, name)
        assert sdk.get_backup(found).status == name
    record = sdk.export_backup(found)['backup-record']
    assert sdk.export_record(found).json()['backup-record'] == record
    # It sends what it imports to the address of exports.
    refused(sdk.import_backup, record['backup_service'], record['backup_url'], status=404)

    sdk.restore_backup(found, volume)
    ready(sdk.get_volume(volume))
    restored = sdk.restore_backup(ready(sdk.get_backup(found)), name='restored')
    assert ready(sdk.get_volume(restored.volume_id)).name == 'restored'
    sdk.delete_backup(ready(sdk.get_backup(found)), ignore_missing=False)
    gone(found)


def test_nothing_is_left_out(used, whole_file):
    """Comes last: what the tests above have used is all that there is."""
    missing = Library.methods() - used['sdk']
    assert not missing, ', '.join(sorted(missing))
