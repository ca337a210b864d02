# SPDX-License-Identifier: Apache-2.0
"""Notifications as the database gets them: with each, whether its transaction changes what it is
about. A kill then leaves both or none."""
import contextlib
import json

import sqlalchemy as sa
from oslo_messaging.rpc import client

from cinder.conf import CONF
from cinder.db import models, session
from cinder.db import notices as store
from cinder.rpc import base, notices, notifications

_NOTICES = models.Notice.__table__
# Beginning of an event -> tables of what it is about: column -> field of the payload that has its
# value. Without a column any row counts.
_VOLUME = {'volumes': ('id', 'volume_id'), 'volume_attachment': ('volume_id', 'volume_id'),
           'operations': ('resource_id', 'volume_id')}
_TYPE = {name: None for name in (
    'volume_types', 'volume_type_extra_specs', 'volume_type_projects', 'encryption',
    'quality_of_service_specs', 'quality_of_service_values', 'group_types', 'group_type_specs')}
TABLES = {
    'volume': _VOLUME,
    'snapshot': {'snapshots': ('id', 'snapshot_id'), 'operations': ('resource_id', 'snapshot_id')},
    'backup': {'backups': ('id', 'backup_id'), 'backup_metadata': ('backup_id', 'backup_id'),
               'operations': ('resource_id', 'backup_id')},
    'group': {'groups': ('id', 'group_id'), 'operations': ('resource_id', 'group_id')},
    'group_snapshot': {'group_snapshots': ('id', 'group_snapshot_id'),
                       'operations': ('resource_id', 'group_snapshot_id')},
    'groups': {'groups': ('id', 'id')}, 'groupsnapshots': {'group_snapshots': ('id', 'id')},
    'image_volume_cache': {'image_volume_cache_entries': ('image_id', 'image_id')},
    **{name: _TYPE for name in ('volume_type', 'volume_type_extra_specs', 'volume_type_project',
                                'volume_type_encryption', 'qos_specs', 'group_type',
                                'group_type_specs')}}


class Told:
    """Keeps what transactions write.

    :ivar events: (event, payload, tables in which the transaction changes what it is about)
    """

    def __init__(self):
        self.events = []
        self._last = 0

    def before_commit(self, _ctxt, conn):
        """One of session.BEFORE_COMMIT."""
        rows = conn.execute(sa.select(_NOTICES).where(
            _NOTICES.c.id > self._last).order_by(_NOTICES.c.id)).mappings().all()
        for row in rows:
            self._last = row['id']
            payload = json.loads(row['payload'])
            kind = row['event_type'].partition('.')[0]
            if kind == 'scheduler':
                kind = row['event_type'].rpartition('_')[2]
            with session.current().reader.connect() as committed:
                changed = [name for name, key in TABLES[kind].items()
                           if _rows(conn, name, key, payload) != _rows(committed, name, key,
                                                                       payload)]
            self.events.append((row['event_type'], payload, changed))

    @property
    def types(self):
        """Return the event types in their order."""
        return [event for event, _payload, _changed in self.events]

    def require_changes(self):
        """Every notification is about something that its transaction changes."""
        assert all(changed for _event, _payload, changed in self.events), [
            event for event, _payload, changed in self.events if not changed]


def _rows(conn, name, key, payload):
    table = models.metadata.tables[name]
    query = sa.select(table)
    if key:
        column, field = key
        query = query.where(table.c[column] == payload.get(field))
    return sorted(conn.execute(query).all(), key=str)


@contextlib.contextmanager
def kept(monkeypatch):
    """Enable notifications, which are kept and not sent; yields a Told."""
    monkeypatch.setattr(notices.Sender, 'wake', lambda _self: None)
    found = Told()
    monkeypatch.setattr(session, 'BEFORE_COMMIT', [*session.BEFORE_COMMIT, found.before_commit])
    base.init(CONF, url='fake:/', store=store)
    CONF.register_opts(client._client_opts)
    CONF.register_opts(notifications.library._notifier_opts, group=notifications.GROUP)
    CONF.set_override('driver', ['messagingv2'], notifications.GROUP)
    base._state['sender'] = notices.Sender(store, None)
    try:
        yield found
    finally:
        CONF.clear_override('driver', notifications.GROUP)
        base._state.clear()
