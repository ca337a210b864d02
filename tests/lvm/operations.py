# SPDX-License-Identifier: Apache-2.0
"""What is interrupted: the operations of cinder-volume on logical volumes, the fault points
of each, what it needs, the request, and how to tell that it was carried out in full."""
import os
from collections.abc import Callable, Iterator

from tests.functional.client import Client
from tests.lvm import group, initiator, service
from tests.lvm.service import GIB, MIB, THICK, TIMEOUT_SECONDS, digest

OTHER = {group.NAME: THICK, THICK: group.NAME}


class Case:
    """One operation on volumes of one kind. Each method yields twice: when what it needs is there,
    and when the request is sent; at its end it was carried out.

    :param vg: volume group, and type of the volumes
    """

    def __init__(self, client: Client, vg: str, name: str) -> None:
        self.client, self.vg, self.name = client, vg, name
        self.data = os.urandom(MIB)

    def volume(self):
        return service.filled(self.client, self.data, self.vg)

    def volume_with_snapshot(self):
        volume = self.volume()
        return volume, service.snapshot(self.client, volume)

    def made(self, kind='volume'):
        """The only one of that name, when it is there; a second would be the request done twice.
        """
        found, = self.client.find(kind, self.name)
        return self.client.wait_for_status(kind, found['id'], 'available', TIMEOUT_SECONDS)

    def intact(self, volume, vg=None, data=None):
        assert service.stored(volume, vg=vg or self.vg) == digest(self.data if data is None
                                                                  else data)

    # ----------------------------------------------------------------------------- volumes
    def create(self):
        yield
        self.client.create_volume(1, name=self.name, volume_type=self.vg)
        yield
        self.intact(self.made()['id'], data=bytes(MIB))

    def clone(self):
        volume = self.volume()
        yield
        self.client.create_volume(1, name=self.name, source_volid=volume)
        yield
        self.intact(self.made()['id'])

    def create_from_snapshot(self):
        _volume, snapshot = self.volume_with_snapshot()
        yield
        self.client.create_volume(2, name=self.name, snapshot_id=snapshot)
        yield
        made = self.made()['id']
        self.intact(made)
        assert service.size_of(service.device(made, self.vg)) == 2 * GIB

    def delete(self):
        volume = self.volume()
        yield
        self.client.delete(f'volumes/{volume}', expect=202)
        yield
        self.client.wait_gone('volume', volume, TIMEOUT_SECONDS)

    def extend(self):
        volume = self.volume()
        yield
        self.client.action(volume, 'os-extend', {'new_size': 2}, expect=202)
        yield
        assert self.client.wait_for_status('volume', volume, 'available',
                                           TIMEOUT_SECONDS)['size'] == 2
        assert service.size_of(service.device(volume, self.vg)) == 2 * GIB
        self.intact(volume)

    def revert(self):
        volume, snapshot = self.volume_with_snapshot()
        initiator.write(service.device(volume, self.vg), bytes(MIB))
        yield
        self.client.action(volume, 'revert', {'snapshot_id': snapshot}, expect=202)
        yield
        self.client.wait_for_status('volume', volume, 'available', TIMEOUT_SECONDS)
        self.client.wait_for_status('snapshot', snapshot, 'available', TIMEOUT_SECONDS)
        self.intact(volume)

    def migrate(self):
        volume = self.volume()
        # The type that it has holds it where it is.
        self.client.post('types', {'volume_type': {'name': self.name}})
        self.client.action(volume, 'os-retype', {
            'new_type': self.name, 'migration_policy': 'never'}, expect=202)
        self.client.wait_for_status('volume', volume, 'available', TIMEOUT_SECONDS)
        yield
        self.client.action(volume, 'os-migrate_volume', {
            'host': f'node1@{OTHER[self.vg]}#{OTHER[self.vg]}'}, expect=202)
        yield
        self.moved(volume)

    def retype(self):
        volume = self.volume()
        yield
        self.client.action(volume, 'os-retype', {
            'new_type': OTHER[self.vg], 'migration_policy': 'on-demand'}, expect=202)
        yield
        assert self.moved(volume)['volume_type'] == OTHER[self.vg]

    def moved(self, volume):
        shown = service.moved(self.client, volume, OTHER[self.vg])
        self.intact(service.name_id(shown), OTHER[self.vg])
        return shown

    def manage(self):
        kind = (['-T', f'{self.vg}/{self.vg}-pool', '-V', '1g'] if self.vg != THICK
                else ['-y', '-L', '1g', self.vg])
        group.run('lvcreate', '-qq', '-n', 'foreign', *kind)
        initiator.write(f'/dev/{self.vg}/foreign', self.data)
        yield
        self.client.post('os-volume-manage', {'volume': {
            'host': f'node1@{self.vg}#{self.vg}', 'ref': {'source-name': 'foreign'},
            'name': self.name, 'volume_type': self.vg}}, expect=202)
        yield
        made = self.made()
        assert made['size'] == 1
        self.intact(made['id'])

    def unmanage(self):
        volume = self.volume()
        yield
        self.client.action(volume, 'os-unmanage', {}, expect=202)
        yield
        self.client.wait_gone('volume', volume, TIMEOUT_SECONDS)
        self.intact(volume)
        group.run('lvremove', '-qq', '-f', f'{self.vg}/volume-{volume}')

    # --------------------------------------------------------------------------- snapshots
    def snapshot_create(self):
        volume = self.volume()
        yield
        self.client.create_snapshot(volume, name=self.name)
        yield
        self.restore(self.made('snapshot')['id'], volume)

    def restore(self, snapshot, volume):
        """What the snapshot holds is what the volume held."""
        initiator.write(service.device(volume, self.vg), bytes(MIB))
        self.client.action(volume, 'revert', {'snapshot_id': snapshot}, expect=202)
        self.client.wait_for_status('volume', volume, 'available', TIMEOUT_SECONDS)
        self.intact(volume)

    def snapshot_delete(self):
        volume, snapshot = self.volume_with_snapshot()
        yield
        self.client.delete(f'snapshots/{snapshot}', expect=202)
        yield
        self.client.wait_gone('snapshot', snapshot, TIMEOUT_SECONDS)
        self.intact(volume)

    def snapshot_manage(self):
        volume, snapshot = self.volume_with_snapshot()
        self.client.post(f'snapshots/{snapshot}/action', {'os-unmanage': None}, expect=202)
        self.client.wait_gone('snapshot', snapshot, TIMEOUT_SECONDS)
        yield
        self.client.post('os-snapshot-manage', {'snapshot': {
            'volume_id': volume, 'ref': {'source-name': f'_snapshot-{snapshot}'},
            'name': self.name}}, expect=202)
        yield
        self.restore(self.made('snapshot')['id'], volume)

    def snapshot_unmanage(self):
        _volume, snapshot = self.volume_with_snapshot()
        yield
        self.client.post(f'snapshots/{snapshot}/action', {'os-unmanage': None}, expect=202)
        yield
        self.client.wait_gone('snapshot', snapshot, TIMEOUT_SECONDS)
        group.run('lvremove', '-qq', '-f', f'{self.vg}/_snapshot-{snapshot}')

    # ------------------------------------------------------------------------------ groups
    def group_of_two(self):
        made = self.client.post('groups', {'group': {
            'group_type': 'consistent', 'volume_types': [self.vg], 'name': f'of {self.name}'}},
            expect=202)['group']['id']
        self.client.wait_for_status('group', made, 'available', TIMEOUT_SECONDS)
        return made, [service.filled(self.client, self.data, self.vg, group_id=made)
                      for _number in range(2)]

    def group_snapshot(self, group_id, **fields):
        return self.client.post('group_snapshots', {'group_snapshot': {
            'group_id': group_id, **fields}}, expect=202)['group_snapshot']['id']

    def group_snapshot_create(self):
        group_id, volumes = self.group_of_two()
        yield
        self.group_snapshot(group_id, name=self.name)
        yield
        found, = self.client.get('group_snapshots/detail')['group_snapshots']
        self.client.wait_for_status('group_snapshot', found['id'], 'available', TIMEOUT_SECONDS)
        snapshots = self.client.get('snapshots/detail')['snapshots']
        assert {each['volume_id'] for each in snapshots} == set(volumes)
        for each in snapshots:
            assert service.stored_snapshot(each['id'], self.vg) == digest(self.data)

    def group_snapshot_delete(self):
        group_id, _volumes = self.group_of_two()
        made = self.group_snapshot(group_id)
        self.client.wait_for_status('group_snapshot', made, 'available', TIMEOUT_SECONDS)
        yield
        self.client.delete(f'group_snapshots/{made}', expect=202)
        yield
        self.client.wait_gone('group_snapshot', made, TIMEOUT_SECONDS)

    def group_copy(self):
        group_id, _volumes = self.group_of_two()
        yield
        self.client.post('groups/action', {'create-from-src': {
            'source_group_id': group_id, 'name': self.name}}, expect=202)
        yield
        made = self.made('group')['id']
        copies = self.client.get(f'volumes?group_id={made}')['volumes']
        assert len(copies) == 2
        for each in copies:
            self.intact(each['id'])

    def group_delete(self):
        group_id, volumes = self.group_of_two()
        yield
        self.client.post(f'groups/{group_id}/action', {'delete': {'delete-volumes': True}},
                         expect=202)
        yield
        self.client.wait_gone('group', group_id, TIMEOUT_SECONDS)
        for volume in volumes:
            self.client.wait_gone('volume', volume, TIMEOUT_SECONDS)


