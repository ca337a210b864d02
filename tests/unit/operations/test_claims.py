# SPDX-License-Identifier: Apache-2.0
"""Which service holds an operation, for how long, and that a late holder can write nothing."""
import pytest

from cinder import exception, operations
from cinder.conf import CONF
from cinder.db import journal
from cinder.db import operations as operations_db
from cinder.db import volumes as volumes_db
from tests.unit.operations.conftest import HOST, make_runner


def test_only_one_holder(ctxt, operation):
    late = operations_db.get(ctxt, operation.id)
    make_runner().claim(ctxt, operation)
    assert (operation.fence, operation.attempt, operation.state) == (1, 1, 'running')
    with pytest.raises(exception.OperationLost):
        make_runner(host='other@files').claim(ctxt, late)


def test_a_lapsed_lease_is_taken_over_and_the_former_holder_is_fenced_off(ctxt, operation, volume):
    paused = operations_db.get(ctxt, operation.id)
    operations_db.claim(ctxt, paused, 'a|1', -1)
    found, = journal.pending(ctxt, stage='execute', owner='b|1', host=HOST)
    operations_db.claim(ctxt, found, 'b|1', 60)
    with pytest.raises(exception.OperationLost):
        operations.succeed(ctxt, paused, volume, size=2)
    assert volumes_db.get(ctxt, volume.id).size == 1
    operations.succeed(ctxt, found, volume, size=2)
    done = volumes_db.get(ctxt, volume.id)
    assert (done.size, done.status) == (2, 'in-use')


def test_a_renewed_lease_is_not_taken(ctxt, operation):
    runner = make_runner()
    CONF.set_override('operation_lease', 5)
    try:
        with runner.claimed(ctxt, operation, 'test'):
            operations_db.renew(ctxt, runner.owner, -1, [operation.id])
            runner.renew()
            assert journal.pending(ctxt, stage='execute', owner='b|1', host=HOST) == []
    finally:
        CONF.clear_override('operation_lease')


def test_another_thread_of_the_holder_gets_nothing(ctxt, operation):
    """To the journal both are one: a claim whose commit is in doubt must be the asker's own."""
    runner, late = make_runner(), operations_db.get(ctxt, operation.id)
    with (runner.claimed(ctxt, operation, 'test'), pytest.raises(exception.OperationLost),
          runner.claimed(ctxt, late, 'test')):
        pytest.fail('held twice')
    assert operations_db.get(ctxt, operation.id).fence == 1


def test_what_was_given_back_is_found_without_grace(ctxt, operation):
    where = {'stage': 'execute', 'owner': 'b|1', 'host': HOST, 'grace': 5}
    assert journal.pending(ctxt, **where) == []
    operations_db.claim(ctxt, operation, 'a|1', 60)
    operations_db.release(ctxt, operation)
    assert len(journal.pending(ctxt, **where)) == 1


def test_a_new_life_takes_what_the_former_one_ran_at_once(ctxt, operation):
    operations_db.claim(ctxt, operation, f'{HOST}|former', 3600)
    for owner, expected in ((f'{HOST}|new', 1), ('here@filesystem|x', 0)):
        assert len(journal.pending(ctxt, stage='execute', owner=owner, host=HOST,
                                   dead=[owner.partition('|')[0]])) == expected


def test_nothing_is_taken_while_the_service_is_not_ready(ctxt, operation):
    runner = make_runner(ready=lambda: False)
    assert runner.poll() == 0
    with pytest.raises(exception.OperationLost):
        runner.claim(ctxt, operation)
