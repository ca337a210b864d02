# SPDX-License-Identifier: Apache-2.0
"""What runs operations: from messages and the poller to the handlers, and their end."""
import contextlib
import datetime
import itertools
import re
import threading

import pytest

from cinder import context, exception, operations
from cinder.db import journal
from cinder.db import messages as messages_db
from cinder.db import operations as operations_db
from cinder.db import volumes as volumes_db
from cinder.db import waiting as waiting_db
from cinder.operations import runner as runner_module
from tests.unit.operations.conftest import HOST, make_runner


def test_what_a_broken_handler_held_is_found_again(ctxt, operation):
    runner = make_runner()
    with pytest.raises(ZeroDivisionError), runner.claimed(ctxt, operation, 'test'):
        _ = 1 / 0
    found, = journal.pending(ctxt, stage='execute', owner='b|1', host=HOST)
    assert (found.state, found.attempt) == ('queued', 1)


def test_a_fresh_message_is_left_alone_for_a_while(ctxt, operation):
    assert journal.pending(ctxt, stage='execute', owner='b|1', host=HOST, grace=5) == []


def test_work_of_a_cluster_is_found_by_each_of_its_hosts(ctxt, volume):
    operations_db.create(ctxt, 'volume.extend', volume, host='one@files', cluster='c@files')
    assert journal.pending(ctxt, stage='execute', owner='two|1', host='two@files') == []
    assert len(journal.pending(ctxt, stage='execute', owner='two|1', host='two@files',
                               cluster='c@files')) == 1


def test_an_operator_has_the_work_of_a_dead_host_taken_at_once(ctxt, volume):
    operation = operations_db.create(ctxt, 'volume.extend', volume, host='one@files',
                                     cluster='c@files')
    operations_db.claim(ctxt, operation, 'one@files|dead', 3600)
    seen = []

    def handler(ctxt, operation, _resource):
        two.claim(ctxt, operation)
        seen.append(operation.fence)

    two = make_runner({'volume.extend': handler}, host='two@files', cluster='c@files')
    assert two.take_over([]) == two.take_over(['one@file']) == two.poll() == 0
    assert two.take_over(['one@files'], resource_id='another') == 0
    assert two.take_over(['one@files'], resource_type='volume', resource_id=volume.id) == 1
    two.wait()
    assert seen == [2]


def test_poll_runs_what_is_left_with_the_identity_that_asked(ctxt, operation):
    seen = []

    def handler(ctxt, operation, _resource):
        runner.claim(ctxt, operation)
        seen.append((ctxt.user_id, ctxt.project_id, ctxt.request_id, operation.arguments))

    runner = make_runner({'volume.extend': handler})
    assert runner.poll() == 1
    runner.wait()
    assert seen == [('u1', 'p1', operation.request_id, {'new_size': 2})]


def test_a_failure_is_told_to_the_tenant(ctxt, operation, volume):
    make_runner().claim(ctxt, operation)
    operations.fail(ctxt, operation, volume, 'No room.', growth=0)
    assert volumes_db.get(ctxt, volume.id).status == 'error_extending'
    message, = messages_db.list_rows(ctxt).rows
    assert message['user_message'] == 'extend volume:No room.'
    assert message['event_id'] == 'VOLUME_VOLUME_007_001'
    assert operations_db.get(ctxt, operation.id).error == 'No room.'


def test_what_was_done_is_kept_when_another_request_changed_the_status(ctxt, operation, volume):
    make_runner().claim(ctxt, operation)
    volumes_db.overwrite(ctxt, volume.id, {'status': 'deleting'})
    assert not operations.succeed(ctxt, operation, volume, size=2, growth=0)
    done = volumes_db.get(ctxt, volume.id)
    assert (done.status, done.size, done.growth) == ('deleting', 2, 0)
    assert operations_db.get(ctxt, operation.id).error == operations.SUPERSEDED
    message, = messages_db.list_rows(ctxt).rows
    assert operations.SUPERSEDED in message['user_message']


def test_what_no_longer_counts_is_written_by_a_failure_too(ctxt, operation, volume):
    make_runner().claim(ctxt, operation)
    volumes_db.overwrite(ctxt, volume.id, {'status': 'available', 'growth': 1})
    assert not operations.fail(ctxt, operation, volume, 'No room.', growth=0)
    left = volumes_db.get(ctxt, volume.id)
    assert (left.status, left.growth) == ('available', 0)


@pytest.mark.parametrize(('error', 'words'), [
    (exception.VolumeNotFound(volume_id='v'), 'Volume v could not be found.'),
    (exception.VolumeBackendAPIException(data='/dev/secret'),
     'The storage back end reported an error.'),
    (ValueError('secret'), 'The storage back end reported an error.')])
