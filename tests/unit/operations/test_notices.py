# SPDX-License-Identifier: Apache-2.0
"""However an operation ends, the notification is written in the transaction of the end; and each
place that notifies of something is one whose transaction a test looks at, or says why not."""
import ast
import fnmatch
import itertools
import pathlib

import pytest

import cinder
from cinder import objects, operations
from cinder.db import backups as backups_db
from cinder.db import group_snapshots as group_snapshots_db
from cinder.db import group_types as group_types_db
from cinder.db import groups as groups_db
from cinder.db import operations as operations_db
from cinder.db import session
from cinder.db import snapshots as snapshots_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.objects import states
from cinder.objects.verbs import VERBS
from cinder.operations import notices, outcome
from cinder.rpc import notifications
from tests import told as told_module
from tests.api.test_notifications import REQUESTS

HOST = 'here@files#files'
TABLES = {'volume': states.VOLUME, 'snapshot': states.SNAPSHOT, 'backup': states.BACKUP,
          'group': states.GROUP, 'group_snapshot': states.GROUP_SNAPSHOT}
# Verbs of resources, without those that are only steps in user messages.
TOLD = [verb for verb in VERBS if verb.partition('.')[0] in TABLES
        and notifications.EVENTS.get(verb, verb) and verb.partition('.')[2] in TABLES[
            verb.partition('.')[0]]]
# What is notified of beside operations and REQUESTS -> the test that looks at its transaction.
CHANGES = {
    'volume.attach.end': 'volume/manager/test_attachments.py::test_a_connection_is_notified_of',
    'volume.attach.error': 'volume/manager/test_attachments.py::test_a_connection_is_notified_of',
    'volume.detach.end': 'volume/api/test_attachments.py::test_an_end_is_notified_of_with_its_row',
    'volume.attach': 'volume/api/test_attachments.py::test_an_end_is_notified_of_with_its_row',
    'volume.delete.end': 'volume/api/test_volumes.py::test_a_deletion_without_a_back_end',
    'group.delete.end': 'volume/api/test_groups.py::test_a_deletion_without_a_back_end',
    'volume.migrate.end':
        'volume/manager/test_volume_migrations.py::test_a_copy_is_notified_of_in_its_exchange',
    'volume.transfer.accept': '../api/test_notifications.py::test_a_transfer_to_its_end',
    'volume.transfer.delete': '../api/test_notifications.py::test_a_transfer_to_its_end',
    'image_volume_cache.hit':
        'volume/manager/test_image_cache.py::test_uses_are_notified_of_with_their_rows',
    'image_volume_cache.evict':
        'volume/manager/test_image_cache.py::test_uses_are_notified_of_with_their_rows',
    'backup.createprogress':
        'backup/test_progress.py::test_progress_is_notified_of_as_it_is_written',
    'backup.verify.end': 'backup/test_verbs.py::test_a_result_is_notified_of_as_it_is_written',
    'backup.verify.error': 'backup/test_verbs.py::test_a_result_is_notified_of_as_it_is_written',
    'backup.reset_status': 'volume/api/test_backups.py::test_a_reset_is_notified_of_with_its_row',
    'scheduler.create_volume': 'scheduler/test_notices.py::test_a_refusal',
}
# What is about no change of the database. Pattern of event types -> what it is about.
ALONE = {
    'volume.attach.start': 'a call of the API begins',
    'volume.detach.start': 'a call of the API begins',
    'image_volume_cache.miss': 'an image is not found',
    'capacity.*': 'a measurement, in memory until the broker has it',
    '*.exists': 'a command reads the rows, and fails if the broker does not confirm',
}


