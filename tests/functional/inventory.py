# SPDX-License-Identifier: Apache-2.0
"""One of everything: what users and administrators make over the API of the original, so that a
move has to carry it. What the API cannot make (clusters) are rows.

Nothing in it is in progress at the end; statuses that no request leads to are set by a reset.
"""

import dataclasses
import datetime
import random
import uuid

import sqlalchemy as sa

from tests.functional.client import Client
from tests.functional.original import HOST, Original

# Three projects: two of users, and that of the administrators.
RED, BLUE, ADMIN = 'a' * 32, 'b' * 32, 'c' * 32
WORDS = {'a-Z_0:. /': 'значение', 'han': '値 値', 'arabic': 'قيمة', 'sharp': 'ẞ' * 255,
         'quote': '%s {0} \'"`\\ \n ;--', 'long': 'v' * 255, 'k' * 255: 'k', 'empty': ''}
CONNECTOR = {'initiator': 'iqn.1993-08.org.debian:01:1', 'host': 'compute1', 'ip': '127.0.0.1',
             'platform': 'x86_64', 'os_type': 'linux', 'multipath': False}
SECONDS = 120
# Statuses that only an administrator's reset gives to a volume, and that are no work in progress.
RESET = ('error', 'error_deleting', 'error_extending', 'error_restoring', 'maintenance')


@dataclasses.dataclass
class Inventory:
    """What was made.

    :ivar contents: id of a volume or snapshot -> its first bytes
    """

    ids: dict[str, str] = dataclasses.field(default_factory=dict)
    contents: dict[str, bytes] = dataclasses.field(default_factory=dict)


