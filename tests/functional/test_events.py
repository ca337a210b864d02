# SPDX-License-Identifier: Apache-2.0
"""Events on the real engines: nothing is missed, whatever the order of commits, and the journal
replays to the rows."""
import itertools
import random
import threading
import time
import uuid

import pytest

from cinder import context
from cinder.db import events, session, volumes
from tests import replay
from tests.functional import databases

_names = itertools.count()


@pytest.fixture(scope='module', params=['sqlite', 'postgresql', 'mariadb'])
def database(request, tmp_path_factory):
    """cinder.db.session on a new database of each engine."""
    if request.param == 'sqlite':
        url = f'sqlite:///{tmp_path_factory.mktemp("sqlite")}/cinder.sqlite'
    else:
        url = request.getfixturevalue(request.param).url(f'events{next(_names)}')
    with databases.in_use(url) as found:
        yield found


@pytest.fixture
def ctxt(database):
    return new_context(uuid.uuid4().hex)


def new_context(project_id):
    return context.RequestContext(is_admin=True, roles=['admin'], user_id='u',
                                  project_id=project_id, overwrite=False)


def test_the_journal_replays_to_the_rows(ctxt):
    replay.churn(ctxt, random.Random(11), 100)
    assert replay.differences(ctxt) == []


def test_nothing_is_missed_whatever_the_order_of_commits(ctxt):
    """Six writers, whose transactions last differently long, and two readers."""
    project, ended, seen = ctxt.project_id, threading.Event(), {}
    number = 25

    def write(seed):
        draw, mine = random.Random(seed), new_context(project)
        made = volumes.create(mine, {'project_id': project, 'size': 0, 'status': 'available'})
        for size in range(1, number):
            with session.writer(mine):
                volumes.update(mine, made.id, {'size': size})
                # What another writer began later may commit first.
                time.sleep(draw.random() * 0.004)

    def read(name):
        mine, at, found = new_context(project), start, []
        wanted = events.Wanted(None)
        while True:
            over = ended.is_set()
            last = events.advance(mine)
            page = events.read(mine, wanted, at, last)
            assert [each['position'] for each in page] == list(range(at + 1, last + 1))
            found += page
            at = last
            if over:
                seen[name] = found
                return
            time.sleep(0.002)

    start = events.advance(ctxt)
    writers = [threading.Thread(target=write, args=(seed,)) for seed in range(6)]
    readers = [threading.Thread(target=read, args=(name,)) for name in ('a', 'b')]
    for thread in (*readers, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    ended.set()
    for thread in readers:
        thread.join()
    assert seen['a'] == seen['b']
    sizes = {}
    for each in seen['a']:
        sizes.setdefault(each['resource_id'], []).append(each['body']['size'])
    assert list(sizes.values()) == [list(range(number))] * 6


def test_an_open_transaction_delays_only_its_own_event(ctxt):
    """It gets its place when it is committed, behind those that it began before."""
    before = events.advance(ctxt)
    other = new_context(ctxt.project_id)
    if session.current().writer.dialect.name == 'sqlite':
        pytest.skip('SQLite has one writer at a time')
    with session.writer(ctxt) as conn:
        early = volumes.create(ctxt, {'project_id': ctxt.project_id, 'status': 'available'})
        session.BEFORE_COMMIT[0](ctxt, conn)
        begun = time.monotonic()
        late = volumes.create(other, {'project_id': ctxt.project_id, 'status': 'available'})
        assert events.advance(other) == before + 1
        assert time.monotonic() - begun < 5
    assert events.advance(other) == before + 2
    assert [each['resource_id'] for each in events.read(ctxt, events.Wanted(
        ctxt.project_id), before)] == [late.id, early.id]


def test_old_ones_are_deleted(ctxt):
    volumes.create(ctxt, {'project_id': ctxt.project_id, 'status': 'available'})
    last = events.advance(ctxt)
    assert events.purge(ctxt, 3600) == 0
    while events.purge(ctxt, -3600, 50):
        pass
    assert (events.first_position(ctxt), events.advance(ctxt)) == (None, last)