@pytest.fixture
def make(ctxt, database):
    """(verb) -> a resource in the status that it has during the operation, and the operation."""
    def volume(**values):
        return volumes_db.create(ctxt, {'project_id': 'p1', 'size': 1, 'host': HOST,
                                        'volume_type_id': types_db.default(ctxt).id, **values})

    def group(**values):
        kind = group_types_db.create(ctxt, {'name': 'kind', 'is_public': True})
        return groups_db.create(ctxt, {'project_id': 'p1', 'host': HOST, **values},
                                [types_db.default(ctxt).id], kind)

    def snapshot(**values):
        return snapshots_db.create(ctxt, {'project_id': 'p1', 'volume_size': 1,
                                          'volume_id': volume(status='available').id, **values})

    def backup(**values):
        return backups_db.create(ctxt, {'project_id': 'p1', 'size': 1,
                                        'volume_id': volume(status='available').id, **values})

    def group_snapshot(**values):
        return group_snapshots_db.create(ctxt, {'project_id': 'p1', **values},
                                         group(status='available'))
    makers = {'volume': volume, 'snapshot': snapshot, 'backup': backup, 'group': group,
              'group_snapshot': group_snapshot}

    def make(verb):
        kind, _, row = verb.partition('.')
        row = TABLES[kind][row]
        found = makers[kind](status=row.meanwhile or (row.allowed or ('available',))[0])
        resource = outcome._KINDS[kind][0].get(ctxt, found.id)
        operation = operations_db.create(ctxt, verb, resource, host='here')
        operations_db.claim(ctxt, operation, 'here', 60)
        return resource, operation
    return make


def _succeed(ctxt, operation, resource):
    operations.succeed(ctxt, operation, resource)


def _fail(ctxt, operation, resource):
    operations.fail(ctxt, operation, resource, 'why')


@pytest.mark.parametrize(('phase', 'end'), [('end', _succeed), ('error', _fail)],
                         ids=['end', 'error'])
@pytest.mark.parametrize('verb', TOLD)
def test_start_and_end_of_every_operation(ctxt, make, told, verb, phase, end):
    resource, operation = make(verb)
    for _attempt in range(2):
        notices.begin(ctxt, operation, resource)
    end(ctxt, operation, resource)
    events = [notifications.event_of(each, operation, resource) for each in ('start', phase)]
    assert told.types == [event for event in events if event]
    kind = told_module.TABLES[verb.partition('.')[0]]
    assert told.events[-1][2] == [name for name in kind if name in told.events[-1][2]] != []
    told.require_changes()
    if phase == 'error':
        assert told.events[-1][1]['reason'] == 'why'


@pytest.mark.parametrize('change', [
    lambda ctxt, resource: volumes_db.overwrite(ctxt, resource.id, {'status': 'error'}),
    lambda ctxt, resource: volumes_db.destroy(ctxt, resource.id)], ids=['reset', 'deleted'])
@pytest.mark.parametrize('end', [_succeed, _fail])
def test_what_another_request_took_over_has_no_end(ctxt, make, told, change, end):
    resource, operation = make('volume.extend')
    change(ctxt, resource)
    end(ctxt, operation, resource)
    assert told.types == []


def test_a_cancelled_operation(ctxt, make, told):
    resource, operation = make('backup.create')
    operations.cancel(ctxt, operation.id)
    assert told.types == ['backup.create.error']
    assert told.events[0][1]['status'] == 'error'
    told.require_changes()


def test_a_queued_one_that_is_cancelled(ctxt, make, told):
    resource, operation = make('volume.extend')
    operations_db.requeue(ctxt, operation, stage='execute', host='here')
    operations.cancel(ctxt, operation.id)
    assert told.types == ['volume.resize.error']
    told.require_changes()


@pytest.mark.parametrize('use_quota', [True, False])
def test_resources_of_the_service_itself(ctxt, make, told, use_quota):
    """The destination of a migration, and volumes of the image cache."""
    resource, operation = make('volume.create')
    resource.use_quota = use_quota
    notices.begin(ctxt, operation, resource)
    operations.succeed(ctxt, operation, resource)
    assert len(told.types) == 2 * use_quota


# ------------------------------------------------------------------------ members of a resource
def _member(ctxt, verb, resource, status):
    if notices.MEMBERS[verb].kind == 'volume':
        return volumes_db.create(ctxt, {
            'project_id': 'p1', 'size': 1, 'status': status, 'host': HOST,
            'volume_type_id': types_db.default(ctxt).id, 'group_id': resource.id})
    values = {'project_id': 'p1', 'volume_size': 1, 'status': status}
    if verb == 'volume.delete':
        return snapshots_db.create(ctxt, {**values, 'volume_id': resource.id})
    volume = volumes_db.create(ctxt, {'project_id': 'p1', 'size': 1, 'status': 'available'})
    return snapshots_db.create(ctxt, {**values, 'volume_id': volume.id,
                                      'group_snapshot_id': resource.id})


