# SPDX-License-Identifier: Apache-2.0
"""Queries of the checks before an adoption: each yields the ids of rows for which something is so.
preflight.py says what that means and what to do about it."""
import collections
import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from cinder import host_names
from cinder.conf import keymgr
from cinder.db.adoption import conversions, selection
from cinder.db.adoption.source import Source
from cinder.objects import states


class Found(NamedTuple):
    """A row, and words for the text of its check."""

    row_id: object
    words: str = ''


class Target(NamedTuple):
    """What the configuration here has.

    :param hosts: renamed beginnings of host names
    :param backends: name of a back end -> why it cannot be used; empty: it can
    :param keys: ids of keys that can be used: 'none', 'fixed' for that of the configuration, or
        'all'
    :param down_seconds: after how many seconds without a report a service is down
    :param backup_drivers: whether a class path names a driver that exists here
    """

    hosts: Mapping[str, str]
    backends: Mapping[str, str]
    keys: str = 'all'
    down_seconds: int = 60
    backup_drivers: Callable[[str], bool] = bool


Query = Callable[[Source, Target], Iterator[Found]]
# Statuses in which a service works on a resource. A client can continue attachments.
TRANSITIONAL: dict[str, tuple[str, ...]] = {
    'volumes': states.TRANSITIONAL,
    'snapshots': ('creating', 'deleting', 'updating', 'unmanaging', 'backing-up', 'restoring'),
    'backups': ('creating', 'deleting', 'restoring'),
    'groups': ('creating', 'deleting', 'updating'),
    'group_snapshots': ('creating', 'deleting', 'updating'),
}
# Tables of keys and values -> column of the owner.
PAIRS = {'volume_metadata': 'volume_id', 'volume_admin_metadata': 'volume_id',
         'snapshot_metadata': 'snapshot_id', 'backup_metadata': 'backup_id',
         'volume_type_extra_specs': 'volume_type_id', 'group_type_specs': 'group_type_id'}
_MIGRATING = ('starting', 'migrating', 'completing', 'deleting')


def _select(source: Source, table: str, columns: Sequence[str],
            *where: Callable[[sa.TableClause], sa.ColumnElement]) -> list[Any]:
    """Return rows that are not deleted; none if the revision lacks the table or a column."""
    if not set(columns) <= set(source.columns(table)):
        return []
    target = source.table(table)
    query = sa.select(*(target.c[name] for name in columns)).where(
        *selection.live(source, table), *(each(target) for each in where))
    with source.connect() as conn:
        return list(conn.execute(query))


# ------------------------------------------------------------------------------------- services
def reporting(source: Source, target: Target) -> Iterator[Found]:
    """Yield services whose last report is not older than service_down_time."""
    with source.connect() as conn:
        now = conversions.moment(conn.exec_driver_sql(_NOW[conn.dialect.name]).scalar_one())
    for binary, host, updated, created in _select(
            source, 'services', ('binary', 'host', 'updated_at', 'created_at')):
        last = _moment(updated) or _moment(created)
        if now and last and now - last < datetime.timedelta(seconds=target.down_seconds):
            yield Found(f'{binary} on {host}')


# Now in UTC.
_NOW = {'sqlite': "SELECT datetime('now')", 'mysql': 'SELECT utc_timestamp()',
        'mariadb': 'SELECT utc_timestamp()', 'postgresql': "SELECT timezone('utc', now())"}


def _moment(value: object) -> datetime.datetime | None:
    try:
        return conversions.moment(value)
    except conversions.Unusable:  # reported by the check of values
        return None


# ------------------------------------------------------------------------------------- statuses
def in_statuses(table: str, statuses: Sequence[str]) -> Query:
    def find(source: Source, _target: Target) -> Iterator[Found]:
        for row_id, status in _select(source, table, ('id', 'status'),
                                      lambda each: each.c.status.in_(statuses)):
            yield Found(row_id, status)
    return find


def migrating(source: Source, _target: Target) -> Iterator[Found]:
    """Yield volumes that are migrated, and those that are made for it."""
    for row_id, status in _select(
            source, 'volumes', ('id', 'migration_status'),
            lambda each: each.c.migration_status.in_(_MIGRATING)
            | each.c.migration_status.like('target:%')):
        yield Found(row_id, status.partition(':')[0])


def sharing_a_target(source: Source, _target: Target) -> Iterator[Found]:
    """Yield attached volumes whose target has other volumes, too: the row has only a path."""
    for row_id, _location in _select(
            source, 'volumes', ('id', 'provider_location'),
            lambda each: each.c.provider_location.like('/dev/%') & (each.c.status == 'in-use')):
        yield Found(row_id)


def without(table: str, column: str) -> Query:
    def find(source: Source, _target: Target) -> Iterator[Found]:
        for row_id, _value in _select(source, table, ('id', column),
                                      lambda each: each.c[column].is_(None)):
            yield Found(row_id)
    return find


