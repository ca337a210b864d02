# SPDX-License-Identifier: Apache-2.0
"""Notifications against rows: what is in the logs of the daemons, where the driver `log` sends it,
and what waits in the database. Together they are complete, in order, and about what has happened.

A process that is killed between sending and deleting leaves a notification twice, with one id."""

import functools
import json
import pathlib
import re
from collections import Counter
from collections.abc import Iterator

import sqlalchemy as sa

from tests.functional.suite import Suite

# 2026-11-30 14:00:00.123 ... oslo.messaging.notification.volume.create.end [...] {...}
_LINE = re.compile(
    r'^(\S+ \S+) .*?oslo\.messaging\.notification\.\S+ .*?(\{"message_id.*\}|\{.*"message_id.*\})$')
_NOTICES = sa.table('notices', *(sa.column(name) for name in (
    'id', 'message_id', 'event_type', 'payload')))
# Verb of the journal -> event, of those whose operations are compared.
_EVENTS = {'volume.create': 'volume.create', 'volume.delete': 'volume.delete',
           'volume.extend': 'volume.resize', 'snapshot.create': 'snapshot.create',
           'snapshot.delete': 'snapshot.delete', 'backup.create': 'backup.create',
           'backup.restore': 'backup.restore', 'backup.delete': 'backup.delete',
           # What comes back from the trash is created again.
           'volume.restore': 'volume.create', 'snapshot.restore': 'snapshot.create'}
# Verbs of the journal that let a resource live again.
_AGAIN = ('volume.restore', 'snapshot.restore')
# What happens once in the life of a resource.
_ONCE = ('create', 'delete')


class Notified:
    """Reads the notifications of an installation.

    :ivar sent: (time, message id, event, payload) in the order of the lines of each daemon
    """

    def __init__(self, suite: Suite) -> None:
        self._suite = suite
        self.sent: list[tuple[str, str, str, dict]] = []
        self._read: Counter[pathlib.Path] = Counter()

    @property
    def enabled(self) -> bool:
        """Return whether the installation writes its notifications to its logs."""
        return self._suite.options.get('oslo_messaging_notifications', {}).get('driver') == 'log'

    def findings(self, conn: sa.Connection, operations: list[sa.Row]) -> Iterator[str]:
        """Yield what does not fit, one line each.

        :param operations: the rows of the journal
        """
        if not self.enabled:
            return
        # First what waits: what is sent meanwhile is in the logs then.
        waiting = conn.execute(sa.select(_NOTICES).order_by(_NOTICES.c.id)).all()
        self._read_logs()
        known, present = self._resources(conn)
        yield from _judge(self._by_resource(waiting), operations, known, present)

    def waiting(self, conn: sa.Connection) -> int:
        """Return how many notifications are not sent yet."""
        return conn.execute(sa.select(sa.func.count()).select_from(_NOTICES)).scalar_one()

    def _read_logs(self) -> None:
        for process in self._suite.processes.values():
            with process.log.open('rb') as file:
                file.seek(self._read[process.log])
                for line in file:
                    if not line.endswith(b'\n'):
                        break  # it is being written
                    self._read[process.log] += len(line)
                    found = b'messaging.notification' in line and _LINE.match(
                        line.decode(errors='replace').rstrip())
                    if found:
                        message = json.loads(found[2])
                        self.sent.append((found[1], message['message_id'],
                                          message['event_type'], message['payload']))

    @staticmethod
    def _resources(conn: sa.Connection) -> tuple[dict[str, bool], set[str]]:
        """Return id -> whether it is billed, of all rows, and the ids of those not deleted."""
        known, present = {}, set()
        for name in ('volumes', 'snapshots', 'backups'):
            table = sa.table(name, sa.column('id'), sa.column('use_quota'), sa.column('deleted'))
            billed = sa.true() if name == 'backups' else table.c.use_quota
            for row in conn.execute(sa.select(table.c.id, table.c.deleted, billed.label('billed'))):
                known[row.id] = row.billed is not False
                if not row.deleted:
                    present.add(row.id)
        return known, present

    def _by_resource(self, waiting: list[sa.Row]) -> dict[str, list[str]]:
        """Return id -> event types in their order, each message once."""
        # The lines of one daemon are in order already; only one of all sends at a time.
        everything = [each[1:] for each in sorted(self.sent, key=lambda each: each[0])] + [
            (row.message_id, row.event_type, json.loads(row.payload)) for row in waiting]
        found: dict[str, list[str]] = {}
        ids = set()
        for ident, event, payload in everything:
            kind = event.partition('.')[0]
            resource = payload.get(f'{kind}_id')
            if ident not in ids and resource:
                found.setdefault(resource, []).append(event)
            ids.add(ident)
        return found


