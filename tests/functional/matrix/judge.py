# SPDX-License-Identifier: Apache-2.0
"""What must hold when an operation and a request have come to an end: tables, files, exports and
quota fit together, nothing is under way, errors are explained, and all of it can be deleted.

It reads the tables itself, so that a mistake of the service's own queries cannot hide another.
"""
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

from cinder import context
from cinder.cmd import quota_recount
from cinder.keymgr import keys
from cinder.volume.drivers import trash_names
from tests.api.client import PROJECT
from tests.functional.matrix.site import ADMIN, BACKENDS, Site
from tests.functional.matrix.table import LEGACY, OTHER_HOST, RESETS

GIB = 2 ** 30
# Statuses that only a daemon ends, of every kind of resource.
MOVING = frozenset((
    'creating', 'deleting', 'extending', 'managing', 'unmanaging', 'downloading', 'uploading',
    'retyping', 'reverting', 'restoring-backup', 'backing-up', 'restoring', 'updating',
    'maintenance', 'error_managing_deleting'))
# Whose bytes may be missing or half written.
UNSURE = frozenset(('error', 'error_managing', 'error_deleting'))
TABLES = ('volumes', 'snapshots', 'groups', 'group_snapshots', 'volume_attachment', 'transfers',
          'backups')
# Those with a status, and messages about it.
STATED = ('volumes', 'snapshots', 'groups', 'group_snapshots', 'backups')
Row = dict[str, Any]


