# SPDX-License-Identifier: Apache-2.0
"""Transactions: joining, rolling back, waiting for a turn, retrying, the names of errors."""
import multiprocessing
import sqlite3
import threading
import time

import pytest
import sqlalchemy as sa
from oslo_db import exception as db_exc

from cinder import context, exception
from cinder.conf import CONF
from cinder.db import engines, models, session

LOCKS = models.QuotaLock.__table__


def add(ctxt, name):
    with session.writer(ctxt) as conn:
        conn.execute(LOCKS.insert().values(project_id=name))


def names(ctxt):
    with session.reader(ctxt) as conn:
        return sorted(conn.execute(sa.select(LOCKS.c.project_id)).scalars())


def test_nested_writers_and_readers_join(database, ctxt):
    with session.writer(ctxt) as outer:
        add(ctxt, 'a')
        with session.writer(ctxt.elevated()) as inner, session.reader(ctxt) as reading:
            assert outer is inner is reading
        assert names(ctxt) == ['a']
        assert names(context.get_admin_context()) == []
    assert names(context.get_admin_context()) == ['a']
    assert ctxt.connection is None


def test_a_rehearsal_writes_nothing(database, ctxt):
    for each in (ctxt, context.RequestContext(is_admin=False, overwrite=False)):
        with session.rehearsal(each) as started:
            with session.writer(each):
                add(each.elevated(), 'a')
            add(each.elevated(), 'b')
            assert names(context.get_admin_context()) == started == []
        add(each, 'c')
        assert names(ctxt) == ['c']
        with session.writer(ctxt) as conn:
            conn.execute(LOCKS.delete())


def test_an_error_does_not_show_the_values(database, ctxt):
    """A parameter may be a CHAP secret (CVE-2014-7230 was of this kind)."""
    with pytest.raises(db_exc.DBError) as caught, session.writer(ctxt) as conn:
        conn.execute(LOCKS.insert().values(project_id='s3cret'))
        conn.execute(LOCKS.insert().values(project_id='s3cret'))
    assert 'INSERT' in str(caught.value) and 's3cret' not in str(caught.value)


def test_a_new_database_file_is_for_the_service_only(tmp_path):
    path = tmp_path / 'state/cinder.sqlite'
    CONF.set_override('connection', f'sqlite:///{path}', 'database')
    try:
        made = engines.create(CONF.database)
        with made.writer.begin() as conn:
            conn.execute(sa.text('CREATE TABLE t (i INTEGER)'))
            modes = {each.name: each.stat().st_mode & 0o777 for each in path.parent.iterdir()}
    finally:
        CONF.clear_override('connection', 'database')
        made.dispose(close=True)
    assert modes == {'cinder.sqlite': 0o600, 'cinder.sqlite-wal': 0o600,
                     'cinder.sqlite-shm': 0o600}
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_an_exception_rolls_all_back(database, ctxt):
    with pytest.raises(ZeroDivisionError), session.writer(ctxt):
        add(ctxt, 'a')
        raise ZeroDivisionError
    assert names(ctxt) == []


def test_an_old_copy_of_the_context_does_not_join(database, ctxt):
    ctxt.is_admin = False
    with session.writer(ctxt):
        copy = ctxt.elevated()
    add(copy, 'a')
    assert names(ctxt) == ['a']


def test_a_thread_with_the_same_context_has_its_own_transaction(database, ctxt):
    seen = []
    with session.writer(ctxt):
        add(ctxt, 'a')
        thread = threading.Thread(target=lambda: seen.extend(names(ctxt)))
        thread.start()
        thread.join()
    assert seen == []


def test_writer_inside_another_contexts_writer_is_told(database, ctxt):
    with pytest.raises(RuntimeError), session.writer(ctxt):
        add(context.get_admin_context(), 'a')