def test_tenants_read_no_internals(error, words):
    assert operations.tenant_reason(error) == words


def test_finished_operations_are_purged_by_age(ctxt, operation, volume):
    make_runner().claim(ctxt, operation)
    operations_db.finish(ctxt, operation)
    assert journal.purge_finished(ctxt, 60) == 0
    assert journal.purge_finished(ctxt, -60) == 1
    with pytest.raises(exception.OperationNotFound):
        operations_db.get(ctxt, operation.id)


def test_context_of_a_resumed_operation_is_an_administrators(ctxt, operation):
    made = operations.request_context(operation)
    assert isinstance(made, context.RequestContext) and made.is_admin


def test_what_waits_for_somebody_is_set_aside_and_counts_as_no_attempt(ctxt, operation):
    runner = make_runner()
    with pytest.raises(exception.NotYet), runner.claimed(ctxt, operation, 'test'):
        raise exception.NotYet(60, 'a copy')
    row = operations_db.get(ctxt, operation.id)
    assert (row.state, row.attempt, row.owner) == ('queued', 0, None)
    where = {'stage': 'execute', 'owner': 'b|1', 'host': HOST}
    assert journal.pending(ctxt, **where) == []
    with pytest.raises(exception.OperationLost):
        make_runner(host='other@files').claim(ctxt, row)


def test_what_was_set_aside_is_looked_at_when_its_time_has_come(ctxt, operation):
    seen = []

    def handler(ctxt, operation, _resource):
        with runner.claimed(ctxt, operation, 'test'):
            seen.append(operation.attempt)
            if len(seen) < 3:
                raise exception.NotYet(-1, 'a copy')

    runner = make_runner({'volume.extend': handler})
    # Its time is over at once: no timer is waited for.
    runner._again_in = lambda *_args: None
    for _look in range(3):
        assert runner.poll() == (1 if len(seen) < 3 else 0)
        assert runner.wait(10)
        operations_db.get(ctxt, operation.id)
        runner._former_life = True
    assert seen == [1, 1, 1]


def test_one_that_waits_is_told_of_when_it_begins_to_and_when_it_ends(ctxt, operation, caplog):
    """However often it looks: neither the log nor the count of attempts grows."""
    runner, looks = make_runner(), 20
    caplog.set_level('INFO')
    for number in range(looks):
        with pytest.raises(exception.NotYet), runner.claimed(ctxt, operation, 'test'):
            raise exception.NotYet(-1, 'a copy' if number else 'a lock')
    assert operations_db.get(ctxt, operation.id).attempt == 0
    with runner.claimed(ctxt, operation, 'test'):
        assert operation.attempt == 1
    told = [re.search('begins|waits for .*|ends', line)[0] for line in caplog.messages]
    assert told == ['begins', 'waits for a lock.', 'waits for a copy.', 'ends']


def test_how_long_one_has_waited_is_known_whoever_looks(ctxt, operation, monkeypatch):
    clock = itertools.count(100, 10)
    monkeypatch.setattr(waiting_db, '_now', lambda _ctxt: datetime.datetime.fromtimestamp(
        next(clock), datetime.UTC).replace(tzinfo=None))
    pauses, late = [], exception.InvalidVolume(reason='late')
    with pytest.raises(exception.InvalidVolume):
        while True:
            found = operations_db.get(ctxt, operation.id)
            with (contextlib.suppress(exception.NotYet),
                  make_runner().claimed(ctxt, found, 'test')):
                try:
                    operations.wait(ctxt, found, 'a copy', within=35, otherwise=late, longest=25)
                except exception.NotYet as exc:
                    pauses.append(exc.seconds)
                    raise exception.NotYet(-1, exc.reason) from exc
    # The pauses grow with the time, and another reason begins anew.
    assert pauses == [0.1, 10, 20, 25]
    assert waiting_db.waited(ctxt, operations_db.get(ctxt, operation.id), 'a lock') == 0


def test_a_thousand_that_wait_need_one_thread(ctxt, operation, volume):
    looked = threading.Event()

    def handler(_ctxt, asked, _resource):
        if asked.id == operation.id:
            looked.set()
            return
        raise exception.NotYet(3600, 'somebody')

    runner = make_runner({'volume.extend': handler})
    before = threading.active_count()
    for number in range(1000):
        fake = operation.obj_clone()
        fake.id = str(number)
        runner.submit(ctxt, fake)
        runner.wait(10)
    runner.submit(ctxt, operation)
    assert looked.wait(10) and runner.wait(10)
    assert threading.active_count() - before <= runner.executor.bounds['short'] + 1
    runner.stop()


