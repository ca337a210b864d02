# SPDX-License-Identifier: Apache-2.0
"""The oracle: asks database, disk, targets and API, and tells what does not fit together.

It runs after every fault, at a quiet point. It reads the tables itself, with its own idea of the
few columns it needs, so that a mistake of the service's own queries cannot hide another.
"""

import json
import subprocess
import time
from collections import Counter
from collections.abc import Iterator

import sqlalchemy as sa

from tests.functional import notified
from tests.functional.client import CUT_OFF, Client
from tests.functional.suite import Suite

_MOVING = ('creating', 'deleting', 'extending', 'managing', 'unmanaging', 'downloading',
           'uploading', 'retyping', 'reverting', 'restoring-backup', 'backing-up', 'restoring',
           'attaching', 'detaching', 'updating')


def _table(name: str, *columns: str) -> sa.TableClause:
    return sa.table(name, *(sa.column(column) for column in columns),
                    sa.column('deleted', sa.Boolean))


_VOLUMES = _table('volumes', 'id', 'name_id', 'project_id', 'status', 'size', 'growth',
                  'use_quota')
_SNAPSHOTS = _table('snapshots', 'id', 'project_id', 'volume_id', 'status', 'volume_size',
                    'use_quota')
_TRANSFERS = _table('transfers', 'id', 'volume_id')
_ATTACHMENTS = _table('volume_attachment', 'id', 'volume_id', 'attach_status', 'connection_info')
_MESSAGES = _table('messages', 'resource_uuid')
# With the name of a migrated volume on the storage.
_IN_TRASH = sa.table('trash', *(sa.column(name) for name in (
    'id', 'resource_type', 'size', 'status')))
_TRASH = sa.select(_IN_TRASH, _VOLUMES.c.name_id).outerjoin_from(
    _IN_TRASH, _VOLUMES, _VOLUMES.c.id == _IN_TRASH.c.id)
_OPERATIONS = sa.table('operations', *(sa.column(name) for name in (
    'id', 'verb', 'resource_id', 'state', 'owner', 'error', 'attempt')))
# The last event of each resource, and how many say that it was created, or deleted.
_EVENTS = sa.table('events', *(sa.column(name) for name in (
    'id', 'resource_type', 'resource_id', 'kind', 'body')))
_OF_ONE = sa.select(
    sa.func.max(_EVENTS.c.id).label('last'),
    sa.func.sum(sa.case((_EVENTS.c.kind == 'create', 1), else_=0)).label('created'),
    sa.func.sum(sa.case((_EVENTS.c.kind == 'delete', 1), else_=0)).label('deleted')).group_by(
        _EVENTS.c.resource_type, _EVENTS.c.resource_id).subquery()
_LAST_EVENTS = sa.select(_EVENTS, _OF_ONE.c.created, _OF_ONE.c.deleted).join(
    _OF_ONE, _EVENTS.c.id == _OF_ONE.c.last)
# What tenants see; other changes make no events.
_SEEN = ('status', 'size', 'project_id', 'volume_id', 'volume_size', 'attach_status')
_RESOURCES = {'volume': 'volumes', 'snapshot': 'snapshots', 'transfer': 'transfers',
              'attachment': 'volume_attachment'}