def test_writers_take_turns(database):
    def count(number):
        for step in range(10):
            add(context.get_admin_context(), f'{number}-{step}')
    threads = [threading.Thread(target=count, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names(context.get_admin_context())) == 80


def test_no_turn_in_time(database, ctxt, monkeypatch):
    monkeypatch.setattr(session, 'TIMEOUT_SECONDS', 0.01)
    release = threading.Event()
    entered = threading.Event()

    def hold():
        with session.writer(context.get_admin_context()):
            entered.set()
            release.wait(5)
    thread = threading.Thread(target=hold)
    thread.start()
    entered.wait(5)
    with pytest.raises(exception.DatabaseBusy):
        add(ctxt, 'a')
    release.set()
    thread.join()


def test_another_process_that_writes_is_waited_for(database, ctxt):
    other = sqlite3.connect(database.current().writer.url.database, isolation_level=None,
                            check_same_thread=False)
    other.execute('BEGIN IMMEDIATE')
    timer = threading.Timer(0.15, other.execute, ('COMMIT',))
    timer.start()
    start = time.monotonic()
    add(ctxt, 'a')
    assert time.monotonic() - start > 0.1
    timer.join()
    other.close()


def test_a_forked_child_has_connections_of_its_own(database, ctxt):
    names(ctxt)
    add(ctxt, 'parent')
    child = multiprocessing.get_context('fork').Process(target=add, args=(ctxt, 'child'))
    child.start()
    child.join(10)
    assert child.exitcode == 0
    assert names(ctxt) == ['child', 'parent']


@pytest.mark.parametrize('error', [exception.DatabaseBusy, exception.DatabaseUnavailable])
def test_what_came_to_nothing_is_tried_again(database, ctxt, monkeypatch, error):
    monkeypatch.setattr(time, 'sleep', lambda seconds: None)
    tries = []

    @session.retry_on_deadlock
    def work(ctxt, until):
        tries.append(1)
        if len(tries) < until:
            raise error()
        return 'done'
    assert work(ctxt, 3) == 'done'
    assert len(tries) == 3
    tries.clear()
    with pytest.raises(error):
        work(ctxt, 100)
    assert len(tries) == session.ATTEMPTS
    tries.clear()
    with pytest.raises(error), session.writer(ctxt):
        work(ctxt, 3)
    assert len(tries) == 1


def test_what_follows_a_commit_is_not_tried_again(database, ctxt):
    """The request was accepted: run once more, it would be refused for what it did itself."""
    runs = []

    @session.retry_on_deadlock
    def accept(ctxt):
        runs.append(len(runs))
        add(ctxt.elevated(), 'a')
        raise exception.DatabaseUnavailable()

    with pytest.raises(exception.DatabaseUnavailable):
        accept(context.RequestContext(user_id='u', project_id='p', is_admin=False))
    assert (runs, names(ctxt)) == ([0], ['a'])


def test_an_unknown_commit_is_not_tried_again(database, ctxt):
    tries = []

    @session.retry_on_deadlock
    def work(ctxt):
        tries.append(1)
        raise exception.CommitUnknown()
    with pytest.raises(exception.CommitUnknown):
        work(ctxt)
    assert len(tries) == 1


@pytest.mark.parametrize(('raised', 'seen'), [
    (db_exc.DBDeadlock(), exception.DatabaseBusy),
    (db_exc.DBConnectionError(), exception.DatabaseUnavailable),
    (sa.exc.TimeoutError(), exception.DatabaseUnavailable),
    (db_exc.DBDataError(), exception.InvalidInput),
    (db_exc.DBError(ValueError('NUL')), exception.InvalidInput),
    (db_exc.DBError(KeyError('else')), db_exc.DBError),
    (sa.exc.OperationalError('', {}, Exception(1114, 'table is full')),
     exception.DatabaseUnavailable),
    (sa.exc.OperationalError('', {}, Exception(1054, 'unknown column')),
     sa.exc.OperationalError),
])
def test_names_of_errors(database, ctxt, raised, seen):
    for begin in (session.reader, session.writer):
        with pytest.raises(seen), begin(ctxt):
            raise raised


def test_lost_at_the_commit(database, ctxt):
    engine = database.current().writer

    def cut(conn):
        raise db_exc.DBConnectionError()
    sa.event.listen(engine, 'commit', cut)
    try:
        with pytest.raises(exception.CommitUnknown):
            add(ctxt, 'a')
    finally:
        sa.event.remove(engine, 'commit', cut)
        # Its transaction is still open, as nothing was lost in truth.
        database.dispose(close=True)


def test_a_commit_that_fails_leaves_no_transaction_behind(database, ctxt):
    """As when the disk is full: the pool would hand the connection to the next writer as it is."""
    engine = database.current().writer

    def fail(conn):
        raise db_exc.DBDeadlock()
    sa.event.listen(engine, 'commit', fail)
    try:
        with pytest.raises(exception.DatabaseBusy):
            add(ctxt, 'a')
    finally:
        sa.event.remove(engine, 'commit', fail)
    add(ctxt, 'b')
    assert names(ctxt) == ['b']


def test_wrong_sql_is_not_called_unavailable(database, ctxt):
    with pytest.raises(sa.exc.OperationalError), session.reader(ctxt) as conn:
        conn.exec_driver_sql('SELEKT')


def test_time_has_microseconds_and_can_be_compared(database, ctxt):
    with session.reader(ctxt) as conn:
        now, later, text = conn.execute(sa.select(
            session.utcnow(), session.in_seconds(90), sa.cast(session.utcnow(), sa.String))).one()
    assert 89.9 < (later - now).total_seconds() < 90.1
    assert len(text.rpartition('.')[2]) == 6


def test_sqlite_is_set_up(database, ctxt):
    for engine in (database.current().reader, database.current().writer):
        with engine.connect() as conn:
            assert conn.exec_driver_sql('PRAGMA journal_mode').scalar() == 'wal'
            assert conn.exec_driver_sql('PRAGMA foreign_keys').scalar() == 1


def test_waiting_for_the_database_ends(database):
    session.wait_for_database()


@pytest.mark.parametrize('url', ['sqlite://', 'oracle://host/db'])
def test_engines_that_are_not_supported(url):
    from oslo_config import cfg
    from oslo_db import options
    conf = cfg.ConfigOpts()
    options.set_defaults(conf, connection=url)
    with pytest.raises(exception.InvalidConfigurationValue):
        engines.create(conf.database)
