# SPDX-License-Identifier: Apache-2.0
"""Keys whose users never return are deleted by the services, as far as they may, and no others."""
import threading
import types

import pytest
import sqlalchemy as sa

from cinder import context
from cinder.db import key_intents, models, session, unused_keys
from cinder.db import volumes as volumes_db
from cinder.keymgr import keys, left_keys

SETTINGS = {'cipher': 'aes-xts-plain64', 'key_size': 256}
WEEK = key_intents.KEPT_SECONDS
TABLES = {'not committed': models.KeyIntent.__table__, 'not deleted': models.UnusedKey.__table__}


@pytest.fixture
def admin(database, key_manager):
    return context.get_admin_context()


@pytest.fixture(params=TABLES)
def left(request, admin):
    """Make a key that is left in a project, with its note; return its id."""
    def make():
        ctxt = context.RequestContext(user_id='gone', project_id='p2', overwrite=False)
        made = keys.create(ctxt, SETTINGS)
        if request.param == 'not deleted':
            key_intents.forget(admin, ctxt.made_keys[made])
            unused_keys.note(admin, made, 'v', 'p2')
        return made
    make.table = TABLES[request.param]
    return make


def _age(ctxt, table, seconds):
    with session.writer(ctxt) as conn:
        conn.execute(table.update().values(created_at=session.in_seconds(-seconds),
                                           updated_at=session.in_seconds(-seconds)))


def _notes(ctxt, table):
    with session.reader(ctxt) as conn:
        return [row.id for row in conn.execute(sa.select(table.c.id))]


def _work(ctxt, services=None):
    thread = (services or left_keys.LeftKeys()).start(ctxt)
    if thread is not None:
        thread.join(10)
    return thread


@pytest.mark.parametrize(('role', 'owners', 'stays'), [
    (True, True, 0), (False, True, 1), (None, True, 1), (None, False, 0)])
def test_a_user_who_never_returns(admin, left, key_manager, monkeypatch, role, owners, stays):
    """The services delete the key if they have a role in its project, or if keys have no owners."""
    made, asked = left(), []
    service = types.SimpleNamespace(user_id='gone' if role else 'cinder', _project_id='services',
                                    _project_name='services', _trust_id='trust')
    monkeypatch.setattr(keys, 'service_credentials', lambda: None if role is None else service)
    monkeypatch.setattr(keys.sharing, 'has_owners', lambda _manager: owners)
    if not owners:
        key_manager.kept[made] = admin.user_id, key_manager.kept[made][1]

    def spied(real):
        return lambda who, *what, **named: (
            asked.append(getattr(who, '_project_id', None)), real(who, *what, **named))[1]
    for name in ('list', 'delete'):
        monkeypatch.setattr(key_manager, name, spied(getattr(key_manager, name)))
    _age(admin, left.table, WEEK - 60)
    assert _work(admin) is None and list(key_manager.kept) == [made]
    _age(admin, left.table, WEEK + 1)
    assert _work(admin) is not None
    assert len(key_manager.kept) == len(_notes(admin, left.table)) == stays
    may_ask = role is not None or not owners
    assert set(asked) == ({'p2' if owners else None} if may_ask else set())
    assert (service._project_id, service._trust_id) == ('services', 'trust')
    assert _work(admin) is None  # once in a day


def test_a_key_that_has_a_user_stays(admin, left, key_manager):
    made = left()
    volumes_db.create(admin, {'id': 'v', 'project_id': 'p2', 'size': 1, 'status': 'available',
                              'encryption_key_id': made})
    _age(admin, left.table, WEEK + 1)
    _work(admin)
    assert list(key_manager.kept) == [made] and _notes(admin, left.table) == []


def test_one_thread_asks_a_key_manager_that_is_silent(admin, left, key_manager, monkeypatch):
    silent, services = threading.Event(), left_keys.LeftKeys()
    monkeypatch.setattr(keys, 'have_owners', silent.wait)
    threads = []
    for _time in range(2):
        left()
        _age(admin, left.table, WEEK + 1)
        threads.append(services.start(admin))
    silent.set()
    threads[0].join(10)
    assert threads[0] is threads[1]
