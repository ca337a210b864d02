# SPDX-License-Identifier: Apache-2.0
"""Rows of a whole cloud in the tables of the original: the same for the same numbers, in pieces, so
that a million of them need no room."""
import datetime
import json
import random
import uuid
from collections.abc import Iterator

Row = dict[str, object]
NAMES = ('data', 'Köln', '資料', 'диск', "it's %s", '🗄️ shelf', ' trailing ', '', 'ﬁne', 'a\nb\tc')
BEGAN = datetime.datetime(2020, 2, 29, 12, 0, 0, 123456)
# Rows of a piece, and of metadata of each volume.
PIECE, PAIRS = 5000, 3


class Site:
    """A cloud.

    :param volumes: how many; all else follows
    :param seed: of ids and values
    """

    def __init__(self, volumes: int, seed: int = 1) -> None:
        self.volumes, self.seed = volumes, seed
        self._random = random.Random(seed)
        self._at = 0
        self.projects = [self.uuid('project', n).replace('-', '') for n in range(
            max(volumes // 50, 3))]
        self.types = [self.uuid('type', n) for n in range(8)]
        self.specs = [self.uuid('qos', n) for n in range(2)]
        self.group_type, self.group = self.uuid('group type', 0), self.uuid('group', 0)
        self.group_snapshot = self.uuid('group snapshot', 0)
        self.services = [self.uuid('service', n) for n in range(3)]

    def uuid(self, kind: str, number: int) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f'{self.seed} {kind} {number}'))

    def times(self, deleted: bool = False) -> Row:
        self._at += 1
        at = BEGAN + datetime.timedelta(seconds=self._at)
        return {'created_at': at, 'updated_at': at if self._at % 3 else None, 'deleted': deleted,
                'deleted_at': at if deleted else None}

    def _name(self, number: int) -> str:
        return NAMES[number % len(NAMES)]

    # ------------------------------------------------------------------------------------- tables
    def pieces(self) -> Iterator[tuple[str, list[Row]]]:
        """Yield (table, rows), parents first."""
        for name, rows in (
                ('quality_of_service_specs', self._qos()), ('volume_types', self._types()),
                ('volume_type_extra_specs', self._extra_specs()),
                ('volume_type_projects', self._type_projects()),
                ('encryption', self._encryption()), ('default_volume_types', self._defaults()),
                ('group_types', self._group_types()), ('group_type_specs', self._group_specs()),
                ('group_type_projects', self._group_projects()), ('clusters', self._clusters()),
                ('services', self._services()), ('groups', self._groups()),
                ('group_volume_type_mapping', self._group_mapping()),
                ('group_snapshots', self._group_snapshots()), ('volumes', self._volumes()),
                ('volume_metadata', self._pairs('volume', 'volume_id', PAIRS)),
                ('volume_admin_metadata', self._pairs('volume', 'volume_id', 1, 'readonly')),
                ('snapshots', self._snapshots()),
                ('snapshot_metadata', self._pairs('snapshot', 'snapshot_id', 1)),
                ('volume_glance_metadata', self._image_metadata()),
                ('volume_attachment', self._attachments()), ('transfers', self._transfers()),
                ('backups', self._backups()),
                ('backup_metadata', self._pairs('backup', 'backup_id', 1)),
                ('image_volume_cache_entries', self._cache()), ('quotas', self._quotas()),
                ('quota_classes', self._classes()), ('messages', self._messages()),
                ('quota_usages', self._usages())):
            piece: list[Row] = []
            for row in rows:
                piece.append(row)
                if len(piece) == PIECE:
                    yield name, piece
                    piece = []
            if piece:
                yield name, piece

    def _qos(self) -> Iterator[Row]:
        for number, root in enumerate(self.specs):
            yield {'id': root, 'specs_id': None, 'key': 'QoSSpec_Name', 'value': f'qos{number}',
                   **self.times()}
            pairs = {'consumer': ('front-end', 'both')[number], 'read_iops_sec': '100',
                     'write_bytes_sec': '2000'}
            for key, value in pairs.items():
                yield {'id': self.uuid(f'{root} {key}', 0), 'specs_id': root, 'key': key,
                       'value': value, **self.times()}

    def _types(self) -> Iterator[Row]:
        for number, ident in enumerate(self.types):
            yield {'id': ident, 'name': '__DEFAULT__' if not number else f'type{number}',
                   'description': None if number % 2 else self._name(number),
                   'qos_specs_id': self.specs[number] if number < 2 else None,
                   'is_public': number != 3, **self.times()}

    def _extra_specs(self) -> Iterator[Row]:
        for number, ident in enumerate(self.types):
            for spec in range(3):
                yield {'id': number * 3 + spec + 1, 'volume_type_id': ident, 'key': f'key:{spec}',
                       'value': self._name(spec + number), **self.times()}

    def _type_projects(self) -> Iterator[Row]:
        for number, project in enumerate(self.projects[:3]):
            yield {'id': number + 1, 'volume_type_id': self.types[3], 'project_id': project,
                   **self.times(), 'deleted': number + 1 if number == 2 else 0}

    def _encryption(self) -> Iterator[Row]:
        yield {'encryption_id': self.uuid('encryption', 0), 'volume_type_id': self.types[5],
               'cipher': 'aes-xts-plain64', 'key_size': 256, 'provider': 'luks',
               'control_location': 'front-end', **self.times()}

    def _defaults(self) -> Iterator[Row]:
        yield {'project_id': self.projects[0], 'volume_type_id': self.types[2], **self.times()}

    def _group_types(self) -> Iterator[Row]:
        yield {'id': self.group_type, 'name': 'default_cgsnapshot_type', 'description': None,
               'is_public': True, **self.times()}

    def _group_specs(self) -> Iterator[Row]:
        yield {'id': 1, 'group_type_id': self.group_type, 'value': '<is> True',
               'key': 'consistent_group_snapshot_enabled', **self.times()}

    def _group_projects(self) -> Iterator[Row]:
        yield {'id': 1, 'group_type_id': self.group_type, 'project_id': self.projects[0],
               **self.times()}

    def _clusters(self) -> Iterator[Row]:
        yield {'id': 1, 'name': 'cluster@lvm', 'binary': 'cinder-volume', 'race_preventer': 0,
               'disabled': None, 'disabled_reason': None, 'replication_status': 'not-capable',
               'active_backend_id': None, 'frozen': False, **self.times()}

    def _services(self) -> Iterator[Row]:
        places = (('cinder-volume', 'node1@lvm'), ('cinder-scheduler', 'node1'),
                  ('cinder-backup', 'node2'))
        for number, (binary, host) in enumerate(places):
            yield {'id': number + 1, 'uuid': self.services[number], 'binary': binary, 'host': host,
                   'topic': binary, 'report_count': 77, 'disabled': number == 2,
                   'disabled_reason': 'broken fan' if number == 2 else None,
                   'availability_zone': 'nova', 'rpc_current_version': '3.19',
                   'object_current_version': '1.39', 'frozen': False,
                   'replication_status': 'not-capable', **self.times()}

    def _groups(self) -> Iterator[Row]:
        yield {'id': self.group, 'user_id': 'u', 'project_id': self.projects[0], 'name': 'g',
               'host': 'node1@lvm#lvm', 'availability_zone': 'nova', 'status': 'available',
               'group_type_id': self.group_type, 'replication_status': 'disabled', **self.times()}

    def _group_mapping(self) -> Iterator[Row]:
        yield {'id': 1, 'group_id': self.group, 'volume_type_id': self.types[1], **self.times()}

    def _group_snapshots(self) -> Iterator[Row]:
        yield {'id': self.group_snapshot, 'group_id': self.group, 'user_id': 'u', 'name': 'gs',
               'project_id': self.projects[0], 'status': 'available',
               'group_type_id': self.group_type, **self.times()}

    # --------------------------------------------------------------------------------- resources
    def project_of(self, number: int) -> str:
        return self.projects[number % len(self.projects)]

    def _volumes(self) -> Iterator[Row]:
        for number in range(self.volumes):
            in_use = number % 2 == 0
            deleted = number % 10 == 9
            yield {
                'id': self.uuid('volume', number), 'user_id': 'u', 'size': number % 100 + 1,
                'project_id': self.project_of(number), 'host': 'node1@lvm#lvm',
                'availability_zone': 'nova', 'display_name': self._name(number),
                'display_description': None if number % 4 else self._name(number + 1),
                'status': 'deleted' if deleted else 'in-use' if in_use else 'available',
                'attach_status': 'attached' if in_use and not deleted else 'detached',
                'volume_type_id': self.types[number % 2 or number % len(self.types)],
                'bootable': (None, True, False)[number % 3], 'multiattach': None,
                '_name_id': self.uuid('name', number) if number % 7 == 0 else None,
                'provider_location': '192.0.2.1:3260,1 iqn.2010-10.org.openstack:volume-x 1',
                'provider_auth': 'CHAP user secret', 'service_uuid': self.services[0],
                'snapshot_id': self.uuid('snapshot', number - 1) if number % 5 == 3 else None,
                'source_volid': None, 'ec2_id': None, 'provider_geometry': None,
                'encryption_key_id': self.uuid('key', number) if number % 20 == 5 else None,
                'group_id': self.group if number == 1 else None, 'shared_targets': False,
                'use_quota': number % 50 != 49, 'scheduled_at': BEGAN, 'launched_at': BEGAN,
                'previous_status': None, 'migration_status': None, 'cluster_name': None,
                'replication_status': None, **self.times(deleted)}

    def _pairs(self, kind: str, owner: str, each: int, name: str = 'key') -> Iterator[Row]:
        for number in range(self.volumes if kind != 'backup' else self.volumes // 10):
            for pair in range(each):
                yield {'id': number * each + pair + 1, owner: self.uuid(kind, number),
                       'key': f'{name}{pair}' if each > 1 else name,
                       'value': self._name(number + pair),
                       **self.times(kind == 'volume' and number % 10 == 9)}

    def _snapshots(self) -> Iterator[Row]:
        for number in range(self.volumes):
            volume = number - number % 10 + number % 9
            yield {'id': self.uuid('snapshot', number), 'volume_id': self.uuid('volume', volume),
                   'user_id': 'u', 'project_id': self.project_of(volume), 'status': 'available',
                   'progress': '100%', 'volume_size': volume % 100 + 1, 'use_quota': True,
                   'display_name': self._name(number), 'provider_location': None,
                   'volume_type_id': self.types[volume % 2 or volume % len(self.types)],
                   'group_snapshot_id': self.group_snapshot if volume == 1 else None,
                   **self.times()}

    def _image_metadata(self) -> Iterator[Row]:
        for number in range(self.volumes):
            for place, key in enumerate(('image_id', 'min_ram')):
                yield {'id': number * 2 + place + 1, 'key': key, 'value': str(number),
                       'volume_id': self.uuid('volume', number) if number % 3 else None,
                       'snapshot_id': None if number % 3 else self.uuid('snapshot', number),
                       **self.times(number % 10 == 9)}

    def _attachments(self) -> Iterator[Row]:
        # Volumes that are not attached were once.
        for number in range(self.volumes):
            connector = {'host': f'compute{number % 100}', 'initiator': 'iqn.x', 'ip': '192.0.2.9'}
            info = {'driver_volume_type': 'iscsi', 'target_lun': 1, 'auth_password': 'ü'}
            yield {'id': self.uuid('attachment', number), 'volume_id': self.uuid('volume', number),
                   'instance_uuid': self.uuid('server', number), 'attached_host': None,
                   'mountpoint': '/dev/vdb', 'attach_time': BEGAN, 'attach_mode': 'rw',
                   'attach_status': 'attached', 'connector': json.dumps(connector),
                   'connection_info': json.dumps(info), **self.times(number % 2 == 1)}

    def _transfers(self) -> Iterator[Row]:
        yield {'id': self.uuid('transfer', 0), 'volume_id': self.uuid('volume', 3), 'salt': 'a1b2',
               'display_name': 't', 'crypt_hash': '0123456789' * 4, 'no_snapshots': None,
               'source_project_id': self.project_of(3), 'accepted': None, **self.times()}

    def _backups(self) -> Iterator[Row]:
        for number in range(self.volumes // 10):
            yield {'id': self.uuid('backup', number), 'volume_id': self.uuid('volume', number),
                   'user_id': 'u', 'project_id': self.project_of(number), 'host': 'node2',
                   'availability_zone': 'nova', 'display_name': self._name(number),
                   'container': 'c', 'status': 'available', 'size': number % 100 + 1,
                   'service': 'cinder.backup.drivers.posix.PosixBackupDriver', 'object_count': 3,
                   'service_metadata': 'volume_x/20200229/az_nova_backup_y',
                   'parent_id': self.uuid('backup', number - 1) if number % 3 == 1 else None,
                   'num_dependent_backups': 0, 'data_timestamp': BEGAN, **self.times()}

    def _cache(self) -> Iterator[Row]:
        yield {'id': 5, 'host': 'node1@lvm#lvm', 'image_id': self.uuid('image', 0), 'size': 1,
               'volume_id': self.uuid('volume', 1), 'last_used': BEGAN, 'image_updated_at': BEGAN}

    # ------------------------------------------------------------------------------------ quotas
    def _quotas(self) -> Iterator[Row]:
        for number, project in enumerate(self.projects):
            for place, resource in enumerate(('volumes', 'gigabytes_type1')):
                yield {'id': number * 2 + place + 1, 'project_id': project, 'resource': resource,
                       'hard_limit': 1000 - number % 500, 'allocated': 0, **self.times()}

    def _classes(self) -> Iterator[Row]:
        for number, resource in enumerate(('volumes', 'gigabytes', 'consistencygroups')):
            yield {'id': number + 1, 'class_name': 'default', 'resource': resource,
                   'hard_limit': -1, **self.times()}

    def _messages(self) -> Iterator[Row]:
        yield {'id': self.uuid('message', 0), 'project_id': self.projects[0], 'event_id': 'X_001',
               'message_level': 'ERROR', **self.times()}

    def _usages(self) -> Iterator[Row]:
        for number, project in enumerate(self.projects):
            yield {'id': number + 1, 'project_id': project, 'resource': 'volumes', 'in_use': 9999,
                   'reserved': 1, **self.times()}