class Oracle:
    """Looks at one installation."""

    def __init__(self, suite: Suite):
        self._suite = suite
        self._engine = sa.create_engine(suite.database, poolclass=sa.pool.NullPool)
        self._notified = notified.of(suite)

    def check(self, seconds: float = 30) -> None:
        """Wait until everything fits together.

        :param seconds: time that the service has to come to rest
        :raises AssertionError: with the findings that are left when the time is over
        """
        deadline = time.monotonic() + seconds
        while True:
            findings = self.findings()
            if not findings:
                return
            if time.monotonic() > deadline:
                raise AssertionError('the oracle found:\n' + '\n'.join(findings))
            time.sleep(0.2)

    def unsent(self) -> int:
        """Return how many notifications are not sent yet."""
        with self._engine.connect() as conn:
            return self._notified.waiting(conn)

    def findings(self) -> list[str]:
        """Return all that does not fit at this moment, one line each."""
        with self._engine.connect() as conn:
            rows = {table.name: self._rows(conn, table)
                    for table in (_VOLUMES, _SNAPSHOTS, _TRANSFERS, _ATTACHMENTS, _MESSAGES)}
            rows['trash'] = conn.execute(_TRASH).all()
            operations = conn.execute(sa.select(_OPERATIONS)).all()
            recorded = conn.execute(_LAST_EVENTS).all()
            told = list(self._notified.findings(conn, operations))
        try:
            return [*_moving(rows), *_growing(rows, operations), *_left(rows),
                    *_unfinished(operations), *_silent(rows, operations), *self._files(rows),
                    *self._exports(rows), *self._quota(rows),
                    *_recorded(rows, recorded), *told]
        except CUT_OFF as exc:
            return [f'the API does not answer: {exc!r}']

    @staticmethod
    def _rows(conn: sa.Connection, table: sa.TableClause) -> list[sa.Row]:
        return conn.execute(sa.select(table).where(table.c.deleted.is_(sa.false()))).all()

    def _files(self, rows: dict[str, list[sa.Row]]) -> Iterator[str]:
        """Names and sizes on the disk against rows; an error may have left its resource unmade, and
        what could not be taken over has never been there under its name."""
        held = {f'volume-{row.name_id or row.id}': (row.status, row.size)
                for row in rows['volumes']}
        held |= {f'snapshot-{row.id}': (row.status, row.volume_size) for row in rows['snapshots']}
        held |= {f'trash-{row.resource_type}-{row.name_id or row.id}': (row.status, row.size)
                 for row in rows['trash']}
        sizes = self._suite.stored()
        yield from (f'on disk without a row: {name}' for name in sorted(sizes.keys() - held.keys()))
        for name, (status, gib) in sorted(held.items()):
            if name not in sizes:
                if status not in ('error', 'error_managing'):
                    yield f'row {name} ({status}) without its file'
            elif sizes[name] != gib * 2 ** 30:
                yield f'{name} ({status}) has {sizes[name] / 2 ** 30} GiB on disk, its row {gib}'

    def _exports(self, rows: dict[str, list[sa.Row]]) -> Iterator[str]:
        if self._suite.tgtd is None:
            return
        shown = subprocess.run(
            ['tgtadm', '--lld', 'iscsi', '--op', 'show', '--mode', 'target'], text=True,
            env=self._suite.environment(), capture_output=True, check=True).stdout
        targets = Counter(line.rpartition('volume-')[2] for line in shown.splitlines()
                          if line.startswith('Target '))
        # What moved is exported by the name that its place had before.
        names = {row.id: row.name_id or row.id for row in rows['volumes']}
        wanted = {names.get(row.volume_id, row.volume_id) for row in rows['volume_attachment']
                  if row.connection_info}
        yield from (f'export without an attachment: {name}' for name in targets.keys() - wanted)
        yield from (f'attachment without an export: {name}' for name in wanted - targets.keys())
        yield from (f'{count} exports of {name}' for name, count in targets.items() if count > 1)

    def _quota(self, rows: dict[str, list[sa.Row]]) -> Iterator[str]:
        """What the API calls used against what the rows add up to."""
        counted: dict[str, Counter] = {}
        sizes = {'volumes': lambda row: row.size + row.growth,
                 'snapshots': lambda row: row.volume_size}
        for kind, size in sizes.items():
            for row in rows[kind]:
                used = counted.setdefault(row.project_id, Counter())
                used[kind] += 1 if row.use_quota else 0
                used['gigabytes'] += size(row) if row.use_quota else 0
        for project, used in counted.items():
            client = Client(self._suite.endpoint, project=project)
            usage = client.get(f'os-quota-sets/{project}?usage=true')['quota_set']
            for name in ('volumes', 'snapshots', 'gigabytes'):
                if (usage[name]['in_use'], usage[name]['reserved']) != (used[name], 0):
                    yield f'quota {name} of {project} is {usage[name]}, rows: {used[name]}'


def _moving(rows: dict[str, list[sa.Row]]) -> Iterator[str]:
    for kind, column in (('volumes', 'status'), ('snapshots', 'status'),
                         ('volume_attachment', 'attach_status')):
        for row in rows[kind]:
            if getattr(row, column) in _MOVING:
                yield f'{kind} {row.id} is still {getattr(row, column)}'


def _growing(rows: dict[str, list[sa.Row]], operations: list[sa.Row]) -> Iterator[str]:
    """Room that is kept for a growth which nobody is about."""
    growing = {row.resource_id for row in operations
               if row.verb == 'volume.extend' and row.state in ('queued', 'running')}
    for row in rows['volumes']:
        if row.growth and row.id not in growing:
            yield f'volume {row.id} grows by {row.growth} GiB without an operation'


def _recorded(rows: dict[str, list[sa.Row]], last: list[sa.Row]) -> Iterator[str]:
    """Events against rows: what they say last is what the rows are, and nothing else exists."""
    for kind, name in _RESOURCES.items():
        told = {row.resource_id: row for row in last if row.resource_type == kind}
        present = {row.id: row for row in rows[name]}
        alive = {ident for ident, row in told.items() if row.kind != 'delete'}
        yield from (f'no event of {kind} {ident}' for ident in present.keys() - alive)
        yield from (f'no event of the end of {kind} {ident}' for ident in alive - present.keys())
        # What comes back from the trash is created again.
        yield from (f'{kind} {ident} was created {row.created} and deleted {row.deleted} times'
                    for ident, row in told.items()
                    if row.created - row.deleted != (row.kind != 'delete'))
        for ident in alive & present.keys():
            body = json.loads(told[ident].body)
            yield from (f'{kind} {ident}: {column} is {body[column]} in its last event, not {value}'
                        for column, value in present[ident]._asdict().items()
                        if column in _SEEN and body[column] != value)


def _left(rows: dict[str, list[sa.Row]]) -> Iterator[str]:
    """What hangs on volumes that are gone."""
    present = {row.id for row in rows['volumes']}
    for kind in ('volume_attachment', 'snapshots', 'transfers'):
        for row in rows[kind]:
            if row.volume_id not in present:
                yield f'{kind} {row.id} of volume {row.volume_id}, which is gone'


def _unfinished(operations: list[sa.Row]) -> Iterator[str]:
    for row in operations:
        if row.state in ('queued', 'running'):
            yield (f'operation {row.verb} of {row.resource_id} is {row.state}, '
                   f'owner {row.owner}, attempt {row.attempt}')


def _silent(rows: dict[str, list[sa.Row]], operations: list[sa.Row]) -> Iterator[str]:
    """Errors that nobody explains."""
    explained = {row.resource_uuid for row in rows['messages']}
    for kind in ('volumes', 'snapshots'):
        for row in rows[kind]:
            if 'error' in row.status and row.id not in explained:
                yield f'{kind} {row.id} is {row.status} without a message'
    for row in operations:
        if row.state == 'failed' and not row.error:
            yield f'operation {row.verb} of {row.resource_id} failed without a reason'