WORK = ('execute:claim', 'driver', 'finish')
MOVE = ('target', 'copy', 'progress', 'finish')
# Operation -> its verb, and the commands of LVM after which more is to be done, by group. What is
# done before and after all of them, the steps of the verb have.
OPERATIONS: dict[str, tuple[str, dict[str, tuple[str, ...]]]] = {
    'create': ('volume.create', {}),
    'clone': ('volume.create', {THICK: ('lvcreate', 'lvconvert')}),
    'create_from_snapshot': ('volume.create', {group.NAME: ('lvcreate',), THICK: ('lvcreate',)}),
    'delete': ('volume.delete', {group.NAME: ('lvremove',)}),
    'extend': ('volume.extend', {}),
    'revert': ('volume.revert', {group.NAME: ('lvcreate', 'lvremove', 'lvrename'),
                                 THICK: ('lvconvert',)}),
    'migrate': ('volume.migrate', {}),
    'retype': ('volume.retype', {}),
    'manage': ('volume.manage', {group.NAME: ('lvrename',), THICK: ('lvrename',)}),
    'unmanage': ('volume.unmanage', {}),
    'snapshot_create': ('snapshot.create', {}),
    'snapshot_delete': ('snapshot.delete', {THICK: ('lvconvert',)}),
    'snapshot_manage': ('snapshot.manage', {}),
    'snapshot_unmanage': ('snapshot.unmanage', {}),
    'group_snapshot_create': ('group_snapshot.create', {group.NAME: ('lvcreate', 'dmsetup'),
                                                        THICK: ('lvcreate',)}),
    'group_snapshot_delete': ('group_snapshot.delete', {group.NAME: ('lvremove',),
                                                        THICK: ('lvremove',)}),
    'group_copy': ('group.copy', {group.NAME: ('lvcreate', 'dmsetup'),
                                  THICK: ('lvcreate', 'lvremove')}),
    'group_delete': ('group.delete', {group.NAME: ('lvremove',), THICK: ('lvremove',)}),
}


