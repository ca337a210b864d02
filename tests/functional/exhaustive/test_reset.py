# SPDX-License-Identifier: Apache-2.0
"""An administrator resets the status of what an operation is about: whenever it is, nothing stays
under way, counts what is not there, or cannot be deleted afterwards."""
import itertools

import pytest

from cinder import exception
from cinder.cmd import quota_recount
from cinder.db import backups as backups_db
from cinder.db import group_snapshots as group_snapshots_db
from cinder.db import group_types as group_types_db
from cinder.db import groups as groups_db
from cinder.db import journal
from cinder.db import messages as messages_db
from cinder.db import operations as operations_db
from cinder.db import snapshots as snapshots_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.objects import states
from cinder.volume.api import backups as backups_api
from cinder.volume.api import group_snapshots as group_snapshots_api
from cinder.volume.api import groups as groups_api
from cinder.volume.api import snapshots as snapshots_api
from cinder.volume.api import volume_actions
from cinder.volume.api import volumes as volumes_api
from tests.fakes import backup_service
from tests.fakes import journal as journal_fakes
from tests.unit.volume.conftest import BACKEND, POOL

KINDS = {'volume': (volumes_db, volumes_api), 'snapshot': (snapshots_db, snapshots_api),
         'group': (groups_db, groups_api), 'backup': (backups_db, backups_api),
         'group_snapshot': (group_snapshots_db, group_snapshots_api)}
UNDER_WAY = {*states.TRANSITIONAL, 'updating'}


class World:
    """One back end with resources that are at rest, and an operation that was accepted."""

    def __init__(self, ctxt, manager, sent):
        self.ctxt, self.manager, self.sent = ctxt, manager, sent
        self.driver, self.was_reset = manager.backend.driver, set()
        backup_service.register(ctxt, 'keeper')
        self.keeper = backup_service.BackupManager('keeper')

    def volume(self, **values):
        made = volumes_db.create(self.ctxt, {
            'project_id': 'p1', 'user_id': 'u1', 'size': 1, 'status': 'available', 'host': POOL,
            'attach_status': 'detached', 'use_quota': True, 'availability_zone': 'nova',
            'volume_type_id': types_db.default(self.ctxt).id, **values})
        self.driver.create_volume(made)
        return volumes_db.get(self.ctxt, made.id)

    def snapshot(self, volume, **values):
        made = snapshots_db.create(self.ctxt, {
            'project_id': 'p1', 'user_id': 'u1', 'volume_id': volume.id, 'volume_size': 1,
            'status': 'available', 'use_quota': True, 'volume_type_id': volume.volume_type_id,
            **values})
        found = snapshots_db.get(self.ctxt, made.id)
        self.driver.create_snapshot(found)
        return found

    def group(self, members=2):
        kind = group_types_db.create(self.ctxt, {'name': 'kind', 'is_public': True})
        made = groups_db.create(self.ctxt, {
            'project_id': 'p1', 'status': 'available', 'host': POOL, 'availability_zone': 'nova',
            'replication_status': 'disabled'}, [types_db.default(self.ctxt).id], kind)
        for _ in range(members):
            self.volume(group_id=made.id)
        return groups_db.get(self.ctxt, made.id)

    def group_snapshot(self):
        made = group_snapshots_api.create(self.ctxt, self.group())
        self.run(self.sent[-1][1])
        return group_snapshots_db.get(self.ctxt, made.id)

    def backup(self, volume):
        return backups_db.create(self.ctxt, {
            'project_id': 'p1', 'user_id': 'u1', 'volume_id': volume.id, 'size': 1,
            'status': 'available', 'host': 'keeper', 'availability_zone': 'nova'})

    # ------------------------------------------- each asks for something; (kind, resource) of it
    def extend(self, volume=None, size=2):
        volume = volume or self.volume()
        volumes_api.extend(self.ctxt, volume, size)
        journal_fakes.schedule(self.ctxt, self.sent[-1][1]['operation'], BACKEND)
        return 'volume', volume

    def cascade(self):
        volume = self.volume()
        for _ in range(2):
            self.snapshot(volume)
        volumes_api.delete(self.ctxt, volume, cascade=True)
        return 'volume', volume

    def revert(self):
        volume = self.volume()
        volume_actions.revert(self.ctxt, volume, self.snapshot(volume).id)
        return 'volume', volume

    def delete(self):
        volume = self.volume()
        volumes_api.delete(self.ctxt, volume)
        return 'volume', volume

    def snapshot_create(self):
        return 'snapshot', snapshots_api.create(self.ctxt, self.volume())

    def snapshot_delete(self):
        snapshot = self.snapshot(self.volume())
        snapshots_api.delete(self.ctxt, snapshot)
        return 'snapshot', snapshot

    def group_update(self):
        group, joins = self.group(), self.volume()
        leaves = groups_db.volume_ids(self.ctxt, group.id)[:1]
        groups_api.update(self.ctxt, group, {}, add=[joins.id], remove=leaves)
        return 'group', group

    def group_delete(self):
        group = self.group()
        groups_api.delete(self.ctxt, group, delete_volumes=True)
        return 'group', group

    def group_copy(self):
        return 'group', groups_api.copy_group(self.ctxt, self.group())

    def group_snapshot_create(self):
        return 'group_snapshot', group_snapshots_api.create(self.ctxt, self.group())

    def group_snapshot_delete(self):
        made = self.group_snapshot()
        group_snapshots_api.delete(self.ctxt, made)
        return 'group_snapshot', made

    def backup_create(self):
        return 'backup', backups_api.create(self.ctxt, self.volume())

    def backup_create_of_snapshot(self):
        volume = self.volume()
        return 'backup', backups_api.create(self.ctxt, volume, snapshot=self.snapshot(volume))

    def backup_restore(self):
        volume = self.volume()
        backup = self.backup(volume)
        backups_api.restore(self.ctxt, backup, volume)
        return 'backup', backups_db.get(self.ctxt, backup.id)

    # ------------------------------------------------------------------------------ what happens
    def run(self, arguments):
        operation = arguments['operation']
        runner = self.manager.runner if operation.host == BACKEND else self.keeper.runner
        runner.handlers[operation.verb](self.ctxt, **arguments)

    def go_on(self):
        """Do what the end of a backup leaves to the back end."""
        for row in journal.unfinished(self.ctxt, verb='snapshot.delete'):
            self.run({'operation': operations_db.get(self.ctxt, row['id'])})

    def reset(self, kind, resource, status):
        table, api = KINDS[kind]
        self.was_reset.add(resource.id)
        api.reset_status(self.ctxt, table.get(self.ctxt, resource.id), status)

    def clean(self):
        """Delete everything, as a tenant or administrator would."""
        for kind, more in (('backup', {}), ('group_snapshot', {}), ('snapshot', {'force': True}),
                           ('group', {'delete_volumes': True}), ('volume', {'force': True})):
            table, api = KINDS[kind]
            for row in table.list_rows(self.ctxt).rows:
                api.delete(self.ctxt, table.get(self.ctxt, row['id']), **more)
                self.run(self.sent[-1][1])

    def all(self):
        return [(kind, table.get(self.ctxt, row['id'])) for kind, (table, _api) in KINDS.items()
                for row in table.list_rows(self.ctxt).rows]


