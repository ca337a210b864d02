# SPDX-License-Identifier: Apache-2.0
"""The database fails at every statement and every commit of every operation: what was asked for is
done in the end, once, and nothing is put in error that storage did with success."""
import contextlib

import pytest
import sqlalchemy as sa
from oslo_db import exception as db_exc

from cinder import exception, operations
from cinder.db import messages as messages_db
from cinder.db import operations as operations_db
from cinder.db import quotas as quotas_db
from cinder.db import session
from cinder.db import snapshots as snapshots_db
from cinder.db import volumes as volumes_db
from cinder.volume.api import snapshots as snapshots_api
from cinder.volume.api import volume_actions
from cinder.volume.api import volumes as volumes_api
from cinder.volume.host import locks
from tests.fakes.journal import wake
from tests.unit.volume.conftest import BACKEND, POOL

GIB = 2 ** 30


class Faults:
    """What happens to the statements and commits of this process, counted from the start.

    :ivar at: number of the statement or commit that fails; None: none does.
    :ivar until_mended: whether all that follow fail too.
    """

    def __init__(self, error, until_mended=False, at_commits=False, after=False):
        self.error, self.until_mended = error, until_mended
        self.at_commits, self.after = at_commits, after
        self.at, self.count, self.struck = None, 0, False

    def arm(self, number):
        self.at, self.count, self.struck = number, 0, False

    def mend(self):
        self.at = None

    def strike(self):
        self.count += 1
        if self.at is not None and (self.count == self.at
                                    or self.until_mended and self.count > self.at):
            self.struck = True
            raise self.error()

    def statement(self, *_args):
        if not self.at_commits:
            self.strike()
        elif self.struck and self.until_mended and self.at is not None:
            raise self.error()

    def commit(self, conn):
        if self.at_commits:
            if self.after and self.count + 1 == self.at:
                conn.connection.driver_connection.commit()
            self.strike()


KINDS = {
    'deadlock': lambda: Faults(db_exc.DBDeadlock),
    'cut': lambda: Faults(db_exc.DBConnectionError),
    'away': lambda: Faults(db_exc.DBConnectionError, until_mended=True),
    'lost before the commit': lambda: Faults(db_exc.DBConnectionError, at_commits=True),
    'lost after the commit': lambda: Faults(db_exc.DBConnectionError, at_commits=True,
                                            after=True),
    'away after the commit': lambda: Faults(db_exc.DBConnectionError, at_commits=True,
                                            after=True, until_mended=True),
}


@pytest.fixture
def faults(database, manager, monkeypatch, request):
    monkeypatch.setattr(session.time, 'sleep', lambda seconds: None)
    made = KINDS[request.param]()
    engines = {session.current().reader, session.current().writer}
    for engine in engines:
        sa.event.listen(engine, 'before_cursor_execute', made.statement)
        sa.event.listen(engine, 'commit', made.commit)
    yield made
    for engine in engines:
        sa.event.remove(engine, 'before_cursor_execute', made.statement)
        sa.event.remove(engine, 'commit', made.commit)


class World:
    """One back end and what is asked of it."""

    def __init__(self, ctxt, manager, sent, folder):
        self.ctxt, self.manager, self.sent, self.folder = ctxt, manager, sent, folder

    def run(self, operation, resource=None):
        """Deliver a message, or let the poller find the operation; errors are for the log."""
        with contextlib.suppress(exception.DatabaseTrouble):
            self.manager.runner.handlers[operation.verb](self.ctxt, operation, resource)

    def accepted(self, **values):
        volume = volumes_api.create(self.ctxt, size=1, **values)
        operation = self.sent[-1][1]['operation']
        operations.OperationRunner('s', 'schedule', {}).claim(self.ctxt, operation)
        volumes_db.update(self.ctxt, volume.id, {'host': POOL})
        operations_db.requeue(self.ctxt, operation, stage='execute', host=BACKEND)
        return volumes_db.get(self.ctxt, volume.id), operation

    def volume(self):
        volume, operation = self.accepted()
        self.run(operation, volume)
        return volumes_db.get(self.ctxt, volume.id)

    def snapshot(self, volume):
        made = snapshots_api.create(self.ctxt, volume)
        self.run(self.sent[-1][1]['operation'], made)
        return snapshots_db.get(self.ctxt, made.id)

    def asked(self):
        """The operation and the resource of the last message."""
        arguments = dict(self.sent[-1][1])
        return arguments.pop('operation'), *arguments.values()

    # Each asks for something, and returns its operation, its resource and how to see it done.
    def create(self):
        volume, operation = self.accepted()
        return operation, volume, lambda: self.size(volume) == GIB

    def clone(self):
        volume, operation = self.accepted(source_volume=self.volume())
        return operation, volume, lambda: self.size(volume) == GIB

    def delete(self):
        volume = self.volume()
        volumes_api.delete(self.ctxt, volume)
        return *self.asked(), lambda: self.size(volume) is None

    def cascade(self):
        volume = self.volume()
        snapshots = [self.snapshot(volume) for _ in range(2)]
        volumes_api.delete(self.ctxt, volume, cascade=True)
        return *self.asked(), lambda: {self.size(each) for each in [volume, *snapshots]} == {None}

    def extend(self):
        volume = self.volume()
        volumes_api.extend(self.ctxt, volume, 2)
        return *self.asked(), lambda: self.size(volume) == 2 * GIB

    def snapshot_create(self):
        made = snapshots_api.create(self.ctxt, self.volume())
        return *self.asked(), lambda: self.size(made) == GIB

    def snapshot_delete(self):
        snapshot = self.snapshot(self.volume())
        snapshots_api.delete(self.ctxt, snapshot)
        return *self.asked(), lambda: self.size(snapshot) is None

    def revert(self):
        volume = self.volume()
        snapshot = self.snapshot(volume)
        volume_actions.revert(self.ctxt, volume, snapshot.id)
        return *self.asked(), lambda: snapshots_db.get(
            self.ctxt, snapshot.id).status == 'available'

    def size(self, resource):
        path = self.folder / resource.name
        return path.stat().st_size if path.exists() else None