class Judge:
    """Looks at one pair.

    :param requests: the names of what was asked for, in order
    :param contents: name on storage -> what it held before
    :param failed: the storage did nothing that it was asked for, for a while
    :param interrupted: work broke off before what was done could be written down
    :param halfway: a forced deletion had removed something, and failed then
    """

    def __init__(self, site: Site, requests: Iterable[str], contents: dict[str, bytes],
                 image: bytes = b'', failed: bool = False, interrupted: bool = False,
                 halfway: bool = False) -> None:
        self._site, self._requests = site, set(requests)
        self._failed, self._interrupted, self._halfway = failed, interrupted, halfway
        self._contents, self._image = contents, image

    def rows(self, table: str) -> list[Row]:
        """Rows that are not deleted."""
        return self._select(f'SELECT * FROM "{table}" WHERE deleted = 0 ORDER BY created_at, id')

    def _select(self, sql: str) -> list[Row]:
        cursor = self._site.database._conn.cursor()
        cursor.row_factory = sqlite3.Row
        return [dict(row) for row in cursor.execute(sql)]

    def trash(self) -> list[Row]:
        """What is in the trash, with `row`: that of the resource."""
        resources = {row['id']: row for table in ('volumes', 'snapshots')
                     for row in self._select(f'SELECT * FROM {table}')}
        return [{**entry, 'row': resources[entry['id']]} for entry in self._select(
            'SELECT * FROM trash ORDER BY created_at, id')]

    def findings(self) -> Iterator[str]:
        """All that does not fit together when nothing is under way."""
        self._tables = {name: self.rows(name) for name in TABLES}
        self._trash = self.trash()
        yield from self._moving()
        yield from self._entries()
        yield from self._silent()
        yield from self._facts()
        yield from self._attachments()
        yield from self._storage()
        yield from self._exports()
        yield from self._keys()
        yield from self._site.left()
        for difference in quota_recount.differences(ADMIN):
            yield f'quota: {difference}'

    # ----------------------------------------------------------------------------------- rows
    def _moving(self) -> Iterator[str]:
        for table in STATED:
            for row in self._tables[table]:
                if row['status'] in MOVING:
                    yield f'{table} {row["id"]} is still {row["status"]}'
        for row in self._tables['volumes']:
            if row['growth']:
                yield f'volume {row["id"]} still grows by {row["growth"]}'
            # What is left of a move that failed may be left for long.
            gone = row['migration_status'] == 'deleting' and row['status'] == 'error_deleting'
            if row['migration_status'] not in (None, 'success', 'error') and not gone:
                yield f'volume {row["id"]} has migration_status {row["migration_status"]}'
            if row.get('becoming_type_id'):
                yield f'volume {row["id"]} still becomes another type'

    def _entries(self) -> Iterator[str]:
        """The trash keeps what is deleted, and what a restore failed with."""
        for entry in self._trash:
            name = f'{entry["resource_type"]} {entry["id"]}'
            if entry['status'] == 'purging' or (
                    entry['status'] in ('kept', 'error_purging') and not entry['row']['deleted']):
                yield f'{name} ({entry["row"]["status"]}) is {entry["status"]} in the trash'
            if entry['status'] == 'restoring' and not (self._requests & RESETS) and (
                    entry['row']['deleted'] or 'error' not in entry['row']['status']):
                yield f'{name} ({entry["row"]["status"]}) is still restoring in the trash'

    def _silent(self) -> Iterator[str]:
        explained = {row['resource_uuid'] for row in self.rows('messages')}
        reset = bool(self._requests & RESETS)
        for table in STATED:
            for row in self._tables[table]:
                if 'error' in row['status'] and row['id'] not in explained and not reset:
                    yield f'{table} {row["id"]} is {row["status"]} without a message'
        here = {row['id'] for table in TABLES for row in self._tables[table]}
        cursor = self._site.database._conn.cursor()
        cursor.row_factory = sqlite3.Row
        for row in cursor.execute("SELECT * FROM operations WHERE state = 'failed'"):
            if not row['error']:
                yield f'{row["verb"]} failed without a reason'
            elif row['resource_id'] in here - explained:
                yield f'{row["verb"]} failed without a message: {row["error"]}'

    def _facts(self) -> Iterator[str]:
        """Statuses of volumes follow from their attachments, unless an administrator wrote them."""
        if self._requests & RESETS:
            return
        for row in self._tables['volumes']:
            held = {each['attach_status'].replace('error_attaching', 'reserved')
                    for each in self._tables['volume_attachment']
                    if each['volume_id'] == row['id']}
            attach, status = next(
                (pair for pair in (('attached', 'in-use'), ('attaching', 'attaching'),
                                   ('reserved', 'reserved')) if pair[0] in held),
                ('detached', 'available'))
            fine = {status}
            if status == 'in-use':
                fine.add('detaching')
            # It leaves no attachment, and one more may come to a volume that several may have.
            if status in ('available', 'in-use') and 'os-reserve' in self._requests:
                fine.add('attaching')
            if status == 'available':
                fine |= {'awaiting-transfer'} & {
                    'awaiting-transfer' for each in self._tables['transfers']
                    if each['volume_id'] == row['id']}
            if row['attach_status'] != attach:
                yield (f'volume {row["id"]} ({row["status"]}) is {row["attach_status"]}, its '
                       f'attachments: {sorted(held)}')
            if row['status'] not in fine and 'error' not in row['status'] and (
                    row['status'] not in MOVING):
                yield f'volume {row["id"]} is {row["status"]}, its attachments: {sorted(held)}'
        offered = {each['volume_id'] for each in self._tables['transfers']}
        for row in self._tables['volumes']:
            if row['status'] == 'awaiting-transfer' and row['id'] not in offered:
                yield f'volume {row["id"]} awaits a transfer that there is not'

    def _attachments(self) -> Iterator[str]:
        present = {row['id'] for row in self._tables['volumes']}
        for table in ('volume_attachment', 'snapshots', 'transfers'):
            for row in self._tables[table]:
                if row['volume_id'] not in present:
                    yield f'{table} {row["id"]} of a volume that is gone'
        for table, column, owners in (('volumes', 'group_id', 'groups'),
                                      ('snapshots', 'group_snapshot_id', 'group_snapshots'),
                                      ('group_snapshots', 'group_id', 'groups')):
            known = {row['id'] for row in self._tables[owners]}
            for row in self._tables[table]:
                if row[column] and row[column] not in known:
                    yield f'{table} {row["id"]} of one of {owners} that is gone'

    # -------------------------------------------------------------------------------- storage
    def _storage(self) -> Iterator[str]:
        files, wanted = self._site.files(), {}
        # A deletion that broke off may have been done; when an administrator ends it, nobody looks
        # again but the doctor.
        doubtful = self._halfway or self._interrupted and self._requests & RESETS
        volumes = {row['id']: row for row in self._tables['volumes']}
        for row in volumes.values():
            wanted[_name_of(row)] = row, row['size'], row['host']
        for row in self._tables['snapshots']:
            owner = volumes.get(row['volume_id'])
            wanted[_name_of(row)] = row, row['volume_size'], owner and owner['host']
        restoring = {entry['id'] for entry in self._trash if entry['status'] == 'restoring'}
        # A restore or a deletion that failed may have left these in the trash of the storage.
        unsure = {name for name, (row, *_) in wanted.items() if row['id'] in restoring
                  or row['status'] == 'error_deleting' or doubtful}
        for entry in self._trash:
            if entry['status'] == 'kept' or entry['status'] == 'error_purging' and any(
                    (backend, trash_names.kept(_name_of(entry['row']))) in files
                    for backend in BACKENDS):
                wanted[trash_names.kept(_name_of(entry['row']))] = (
                    entry['row'], entry['size'], entry['host'])
        for name in unsure:
            for backend in BACKENDS:
                kept = files.pop((backend, trash_names.kept(name)), None)
                if kept and files.setdefault((backend, name), kept) is not kept:
                    yield f'{name} is on {backend} both in the trash and outside'
        for (backend, name), (size, data) in files.items():
            if name not in wanted:
                if not self._was_let_go(name):
                    yield f'on {backend} without a row: {name}'
                continue
            row, gib, host = wanted[name]
            if host and host.partition('@')[2].partition('#')[0] != backend:
                yield f'{name} is on {backend}, its row on {host}'
            # The old place of what moved may be another name of the same file until it is removed.
            moved = row.get('migration_status') == 'deleting'
            if size != gib * GIB and not moved:
                yield f'{name} ({row["status"]}) has {size / GIB} GiB, its row {gib}'
            # What an image of the file driver becomes in an encrypted volume has a header.
            sealed = ('reimage' in self._requests and row.get('encryption_key_id')
                      and data.startswith(b'LUKS'))
            if row['status'] not in UNSURE and not sealed and (
                    data not in self._contents_of(row, volumes)):
                yield f'{name} ({row["status"]}) holds {data[:50]!r}'
        there = {name for _backend, name in files}
        for name, (row, _gib, _host) in wanted.items():
            made = trash_names.owner(name) in self._contents and not (
                row['status'] == 'error_deleting' or doubtful)
            # An administrator may say of anything that it is there.
            if name not in there and (made or not (row['status'] in UNSURE or self._halfway
                                                   or self._requests & RESETS)):
                yield f'{name} ({row["status"]}) is not on the storage'

    def _was_let_go(self, name: str) -> bool:
        ident = trash_names.owner(name).partition('-')[2]
        cursor = self._site.database._conn.execute(
            "SELECT 1 FROM operations WHERE state = 'done' AND verb LIKE '%.unmanage' AND "
            '(resource_id = ? OR resource_id IN (SELECT id FROM volumes WHERE name_id = ?))',
            (ident, ident))
        return name == 'stray' or cursor.fetchone() is not None

    def _contents_of(self, row: Row, volumes: dict[str, Row]) -> set[bytes]:
        """What the bytes may be."""
        name = f'{_kind_of(row)}-{row["id"]}'
        if name in self._contents:
            found = {self._contents[name]}
            if 'revert' in self._requests:
                found |= set(self._contents.values())
            if 'reimage' in self._requests:
                found.add(self._image)
            return found
        everything = {b'', self._image, *self._contents.values()}
        if 'manage' in self._requests or 'snapshot manage' in self._requests:
            return everything
        if 'revert' in self._requests or 'reimage' in self._requests:
            return everything
        for column, prefix in (('snapshot_id', 'snapshot'), ('source_volid', 'volume'),
                               ('volume_id', 'volume')):
            source = row.get(column)
            if source:
                data = self._contents.get(f'{prefix}-{source}')
                return everything if data is None else {data}
        return {b'', self._image}

    def _exports(self, held: set[str] | None = None) -> Iterator[str]:
        """:param held: at the end: volumes that somebody had, and has let go."""
        last = held is not None
        connected = {row['volume_id'] for row in self._tables['volume_attachment']
                     if row['connector']}
        names = {f'volume-{row["name_id"] or row["id"]}': row for row in self._tables['volumes']}
        everywhere: dict[str, str] = {}
        for backend, (exported, _allowed) in self._site.exports().items():
            for iqn in exported:
                name = 'volume-' + iqn.partition('volume-')[2]
                everywhere[name] = backend
                row = names.get(name)
                if row is None:
                    yield f'{name} is exported on {backend}, and has no row'
                elif row['id'] not in connected and not (
                        self._failed and row['id'] not in held if last
                        else self._failed or self._requests & LEGACY):
                    yield f'{name} ({row["status"]}) is exported without an attachment'
        for name, row in names.items():
            if row['id'] in connected and name not in everywhere:
                yield f'{name} ({row["status"]}) is attached and not exported'
            known = bool(row['provider_location'])
            if known != (name in everywhere):
                yield f'{name}: its row says that it is {"" if known else "not "}exported'

    def _keys(self) -> Iterator[str]:
        """The key of a volume goes when its deletion is accepted, whatever becomes of that; where
        the trash has it, when it is removed from there, or with a later request."""
        kept = self._site.keys.kept
        wanted = {row['encryption_key_id']: row for name in ('volumes', 'backups')
                  for row in self._tables[name] if row['encryption_key_id']}
        trash = {entry['encryption_key_id'] for entry in self._trash if entry['encryption_key_id']}
        noted = {row['id'] for row in self._select('SELECT id FROM unused_keys')}
        yield from (f'key {ident} is left' for ident in kept
                    if ident not in wanted.keys() | trash | noted | self._keys_of_images())
        yield from (f'key {ident} is lost, the trash needs it' for ident in trash - kept.keys())
        if not any('delete' in request for request in self._requests):
            yield from (f'the key of {row["id"]} ({row["status"]}) is lost'
                        for ident, row in wanted.items() if ident not in kept)

    def _keys_of_images(self) -> set[str]:
        """An image of an encrypted volume has a key of its own, which goes with the image."""
        return {image['cinder_encryption_key_id'] for image in self._site.images.images.values()
                if 'cinder_encryption_key_id' in image}

    # ----------------------------------------------------------------------------- the last word
    def clear(self) -> Iterator[str]:
        """Let clients end what they began, and delete everything, as they may."""
        held = {row['volume_id'] for row in self.rows('volume_attachment')}
        yield from self._let_go()
        self._tables = {name: self.rows(name) for name in TABLES}
        # What the storage did not take back when it was told to stays for a while.
        yield from self._exports(held)
        for row in self._tables['volumes']:
            if not (row['status'] == 'available' or 'error' in row['status']):
                yield f'volume {row["id"]} is {row["status"]} when everybody has let it go'
        for table, delete in (('group_snapshots', self._delete_group_snapshot),
                              ('snapshots', self._delete_snapshot),
                              ('groups', self._delete_group), ('backups', self._delete_backup),
                              ('volumes', self._delete_volume)):
            for row in self.rows(table):
                yield from delete(row)
            self._site.drain()
        for entry in self.trash():
            # A volume takes its snapshots along.
            yield from self._ask('DELETE', f'/trash/{entry["id"]}', fine=(202, 404))
        self._site.drain()
        for table in TABLES:
            for row in self.rows(table):
                yield f'left of {table}: {row["id"]} ({row.get("status")})'
        yield from (f'left in the trash: {entry["resource_type"]} {entry["id"]} '
                    f'({entry["status"]})' for entry in self.trash())
        # As a later request of the project does.
        for owner in {owner for owner, _key in self._site.keys.kept.values()}:
            keys.delete_unused(context.RequestContext(user_id=owner, project_id=PROJECT))
        yield from (f'left: key {ident}' for ident in self._site.keys.kept
                    if ident not in self._keys_of_images())
        for backend, name in self._site.files():
            if not self._was_let_go(name):
                yield f'left on {backend}: {name}'
        for backend, (exported, _allowed) in self._site.exports().items():
            for name in exported:
                yield f'left on {backend}: export {name}'

    def _ask(self, method: str, path: str, body: Any = None,
             fine: tuple[int, ...] = (200, 202)) -> Iterator[str]:
        answer = self._site.send(method, path, body)
        if answer.status not in fine:
            yield f'{method} {path} {body or ""}: {answer.status} {answer.body.decode()}'

    def _let_go(self) -> Iterator[str]:
        for row in self.rows('volume_attachment'):
            yield from self._ask('DELETE', f'/attachments/{row["id"]}')
        for row in self.rows('transfers'):
            yield from self._ask('DELETE', f'/volume-transfers/{row["id"]}')
        for row in self.rows('volumes'):
            act = f'/volumes/{row["id"]}/action'
            if self._requests & LEGACY and row['host']:
                yield from self._ask('POST', act, {'os-terminate_connection': {
                    'connector': OTHER_HOST}})
            if row['status'] == 'attaching':
                yield from self._ask('POST', act, {'os-unreserve': None})
            if row['status'] == 'detaching':
                yield from self._ask('POST', act, {'os-roll_detaching': None})
            if self._requests & RESETS and row['status'] not in ('available', 'error'):
                yield from self._ask('POST', act, {'os-reset_status': {
                    'status': 'error', 'attach_status': 'detached', 'migration_status': 'none'}})

    def _delete_group_snapshot(self, row: Row) -> Iterator[str]:
        yield from self._ask('DELETE', f'/group_snapshots/{row["id"]}')

    def _delete_snapshot(self, row: Row) -> Iterator[str]:
        if row['status'] in ('available', 'error'):
            yield from self._ask('DELETE', f'/snapshots/{row["id"]}')
        else:
            yield from self._ask('POST', f'/snapshots/{row["id"]}/action',
                                 {'os-force_delete': {}})

    def _delete_backup(self, row: Row) -> Iterator[str]:
        if row['status'] in ('available', 'error'):
            yield from self._ask('DELETE', f'/backups/{row["id"]}')
        else:
            yield from self._ask('POST', f'/backups/{row["id"]}/action', {'os-force_delete': {}})

    def _delete_group(self, row: Row) -> Iterator[str]:
        yield from self._ask('POST', f'/groups/{row["id"]}/action',
                             {'delete': {'delete-volumes': True}})

    def _delete_volume(self, row: Row) -> Iterator[str]:
        if row['status'] == 'error_deleting' or self._requests & RESETS:
            yield from self._ask('POST', f'/volumes/{row["id"]}/action', {'os-force_delete': {}})
        else:
            yield from self._ask('DELETE', f'/volumes/{row["id"]}')


def _kind_of(row: Row) -> str:
    return 'snapshot' if 'volume_size' in row else 'volume'


def _name_of(row: Row) -> str:
    """What a volume or snapshot is called on the storage, outside of the trash."""
    return f'{_kind_of(row)}-{row.get("name_id") or row["id"]}'
