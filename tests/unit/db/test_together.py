# SPDX-License-Identifier: Apache-2.0
"""The transactions of a request that are committed as one: what is undone, what is visible, and
what waits for the commit."""
import pytest
import sqlalchemy as sa

from cinder import exception, fault_points
from cinder.db import idempotency_keys as keys
from cinder.db import models, session, together, volumes

ROW = {'id': 'k', 'token': 't', 'fields': '{}', 'reply': None, 'project_id': 'p1',
       'operation_id': None, 'resource_type': None, 'resource_id': None}


@pytest.fixture
def work(ctxt, make_volume):
    make_volume(id='before')
    ctxt.together = together.Together(ctxt, lambda conn: keys.insert(conn, ROW))
    yield ctxt.together
    ctxt.together.roll_back()
    ctxt.together = None


def seen(stranger):
    """Names of the volumes that another request sees, and the number of keys."""
    with session.reader(stranger) as conn:
        return (set(conn.execute(sa.select(models.Volume.__table__.c.id)).scalars()),
                conn.execute(sa.select(sa.func.count()).select_from(
                    models.IdempotencyKey.__table__)).scalar())


def test_all_or_nothing(work, ctxt, make_volume, stranger):
    make_volume(id='one')
    make_volume(id='two')
    assert volumes.get(ctxt, 'one').id == 'one'
    assert volumes.get(ctxt.elevated(), 'two').id == 'two'
    assert seen(stranger) == ({'before'}, 0)
    work.commit(lambda conn: keys.insert(conn, ROW))
    assert seen(stranger) == ({'before', 'one', 'two'}, 1)
    make_volume(id='later')
    assert 'later' in seen(stranger)[0]


def test_an_error_undoes_its_own_transaction(work, ctxt, make_volume, stranger):
    make_volume(id='one')
    with pytest.raises(ValueError), session.writer(ctxt):
        make_volume(id='two')
        raise ValueError
    work.commit(lambda conn: keys.insert(conn, ROW))
    assert seen(stranger) == ({'before', 'one'}, 1)


def test_an_error_in_the_first_one_is_tried_again(work, ctxt, make_volume, stranger):
    attempts = []

    @session.retry_on_deadlock
    def act(ctxt):
        with session.writer(ctxt):
            make_volume(id='one')
            attempts.append(1)
            if len(attempts) == 1:
                raise exception.DatabaseBusy()
    act(ctxt)
    work.commit(lambda conn: keys.insert(conn, ROW))
    assert len(attempts) == 2 and seen(stranger) == ({'before', 'one'}, 1)


def test_an_elevated_context_writes_into_the_same_transaction(ctxt, tenant, make_volume, stranger):
    everywhere = None
    tenant.together = together.Together(tenant, lambda conn: None)
    everywhere = tenant.elevated()
    with session.writer(everywhere):
        volumes.create(everywhere, {'id': 'one', 'project_id': 'p1', 'size': 1})
    assert volumes.get(tenant, 'one').id == 'one'
    assert seen(stranger) == (set(), 0)
    tenant.together.roll_back()
    assert seen(stranger) == (set(), 0)


def test_what_waits_for_the_commit(work, make_volume):
    done = []
    assert not work.after(lambda: done.append('too early'))
    make_volume(id='one')
    work.undo(lambda: done.append('undone'))
    assert work.after(lambda: 1 / 0)
    assert work.after(lambda: done.append('sent'))
    assert done == []
    work.commit(lambda conn: keys.insert(conn, ROW))
    assert done == ['sent']
    assert not work.after(lambda: done.append('too late'))


@pytest.mark.parametrize('how', ['key', 'roll_back'])
def test_what_is_undone(work, make_volume, stranger, how, ctxt):
    done = []
    make_volume(id='one')
    work.after(lambda: done.append('sent'))
    work.undo(lambda: done.append('undone'))
    if how == 'roll_back':
        work.roll_back()
    else:
        def taken(_conn):
            raise exception.KeyTaken()
        with pytest.raises(exception.KeyTaken):
            work.commit(taken)
    work.roll_back()
    assert done == ['undone'] and seen(stranger) == ({'before'}, 0)


def test_a_commit_of_unknown_result_undoes_nothing(work, make_volume, monkeypatch):
    done = []
    make_volume(id='one')
    work.undo(lambda: done.append('undone'))

    def commit(_transaction):
        raise exception.CommitUnknown()
    monkeypatch.setattr(session, 'commit', commit)
    with pytest.raises(exception.CommitUnknown):
        work.commit(lambda conn: keys.insert(conn, ROW))
    work.roll_back()
    assert done == []


def test_flush(work, make_volume, stranger):
    work.flush()
    assert seen(stranger) == ({'before'}, 0) and not work.flushed
    make_volume(id='one')
    work.flush()
    assert work.flushed and seen(stranger) == ({'before', 'one'}, 1)
    make_volume(id='two')
    work.flush()
    assert seen(stranger) == ({'before', 'one', 'two'}, 1)


def test_a_rehearsal_is_not_part_of_it(work, ctxt, make_volume, stranger):
    with session.rehearsal(ctxt), session.writer(ctxt):
        make_volume(id='one')
        assert volumes.get(ctxt, 'one').id == 'one'
    work.commit(lambda conn: keys.insert(conn, ROW))
    assert seen(stranger) == ({'before'}, 1)


def test_a_fault_after_the_commit_undoes_nothing(work, make_volume, stranger):
    done = []
    make_volume(id='one')
    work.undo(lambda: done.append('undone'))
    fault_points.arm(['request:commit:after=raise'])
    try:
        with pytest.raises(exception.CinderException):
            work.commit(lambda conn: keys.insert(conn, ROW))
    finally:
        fault_points.arm([])
    assert done == [] and seen(stranger) == ({'before', 'one'}, 1)


def test_a_key_is_inserted_once(ctxt, database):
    with session.writer(ctxt) as conn:
        keys.insert(conn, ROW)
    with pytest.raises(exception.KeyTaken), session.writer(ctxt) as conn:
        keys.insert(conn, {**ROW, 'token': 'other'})
    keys.remove(ctxt, {'id': 'k', 'token': 'other'})
    assert keys.find(ctxt, 'k')['token'] == 't'
    keys.answer(ctxt, {'id': 'k', 'token': 't'}, 'first')
    keys.answer(ctxt, {'id': 'k', 'token': 't'}, 'second')
    assert keys.find(ctxt, 'k')['reply'] == 'first'