@functools.lru_cache
def of(suite: Suite) -> Notified:
    """Return the Notified of an installation, which reads each line of its logs once."""
    return Notified(suite)


def _judge(events: dict[str, list[str]], operations: list[sa.Row], known: dict[str, bool],
           present: set[str]) -> Iterator[str]:
    yield from (f'notifications of what never was: {ident}: {events[ident]}'
                for ident in events.keys() - known.keys()
                if not events[ident][0].startswith('group'))
    done, failed, again = Counter(), Counter(), Counter()
    for row in operations:
        again[row.resource_id] += row.verb in _AGAIN
        if row.verb in _EVENTS and known.get(row.resource_id):
            ended = done if row.state == 'done' else failed if row.state == 'failed' else None
            if ended is not None:
                ended[row.resource_id, _EVENTS[row.verb]] += 1
    for ident in known.keys() & (events.keys() | {ident for ident, _event in done}):
        if known[ident]:
            yield from _judge_one(ident, events.get(ident, []), done, failed,
                                  again[ident] if ident in present else None)


def _judge_one(ident: str, told: list[str], done: Counter, failed: Counter,
               again: int | None) -> Iterator[str]:
    """:param again: how often the resource, which is there, came back from the trash."""
    counts = Counter(told)
    for event in set(_EVENTS.values()):
        ends, wanted = counts[f'{event}.end'], done[ident, event]
        once = event.endswith(_ONCE)
        # What has no back end, or is deleted with something else, has no operation.
        if ends < wanted or ends > (max(wanted, 1) if once else wanted):
            yield f'{ident}: {ends} {event}.end for {wanted} operations: {told}'
        if event.endswith('delete') and again is not None and ends > again:
            yield f'{ident} is there, but was deleted, say {told}'
        if counts[f'{event}.error'] > failed[ident, event]:
            yield f'{ident}: more {event}.error than failed operations: {told}'
        starts = counts[f'{event}.start']
        if starts < ends or (once and starts > failed[ident, event] + max(wanted, 1)):
            yield f'{ident}: {starts} {event}.start: {told}'
        if starts and ends and told.index(f'{event}.start') > told.index(f'{event}.end'):
            yield f'{ident}: {event} ends before it starts: {told}'
    yield from _judge_order(ident, told, again is not None)


def _judge_order(ident: str, told: list[str], is_present: bool) -> Iterator[str]:
    """A life begins with the creation, and ends with the deletion."""
    for kind in ('volume', 'snapshot', 'backup'):
        created, deleted = f'{kind}.create.end', f'{kind}.delete.end'
        making = (f'{kind}.create.', f'{kind}.createprogress', f'{kind}.update.')
        if created in told and not all(event.startswith(making)
                                       for event in told[:told.index(created)]):
            yield f'{ident}: something precedes the creation: {told}'
        if created in told and making[1] in (
                *told[:told.index(f'{kind}.create.start')], *told[told.index(created):]):
            yield f'{ident}: it is being created before or after its creation: {told}'
        if deleted in told and told[-1] != deleted and not is_present:
            yield f'{ident}: something follows the deletion: {told}'