def any_of(table: str) -> Query:
    def find(source: Source, _target: Target) -> Iterator[Found]:
        for row_id, in _select(source, table, ('id',)):
            yield Found(row_id)
    return find


def temporaries(source: Source, _target: Target) -> Iterator[Found]:
    """Yield backups that have not removed what they made for their time."""
    names = ('id', 'temp_volume_id', 'temp_snapshot_id')
    for row_id, volume, snapshot in _select(
            source, 'backups', names, lambda each: each.c.temp_volume_id.is_not(None)
            | each.c.temp_snapshot_id.is_not(None)):
        yield Found(row_id, f'volume {volume}' if volume else f'snapshot {snapshot}')


def pending_transfers(source: Source, _target: Target) -> Iterator[Found]:
    for row_id, _accepted in _select(source, 'transfers', ('id', 'accepted'),
                                     lambda each: each.c.accepted.is_not(sa.true())):
        yield Found(row_id)


def duplicates(table: str, owner: str) -> Query:
    def find(source: Source, _target: Target) -> Iterator[Found]:
        if not source.columns(table):
            return
        target = source.table(table)
        pair = target.c[owner], target.c.key
        query = sa.select(*pair).where(*selection.live(source, table)).group_by(*pair).having(
            sa.func.count() > 1)
        with source.connect() as conn:
            for owner_id, key in conn.execute(query):
                yield Found(owner_id, str(key))
    return find


# ------------------------------------------------------------------------------- configuration
def on_unknown_backend(table: str) -> Query:
    def find(source: Source, target: Target) -> Iterator[Found]:
        reasons: dict[str, str] = {}
        for row_id, host in _select(source, table, ('id', 'host'),
                                    lambda each: each.c.host.is_not(None)):
            if host not in reasons:
                reasons[host] = _why_unknown(conversions.rename(str(host), target.hosts), target)
            if reasons[host]:
                yield Found(row_id, reasons[host])
    return find


def _why_unknown(host: str, target: Target) -> str:
    """Return why no back end here can serve the rows of a host; empty if one can."""
    place = host_names.backend_of(host) or host
    backend = place.partition('@')[2]
    if not backend:
        return f'{place}, which names no back end (expected HOST@BACKEND)'
    if backend not in target.backends:
        return f'{place}, and enabled_backends does not name {backend}'
    reason = target.backends[backend]
    return f'{place}, whose driver cannot be used here: {reason}' if reason else ''


def without_keys(table: str) -> Query:
    def find(source: Source, target: Target) -> Iterator[Found]:
        if target.keys == 'all':
            return
        for row_id, key in _select(source, table, ('id', 'encryption_key_id'),
                                   lambda each: each.c.encryption_key_id.is_not(None)):
            if key == keymgr.FIXED_KEY_ID and target.keys == 'none':
                yield Found(row_id, '[key_manager] fixed_key, whose key they have')
            elif key != keymgr.FIXED_KEY_ID:
                yield Found(row_id, 'key manager that has their keys')
    return find


def by_unknown_driver(source: Source, target: Target) -> Iterator[Found]:
    for row_id, service in _select(source, 'backups', ('id', 'service'),
                                   lambda each: each.c.service.is_not(None)):
        if not target.backup_drivers(service):
            yield Found(row_id, service)


# ---------------------------------------------------------------------------------------- quotas
def drifted(source: Source, _target: Target) -> Iterator[Found]:
    """Yield projects whose stored usage is not that of the rows, for the quotas that count rows;
    snapshots may count for gigabytes or not."""
    usage = _usage(source)
    for project, resource, in_use in _select(source, 'quota_usages',
                                             ('project_id', 'resource', 'in_use')):
        if resource in _COUNTED and in_use not in usage[project, resource]:
            yield Found(project, resource)


_COUNTED = ('volumes', 'snapshots', 'backups', 'groups', 'gigabytes', 'backup_gigabytes')


def _usage(source: Source) -> Mapping[tuple[str, str], tuple[int, ...]]:
    """Return (project, quota) -> the usages that are right."""
    sums: dict[tuple[str, str], int] = collections.Counter()
    for table, size, quota in (('volumes', 'size', 'gigabytes'),
                               ('snapshots', 'volume_size', 'snapshot gigabytes'),
                               ('backups', 'size', 'backup_gigabytes'), ('groups', None, '')):
        names = ('project_id', *filter(None, (size,)))
        counting = 'use_quota' in source.columns(table)
        where = [lambda each: each.c.use_quota.is_(sa.true())] if counting else []
        for project, *sizes in _select(source, table, names, *where):
            sums[project, table] += 1
            for each in sizes:
                sums[project, quota] += each if isinstance(each, int) else 0
    right = {key: (value,) for key, value in sums.items()}
    for project in {project for project, _quota in sums}:
        volumes = sums[project, 'gigabytes']
        right[project, 'gigabytes'] = volumes, volumes + sums[project, 'snapshot gigabytes']
    return collections.defaultdict(lambda: (0,), right)