class Maker:
    """Makes it all, step by step; a step uses what those before it have made."""

    def __init__(self, original: Original) -> None:
        self.original, self.made = original, Inventory()
        self.red, self.blue, self.admin = (
            original.client(project=project, user=name, pause=0.2)
            for project, name in ((RED, 'rosa'), (BLUE, 'azul'), (ADMIN, 'root')))
        self.ids, self.random = self.made.ids, random.Random(1)

    def make(self) -> Inventory:
        """Make everything; about 60 requests with work behind them."""
        for step in (self.qos, self.types, self.quotas, self.volumes, self.contents,
                     self.attachments, self.snapshots, self.copies, self.backups, self.groups,
                     self.group_snapshots, self.transfers, self.migrated, self.odd_statuses,
                     self.messages, self.deleted, self.services, self.rows):
            step()
        return self.made

    # --------------------------------------------------------------------------------- helpers
    def volume(self, name: str, client: Client | None = None, **fields) -> str:
        """Ask for a volume that is known by a name."""
        made = (client or self.red).create_volume(fields.pop('size', 1), name=name, **fields)
        self.ids[name] = made['id']
        return made['id']

    def ready(self, kind: str, *names: str, status: str = 'available') -> None:
        for name in names:
            self.admin.wait_for_status(kind, self.ids[name], status, SECONDS)

    def path(self, name: str, backend: str):
        """Return the file of a volume or snapshot."""
        return next(self.original.root(backend).glob(f'*{self.ids[name]}'))

    def remember(self, *names: str) -> None:
        """Remember the first bytes of files."""
        for name in names:
            path, = self.original.folder.glob(f'volumes/*/*{self.ids[name]}')
            with path.open('rb') as file:
                self.made.contents[self.ids[name]] = file.read(2**20)

    # ----------------------------------------------------------------------------------- steps
    def qos(self) -> None:
        post = self.admin.post
        for name, specs in (('front', {'consumer': 'front-end', 'total_iops_sec': '100'}),
                            ('back', {'consumer': 'back-end', 'кол': 'во'}),
                            ('both', {'consumer': 'both'})):
            made = post('qos-specs', {'qos_specs': {'name': name, **specs}})['qos_specs']
            self.ids[f'qos {name}'] = made['id']

    def types(self) -> None:
        rows = {'plain': {}, 'fast ü': {'volume_backend_name': 'files', 'a-Z_:. /': 'значение'},
                'second': {'volume_backend_name': 'second', 'x:y': '<is> True'},
                'multi': {'multiattach': '<is> True', 'volume_backend_name': 'files'},
                'nowhere': {'volume_backend_name': 'none'}, 'secret': {}, 'private': {}}
        for name, specs in rows.items():
            made = self.admin.post('types', {'volume_type': {
                'name': name, 'description': f'{name} 説明', 'extra_specs': specs,
                'os-volume-type-access:is_public': name != 'private'}})['volume_type']
            self.ids[f'type {name}'] = made['id']
        get, post = self.admin.get, self.admin.post
        for qos, name in (('front', 'fast ü'), ('back', 'second')):
            get(f'qos-specs/{self.ids[f"qos {qos}"]}/associate?vol_type_id='
                f'{self.ids[f"type {name}"]}')
        post(f'types/{self.ids["type secret"]}/encryption', {'encryption': {
            'provider': 'luks', 'cipher': 'aes-xts-plain64', 'key_size': 256,
            'control_location': 'front-end'}})
        for project in (RED, BLUE):
            post(f'types/{self.ids["type private"]}/action',
                 {'addProjectAccess': {'project': project}})

    def quotas(self) -> None:
        put = self.admin.put
        put(f'os-quota-sets/{RED}', {'quota_set': {'volumes': 77, 'gigabytes_second': 500}})
        put(f'os-quota-sets/{BLUE}', {'quota_set': {'snapshots': -1, 'backups': 0}})
        put('os-quota-class-sets/default', {'quota_class_set': {
            'volumes': 500, 'per_volume_gigabytes': 100}})

    def volumes(self) -> None:
        self.volume('odd', metadata=WORDS, description='d' * 255, volume_type='fast ü')
        self.volume('имя 名', client=self.blue)
        for name in ('attached', 'hosted', 'legacy', 'reserved', 'attaching', 'boot',
                     'readonly', 'moving', 'gift', 'late gift', 'given', 'gone'):
            self.volume(name, volume_type='fast ü')
        self.volume('shared', volume_type='multi')
        self.volume('encrypted', volume_type='secret')
        self.volume('owned', volume_type='private')
        for status in RESET:
            self.volume(status)
        self.ready('volume', *(name for name in self.ids
                               if not name.startswith(('qos', 'type'))))
        action = self.red.action
        action(self.ids['boot'], 'os-set_bootable', {'bootable': True})
        action(self.ids['boot'], 'os-set_image_metadata', {'metadata': {
            'image_id': str(uuid.UUID(int=5)), 'image_name': 'débian', 'min_ram': '64'}})
        action(self.ids['readonly'], 'os-update_readonly_flag', {'readonly': True})

    def contents(self) -> None:
        names = ('odd', 'имя 名', 'attached', 'boot', 'moving', 'encrypted', 'given')
        for name in names:
            path, = self.original.folder.glob(f'volumes/*/*{self.ids[name]}')
            with path.open('r+b') as file:
                file.write(self.random.randbytes(2**20))
        self.remember(*names)

    def attach(self, name: str, connector: dict | None, complete: bool = True,
               **fields) -> None:
        """Attach as Nova does: reserve, update with the connector, complete."""
        made = self.red.post('attachments', {'attachment': {
            'volume_uuid': self.ids[name], **fields}})['attachment']['id']
        self.ids[f'attachment {len(self.ids)}'] = made
        if connector:
            self.red.put(f'attachments/{made}', {'attachment': {'connector': connector}})
            if complete:
                self.red.post(f'attachments/{made}/action', {'os-complete': {}})

    def attachments(self) -> None:
        server = {'instance_uuid': str(uuid.UUID(int=7))}
        at = CONNECTOR | {'mountpoint': '/dev/vdb'}
        self.attach('attached', at, **server)
        self.attach('readonly', at, **server, mode='ro')
        self.attach('hosted', CONNECTOR | {'mountpoint': '/mnt/ü'})
        self.attach('reserved', None, **server)
        self.attach('attaching', CONNECTOR, complete=False, **server)
        self.attach('shared', at, **server)
        self.attach('shared', at | {'host': 'compute2'}, instance_uuid=str(uuid.UUID(int=8)))
        action, legacy = self.red.action, self.ids['legacy']
        action(legacy, 'os-reserve')
        action(legacy, 'os-initialize_connection', {'connector': CONNECTOR})
        action(legacy, 'os-attach', {'instance_uuid': str(uuid.UUID(int=9)),
                                     'mountpoint': '/dev/vdc', 'mode': 'rw'})

    def snapshot(self, name: str, volume: str, **fields) -> None:
        self.ids[name] = self.red.create_snapshot(self.ids[volume], name=name, **fields)['id']

    def snapshots(self) -> None:
        self.snapshot('snap', 'odd', metadata=WORDS, description='описание')
        self.snapshot('snap of attached', 'attached', force=True)
        self.snapshot('snap of gift', 'gift')
        self.snapshot('snap of boot', 'boot')
        self.snapshot('snap error', 'boot')
        self.ready('snapshot', *(name for name in self.ids if name.startswith('snap')))
        self.red.post(f'snapshots/{self.ids["snap error"]}/action',
                      {'os-reset_status': {'status': 'error'}})
        self.remember('snap', 'snap of attached')

    def copies(self) -> None:
        """Make a chain of clones, and a volume of a snapshot."""
        self.volume('from snapshot', snapshot_id=self.ids['snap of boot'])
        previous = 'odd'
        for number in (1, 2):
            self.volume(name := f'clone {number}', source_volid=self.ids[previous],
                        size=number)
            self.ready('volume', name)
            previous = name
        self.ready('volume', 'from snapshot')
        self.remember('clone 1', 'clone 2')

    def backup(self, name: str, volume: str, **fields) -> None:
        made = self.red.post('backups', {'backup': {
            'volume_id': self.ids[volume], 'name': name, **fields}})['backup']
        self.ids[name] = made['id']
        self.ready('backup', name)

    def backups(self) -> None:
        self.backup('backup', 'odd', metadata=WORDS, description='ü')
        self.backup('backup increment', 'odd', incremental=True)
        self.backup('backup of snapshot', 'boot', snapshot_id=self.ids['snap of boot'])
        self.backup('backup of attached', 'attached', force=True)

    def groups(self) -> None:
        for name, specs in (('group type', {'a:b c': 'ключ'}), ('consistent', {
                'consistent_group_snapshot_enabled': '<is> True'})):
            made = self.admin.post('group_types', {'group_type': {
                'name': name, 'description': 'd', 'group_specs': specs,
                'is_public': True}})['group_type']
            self.ids[f'group type {name}'] = made['id']
        for name in ('group type', 'consistent'):
            made = self.red.post('groups', {'group': {
                'name': f'group {name}', 'group_type': self.ids[f'group type {name}'],
                'volume_types': [self.ids['type fast ü'], self.ids['type multi']]}})['group']
            self.ids[f'group {name}'] = made['id']
            self.ready('group', f'group {name}')
            self.volume(f'member of {name}', volume_type=self.ids['type fast ü'],
                        group_id=made['id'])
        self.ready('volume', 'member of group type', 'member of consistent')

    def group_snapshots(self) -> None:
        made = self.red.post('group_snapshots', {'group_snapshot': {
            'group_id': self.ids['group consistent'], 'name': 'все'}})['group_snapshot']
        self.ids['group snapshot'] = made['id']
        self.ready('group_snapshot', 'group snapshot')
        made = self.red.post('groups/action', {'create-from-src': {
            'name': 'copy', 'group_snapshot_id': made['id']}})['group']
        self.ids['group copy'] = made['id']
        self.ready('group', 'group copy')

    def transfers(self) -> None:
        """Make one that waits, one without snapshots, and one that was accepted."""
        keys = {}
        for name, fields in (('gift', {}), ('late gift', {'no_snapshots': True}),
                             ('given', {})):
            made = self.red.post('volume-transfers', {'transfer': {
                'volume_id': self.ids[name], 'name': f'{name} 贈', **fields}})['transfer']
            keys[name] = made['auth_key']
            self.ids[f'transfer {name}'] = made['id']
            self.ids[f'key {name}'] = made['auth_key']
        self.blue.post(f'volume-transfers/{self.ids["transfer given"]}/accept',
                       {'accept': {'auth_key': keys['given']}})
        self.ready('volume', 'given')

    def migrated(self) -> None:
        """Move a volume to the other back end, which leaves it under the name of another id."""
        self.admin.action(self.ids['moving'], 'os-retype', {
            'new_type': 'second', 'migration_policy': 'on-demand'})
        self.admin.wait_for_status('volume', self.ids['moving'], 'available', SECONDS)

    def odd_statuses(self) -> None:
        for status in RESET:
            self.admin.action(self.ids[status], 'os-reset_status', {'status': status})

    def messages(self) -> None:
        self.volume('refused', volume_type='nowhere')
        self.ready('volume', 'refused', status='error')

    def deleted(self) -> None:
        """Delete a volume, a type and a set of QoS specs."""
        self.red.delete(f'volumes/{self.ids["gone"]}')
        self.admin.wait_gone('volume', self.ids['gone'], SECONDS)
        self.admin.delete(f'types/{self.ids["type plain"]}')
        self.admin.delete(f'qos-specs/{self.ids["qos both"]}')

    def services(self) -> None:
        """Disable a service."""
        self.admin.put('os-services/disable-log-reason', {
            'binary': 'cinder-volume', 'host': f'{HOST}@second', 'disabled_reason': 'диск'})

    def rows(self) -> None:
        """Add what needs several hosts, or a Keystone."""
        engine = sa.create_engine(self.original.database, poolclass=sa.pool.NullPool)
        now = datetime.datetime(2026, 1, 1)
        with engine.begin() as conn:
            for name, values in (
                    ('clusters', {'name': 'old@files', 'binary': 'cinder-volume',
                                  'disabled': True, 'disabled_reason': 'why',
                                  'race_preventer': 0, 'frozen': False}),
                    ('default_volume_types', {'project_id': BLUE, 'volume_type_id':
                                              self.ids['type second']})):
                table = sa.Table(name, sa.MetaData(), autoload_with=conn)
                conn.execute(table.insert().values(created_at=now, deleted=False, **values))