def points(operation: str, vg: str) -> Iterator[str]:
    """The fault points that this operation comes by in cinder-volume."""
    verb, commands = OPERATIONS[operation]
    steps = [f'{verb}:{step}' for step in WORK]
    if operation in ('migrate', 'retype'):
        steps = [f'{verb}:execute:claim', *(f'volume.migrate:{step}' for step in MOVE)]
    elif operation == 'snapshot_unmanage':
        steps.remove(f'{verb}:driver')
    yield from (f'{step}:{when}' for step in steps for when in ('before', 'after'))
    yield from (f'lvm:{command}:after' for command in commands.get(vg, ()))


ALL: list[tuple[str, str, str]] = [
    (vg, operation, point) for vg in (group.NAME, THICK) for operation in OPERATIONS
    for point in points(operation, vg)]
# One of each kind of work, at the points that are hardest to be right at.
SOME: list[tuple[str, str, str]] = [
    (group.NAME, 'create', 'volume.create:driver:after'),
    (group.NAME, 'revert', 'lvm:lvremove:after'),
    (group.NAME, 'group_snapshot_create', 'lvm:dmsetup:after'),
    (THICK, 'delete', 'volume.delete:finish:before'),
    (THICK, 'clone', 'lvm:lvconvert:after'),
    (THICK, 'migrate', 'volume.migrate:execute:claim:before'),
    (THICK, 'snapshot_delete', 'lvm:lvconvert:after'),
    (THICK, 'retype', 'volume.migrate:progress:after'),
]
FAULTS = sorted({point for _vg, _operation, point in ALL})


def run(client: Client, vg: str, operation: str) -> Iterator[None]:
    """The steps of Case for one operation, with a name that nothing else has."""
    case = Case(client, vg, f'{operation}-{os.urandom(4).hex()}')
    work: Callable[[], Iterator[None]] = getattr(case, operation)
    return work()