@pytest.fixture
def world(ctxt, manager, sent, folder):
    quotas_db.set_limits(ctxt, ctxt.project_id, dict.fromkeys(
        ('volumes', 'snapshots', 'gigabytes'), -1))
    return World(ctxt, manager, sent, folder)


def check(world, operation, done):
    """All is as after an operation that nothing disturbed."""
    ended = operations_db.get(world.ctxt, operation.id)
    assert (ended.state, ended.error) == ('done', None)
    assert done()
    assert messages_db.list_rows(world.ctxt).rows == []
    volumes = volumes_db.list_rows(world.ctxt, detail=True).rows
    assert {row['status'] for row in volumes} <= {'available'}
    assert {row['status'] for row in snapshots_db.list_rows(
        world.ctxt, detail=True).rows} <= {'available'}
    usage = quotas_db.limits_and_usage(world.ctxt, world.ctxt.project_id).usage
    assert usage.get('volumes', 0) == len(volumes)
    # In memory, where nothing else would find a mistake before the next report.
    assert sum(world.manager.backend._allocated.values()) == sum(
        row['size'] for row in volumes if row['host'])


# All kinds for the shortest; for the others what could find a place of their own to go wrong.
CASES = [*((kind, verb) for kind in KINDS for verb in ('create', 'extend')),
         *(('away', verb) for verb in ('clone', 'delete', 'cascade', 'snapshot_create',
                                       'snapshot_delete', 'revert')), ('deadlock', 'revert')]


@pytest.mark.parametrize(('faults', 'verb'), CASES, indirect=['faults'])
def test_done_in_the_end_whatever_fails(world, faults, verb):
    number = 0
    while True:
        number += 1
        operation, resource, done = getattr(world, verb)()
        faults.arm(number)
        world.run(operation, resource)
        struck = faults.struck
        faults.mend()
        _resume(world, operation)
        if faults.after and faults.until_mended:
            # Who could not be told of the end did not count what changed either.
            world.manager.report_capabilities(world.ctxt)
        check(world, operation, done)
        if not struck:
            break
    assert number > (2 if faults.at_commits else 3)


def _resume(world, operation):
    """What the poller does, without its pauses."""
    runner = world.manager.runner
    runner._release(world.ctxt)
    left = operations_db.get(world.ctxt, operation.id)
    # Also where the commit of the claim was in doubt, nothing waits for its lease to lapse.
    assert left.state != 'running'
    if left.finished_at is None:
        world.run(left)


@pytest.mark.parametrize('when', ['before', 'after'])
@pytest.mark.parametrize('verb', ['create', 'clone', 'delete', 'cascade', 'extend',
                                  'snapshot_create', 'snapshot_delete', 'revert'])
def test_what_has_to_wait_at_the_storage_fails_nothing(world, monkeypatch, verb, when):
    """No clean-up, message, status or attempt; and it is done when nobody is waited for."""
    operation, resource, done = getattr(world, verb)()
    statuses = _statuses(world)

    def busy(name):
        if name.endswith(f':driver:{when}'):
            raise exception.NotYet(60, 'somebody')
    with monkeypatch.context() as patch:
        patch.setattr('cinder.fault_points.reach', busy)
        for _look in range(2):
            with pytest.raises(exception.NotYet):
                world.run(operations_db.get(world.ctxt, operation.id))
            row = operations_db.get(world.ctxt, operation.id)
            assert (row.state, row.attempt, row.owner) == ('queued', 0, None)
            wake(world.ctxt, operation)
    # What was removed with it already is not there again.
    assert set(_statuses(world)) <= set(statuses)
    assert messages_db.list_rows(world.ctxt).rows == []
    world.run(operations_db.get(world.ctxt, operation.id), resource)
    check(world, operation, done)


def _statuses(world):
    return [(row['id'], row['status']) for table in (volumes_db, snapshots_db)
            for row in table.list_rows(world.ctxt, detail=True).rows]


@pytest.mark.parametrize('verb', ['delete', 'cascade', 'extend', 'snapshot_delete', 'revert'])
def test_what_ends_bytes_waits_until_nobody_reads_them(world, monkeypatch, verb):
    """Of the volume, or of a snapshot that goes with it."""
    monkeypatch.setattr(locks, 'READ_SECONDS', 0.001)
    operation, resource, done = getattr(world, verb)()
    read = resource if verb != 'cascade' else snapshots_db.for_volume(world.ctxt, resource.id)[0]
    with locks.read_lock(read), pytest.raises(exception.NotYet):
        world.run(operation, resource)
    assert world.size(read) == GIB
    row = operations_db.get(world.ctxt, operation.id)
    assert (row.state, row.attempt) == ('queued', 0)
    wake(world.ctxt, operation)
    world.run(row)
    check(world, operation, done)