@pytest.mark.parametrize('verb', notices.MEMBERS)
def test_members_begin_and_fail_with_their_resource(ctxt, make, told, verb):
    resource, operation = make(verb)
    operation.arguments = {'cascade': True}
    members = notices.MEMBERS[verb]
    member = _member(ctxt, verb, resource, members.meanwhile)
    _member(ctxt, verb, resource, 'available')  # it takes no part
    notices.begin(ctxt, operation, resource)
    operations.fail(ctxt, operation, resource, 'why')
    events = [notifications.event_of(phase, objects.Operation(
        verb=each, resource_type=each.partition('.')[0]), member)
        for phase in ('start', 'error') for each in (verb, members.verb)]
    assert told.types == events
    assert told.events[-1][2], 'the member did not fail in the same transaction'


@pytest.mark.parametrize('verb', [verb for verb, each in notices.MEMBERS.items()
                                  if each.meanwhile == 'deleting'])
def test_a_member_that_is_removed(ctxt, make, told, verb):
    resource, operation = make(verb)
    member = _member(ctxt, verb, resource, 'deleting')
    kind = notices.MEMBERS[verb].kind
    operations.record_member_removed(ctxt, operation, kind, member)
    assert told.types == [f'{kind}.delete.end']
    told.require_changes()


# ----------------------------------------------------------------------- all that is notified of
_SAY = ('notify', 'notify_cache', 'notify_admin', 'notify_now', 'notify_capacity', 'of_change',
        'of_admin', 'as_it_is')


def events_in_the_code():
    """Yield (event type with * for what is computed, place) of each call that names one."""
    root = pathlib.Path(cinder.__file__).parent
    for path in sorted(root.rglob('*.py')):
        text = path.read_text()
        if not any(name in text for name in _SAY):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call):
                name = getattr(node.func, 'attr', getattr(node.func, 'id', None))
                arguments = node.args
                if name == 'partial' and getattr(node.args[0], 'attr', '') in _SAY:
                    name = node.args[0].attr
                if name in _SAY:
                    for event in filter(None, map(_text, arguments)):
                        yield event, f'{path.relative_to(root)}:{node.lineno}'


def _text(node):
    """Return a text with a dot, '*' in place of what is computed."""
    if isinstance(node, ast.JoinedStr):
        found = ''.join(each.value if isinstance(each, ast.Constant) else '*'
                        for each in node.values)
    else:
        found = node.value if isinstance(node, ast.Constant) else None
    return found if isinstance(found, str) and '.' in found and ' ' not in found else None


def test_every_notification_is_looked_at():
    """A new one needs a line: in REQUESTS of the API, in CHANGES of the managers, or in ALONE."""
    looked_at = {*CHANGES, *ALONE, *itertools.chain.from_iterable(
        events for _method, _path, _body, events in REQUESTS)}
    looked_at |= {event.rpartition('.')[0] for event in looked_at}
    found = dict(events_in_the_code())
    assert len(found) > 30, found
    for place in CHANGES.values():
        path, _, name = place.partition('::')
        text = (pathlib.Path(__file__).parents[1] / path).read_text()
        function = text.partition(f'def {name}(')[2].partition('\ndef ')[0]
        assert 'told' in function and 'require_changes()' in function, place
    missing = {event: place for event, place in found.items()
               if not any(fnmatch.fnmatch(event, each) or fnmatch.fnmatch(each, event)
                          for each in looked_at)}
    assert not missing


@pytest.mark.parametrize('opened', [True, False])
def test_a_notification_outside_a_transaction_is_reported(ctxt, database, monkeypatch, opened):
    seen = []
    monkeypatch.setattr(notifications, 'report_outside', seen.append)
    volume = volumes_db.create(ctxt, {'project_id': 'p1', 'size': 1})
    if opened:
        with session.writer(ctxt):
            notifications.notify(ctxt, 'volume', 'volume.x', volume)
    else:
        notifications.notify(ctxt, 'volume', 'volume.x', volume)
    assert seen == [] if opened else ['volume.x']


def test_snapshots_that_are_deleted_with_the_row_of_their_volume(ctxt, make, told):
    """They were made after a reset of its status, so the deletion knows nothing of them."""
    resource, operation = make('volume.delete')
    _member(ctxt, 'volume.delete', resource, 'available')
    operations.succeed(ctxt, operation, resource)
    assert told.types == ['snapshot.delete.end', 'volume.delete.end']
    told.require_changes()