ASKED = ['extend', 'cascade', 'revert', 'delete', 'snapshot_create', 'snapshot_delete',
         'group_update', 'group_delete', 'group_copy', 'group_snapshot_create',
         'group_snapshot_delete', 'backup_create', 'backup_create_of_snapshot', 'backup_restore']
WHEN = ['before it is loaded', 'after it was loaded', 'at the storage', 'and the storage fails',
        'when it broke off']


@pytest.fixture
def world(ctxt, manager, sent):
    made = World(ctxt, manager, sent)
    yield made
    made.keeper.stop()


CASES = [(asked, when, ('available', 'error')[number % 2])
         for number, (when, asked) in enumerate(itertools.product(WHEN, [*ASKED, None])) if asked]


@pytest.mark.parametrize(('asked', 'when', 'status'), CASES)
def test_a_reset_leaks_nothing(ctxt, world, sent, folder, monkeypatch, asked, when, status):
    kind, resource = getattr(world, asked)()
    message = dict(sent[-1][1])
    strikes = iter([1])

    # The backup service of the tests has no storage.
    point = ':finish:before' if asked.startswith('backup') else ':driver:before'

    def reset(name):
        if name.endswith(point) and next(strikes, None):
            world.reset(kind, resource, status)
            if 'fails' in when:
                raise exception.VolumeBackendAPIException(data='broken')
    if when.startswith(('before', 'after')):
        world.reset(kind, resource, status)
        if when.startswith('before'):
            message = {'operation': message['operation']}
        world.run(message)
    elif 'broke off' in when:
        _break_off(monkeypatch, world, message, point)
        world.reset(kind, resource, status)
        world.run({'operation': operations_db.get(ctxt, message['operation'].id)})
    else:
        with monkeypatch.context() as patch:
            patch.setattr('cinder.fault_points.reach', reset)
            world.run(message)
        assert not next(strikes, None)
    _check(ctxt, world)
    world.clean()
    assert world.all() == [] and list(folder.iterdir()) == []


def _break_off(monkeypatch, world, message, point):
    """The work is done on storage, which does not say so."""
    def silent(name):
        if name.endswith(point.replace('driver:before', 'driver:after')):
            raise exception.BackendUnresponsive(data='silent')
    with monkeypatch.context() as patch:
        patch.setattr('cinder.fault_points.reach', silent)
        world.run(message)


@pytest.mark.parametrize(('overtaken', 'size'), [(False, 2), (True, 3)])
def test_what_a_broken_off_extension_did_is_in_the_row(ctxt, world, sent, folder, monkeypatch,
                                                       overtaken, size):
    """Whatever the status is by now, and if another one was faster."""
    kind, volume = world.extend()
    first = dict(sent[-1][1])
    _break_off(monkeypatch, world, first, ':driver:before')
    world.reset(kind, volume, 'available')
    if overtaken:
        world.extend(volumes_db.get(ctxt, volume.id), 3)
        world.run(sent[-1][1])
    world.run({'operation': operations_db.get(ctxt, first['operation'].id)})
    end = volumes_db.get(ctxt, volume.id)
    assert (end.size, end.growth, end.status) == (size, 0, 'available')
    assert (folder / volume.name).stat().st_size == size * 2 ** 30
    _check(ctxt, world)


def _check(ctxt, world):
    """Nothing is under way or counts twice; who finds something in error is told why."""
    world.go_on()
    found = world.all()
    assert [(kind, each.status) for kind, each in found if each.status in UNDER_WAY] == []
    assert [each.id for _kind, each in found if journal.unfinished_for(ctxt, each.id)] == []
    assert [each.id for kind, each in found if kind == 'volume' and each.growth] == []
    assert quota_recount.differences(ctxt) == []
    told = {row['resource_uuid'] for row in messages_db.list_rows(ctxt).rows}
    assert [(kind, each.id) for kind, each in found
            if each.status == 'error' and each.id not in told | world.was_reset] == []