def test_a_message_only_puts_the_operation_into_the_executor(ctxt, operation, volume):
    began, gate = threading.Event(), threading.Event()

    def handler(_ctxt, _operation, resource):
        began.set()
        assert gate.wait(10)
        seen.append(resource)

    seen = []
    runner = make_runner({'volume.extend': handler})
    endpoint = operations.Messages(runner, None)
    endpoint.extend_volume(ctxt, operation=operation, volume=volume)
    assert began.wait(10)
    # The same message again, and the poller, find it under way.
    endpoint.extend_volume(ctxt, operation=operation, volume=volume)
    assert runner.poll() == 0
    gate.set()
    assert runner.wait(10)
    assert seen == [volume]


def test_a_resource_that_waited_long_is_loaded_again(ctxt, operation, volume, monkeypatch):
    monkeypatch.setattr(runner_module, 'FRESH_SECONDS', -1)
    seen = []
    runner = make_runner(
        {'volume.extend': lambda _ctxt, _operation, resource: seen.append(resource)})
    runner.submit(ctxt, operation, volume)
    assert runner.wait(10)
    assert seen == [None]


def test_a_stop_begins_nothing_and_gives_back_what_does_not_end(ctxt, operation, volume):
    began, gate, lost = threading.Event(), threading.Event(), []

    def handler(ctxt, operation, _resource):
        with runner.claimed(ctxt, operation, 'test'):
            began.set()
            assert gate.wait(10)
            try:
                operations.succeed(ctxt, operation, volume, size=2)
            except exception.OperationLost:
                lost.append(operation.id)

    runner = make_runner({'volume.extend': handler}, bounds={'short': 1, 'bulk': 1})
    waiting = operations_db.create(ctxt, 'volume.extend', volume, host=HOST)
    runner.submit(ctxt, operation)
    assert began.wait(10)
    runner.submit(ctxt, waiting)
    runner.stop()
    assert not runner.submit(ctxt, waiting)
    assert not runner.wait(0.01)
    runner.release_operations()
    # Both are there for others at once, and who comes too late writes nothing.
    free = journal.pending(ctxt, stage='execute', owner='b|1', host=HOST)
    assert {each.id for each in free} == {operation.id, waiting.id}
    gate.set()
    assert runner.wait(10)
    assert lost == [operation.id]
    assert volumes_db.get(ctxt, volume.id).size == 1


def test_a_crowd_of_one_project_hides_nothing_of_another(ctxt, database):
    for project, number in (('crowd', 5), ('other', 2)):
        made = volumes_db.create(ctxt, {'project_id': project, 'size': 1, 'host': f'{HOST}#p'})
        for size in range(number):
            operations_db.create(ctxt, 'volume.extend', made, host=HOST,
                                 arguments={'new_size': size})
    found = journal.pending(ctxt, stage='execute', owner='b|1', host=HOST, limit=4)
    assert [(each.project_id, each.arguments['new_size']) for each in found] == [
        ('crowd', 0), ('other', 0), ('crowd', 1), ('other', 1)]


def test_what_a_dead_host_ran_is_taken_at_once_also_after_it_waited(ctxt, operation):
    """Its lease has not lapsed: only what the poller knows of the host lets it be claimed."""
    operations_db.claim(ctxt, operation, f'{HOST}|former', 3600)
    looks = []

    def handler(ctxt, operation, _resource):
        looks.append(operation.id)
        if len(looks) == 1:
            raise exception.NotYet(0, 'a lock')
        runner.claim(ctxt, operation)
        claimed.set()

    claimed, runner = threading.Event(), make_runner({'volume.extend': handler})
    assert runner.poll() == 1
    assert claimed.wait(30)


def test_an_attempt_that_is_deferred_again_and_again_is_logged_once_per_minute(
        ctxt, operation, monkeypatch, caplog):
    caplog.set_level('INFO')
    now, outcomes = [1000.0], []

    def handler(_ctxt, _operation, _resource):
        if outcomes.pop():
            raise exception.NotYet(1, 'a lock')

    runner = make_runner({'volume.extend': handler})
    monkeypatch.setattr(runner_module.time, 'monotonic', lambda: now[0])
    monkeypatch.setattr(runner, '_again_in', lambda *_arguments: None)

    def lines(attempt, seconds, deferred=True):
        operation.attempt, now[0] = attempt, now[0] + seconds
        outcomes.append(deferred)
        caplog.clear()
        runner._execute(ctxt, operation, None, now[0])
        return [record.message for record in caplog.records if 'Resuming' in record.message]

    assert not lines(0, 1)
    assert len(lines(1, 1)) == 1
    assert not lines(1, 1) and not lines(1, 57)
    assert len(lines(1, 2)) == 1
    assert len(lines(2, 1)) == 1
    assert not lines(2, 1, deferred=False)
    assert runner._announced == {}
    assert len(lines(2, 1)) == 1
