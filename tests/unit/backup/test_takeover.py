# SPDX-License-Identifier: Apache-2.0
"""Which operations of other hosts a backup service runs, and what it passes on when it stops."""
import types

import pytest

from cinder.backup import takeover
from cinder.conf import CONF
from cinder.db import backups as backups_db
from cinder.db import operations as operations_db
from cinder.db import services as services_db
from cinder.objects.verbs import BULK, SHORT
from tests.fakes import backup_service
from tests.fakes import bus as fake_bus

MINE = 'tests.Driver'


@pytest.fixture
def bus(monkeypatch):
    return fake_bus.Bus().install(monkeypatch)


@pytest.fixture
def runner(database, ctxt, bus):
    """The runner of host 'here' in the zone of this configuration, with nobody to do the work."""
    made = []

    def make(worker: int = 0, host: str = 'here'):
        store = types.SimpleNamespace(answers=True, service=MINE)
        made.append(takeover.BackupRunner(host, store, {}, worker, {SHORT: 1, BULK: 1}))
        return made[-1]
    yield make
    for each in made:
        each.stop()


def operation(ctxt, host, verb='backup.create', **values):
    backup = backups_db.create(ctxt, {
        'project_id': 'p1', 'volume_id': '3f2f1c5e-0000-4000-8000-000000000000', 'size': 1,
        'status': 'creating', 'host': host, 'availability_zone': 'nova', **values})
    return operations_db.create(ctxt, verb, backup, host=host)


def found(ctxt, runner, dead=()):
    return [each.id for each in runner._pending(ctxt, dead=dead)]


@pytest.mark.parametrize(('other', 'values', 'mine'), [
    ({'up': True}, {}, False),
    ({'up': False}, {}, True),
    (None, {}, True),  # its row was removed
    ({'up': False}, {'service': MINE}, True),
    ({'up': False}, {'service': 'tests.Another'}, False),
    ({'up': False, 'zone': 'far'}, {'availability_zone': 'far'}, True),
    ({'up': False}, {'availability_zone': None}, True),
])
def test_operations_of_a_host_that_is_gone(ctxt, runner, other, values, mine):
    backup_service.register(ctxt, 'here')
    if other is not None:
        backup_service.register(ctxt, 'there', **other)
    waiting = operation(ctxt, 'there', **values)
    assert found(ctxt, runner()) == ([waiting.id] if mine else [])


def test_a_zone_with_a_service_keeps_its_operations(ctxt, runner):
    backup_service.register(ctxt, 'here')
    backup_service.register(ctxt, 'gone', zone='far', up=False)
    backup_service.register(ctxt, 'near', zone='far')
    operation(ctxt, 'gone', availability_zone='far')
    assert found(ctxt, runner()) == []


def test_an_import_is_for_any_driver(ctxt, runner):
    waiting = operation(ctxt, 'gone', 'backup.import', service='tests.Another')
    assert found(ctxt, runner()) == [waiting.id]


def test_a_disabled_service_takes_nothing_over(ctxt, runner):
    backup_service.register(ctxt, 'here', disabled=True)
    operation(ctxt, 'gone')
    own = operation(ctxt, 'here')
    assert found(ctxt, runner()) == [own.id]


def test_what_runs_is_taken_when_its_lease_ends_or_its_host_is_dead(ctxt, runner):
    here, there = runner(), runner(worker=1, host='there')
    running = operation(ctxt, 'there')
    operations_db.claim(ctxt, running, there.owner, 60)
    assert found(ctxt, here) == []
    assert found(ctxt, here, dead=('there',)) == [running.id]


def test_a_new_process_takes_what_its_former_self_ran_and_not_its_siblings(ctxt, runner):
    former, sibling, new = runner(0), runner(1), runner(0)
    left, held = operation(ctxt, 'here'), operation(ctxt, 'here')
    operations_db.claim(ctxt, left, former.owner, 60)
    operations_db.claim(ctxt, held, sibling.owner, 60)
    assert found(ctxt, new, dead=(new.process,)) == [left.id]


def test_a_host_that_stops_is_down_and_asks_another(ctxt, bus, runner):
    backup_service.register(ctxt, 'here')
    runner().hand_over(ctxt)
    assert bus.sent == []  # there is no other
    backup_service.register(ctxt, 'other')
    runner().hand_over(ctxt)
    message, = bus.sent
    assert (message.host, message.method, message.args['dead']) == ('other', 'take_over', [])
    up = services_db.list_rows(ctxt, binary='cinder-backup', is_up=True)
    assert [row['host'] for row in up] == ['other']


def test_deletions_can_come_before_being_up(ctxt, runner):
    own = runner()
    deletion = operation(ctxt, 'here', 'backup.delete', status='deleting')
    own.wait_for_deletions(ctxt)
    assert 'backup_service_inithost_offload' in own.trouble()
    operations_db.claim(ctxt, deletion, own.owner, 60)
    operations_db.finish(ctxt, deletion)
    assert own.trouble() == '' and CONF.backup_service_inithost_offload
