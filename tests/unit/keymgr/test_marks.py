# SPDX-License-Identifier: Apache-2.0
"""Keys of requests that died before their commit are found and deleted, and no others."""
import pytest
import sqlalchemy as sa

from cinder import context, exception
from cinder.db import key_intents, models, session, type_encryption
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.keymgr import deadlines, keys, marks
from cinder.rpc import client
from cinder.volume.api import encryption, volumes

SETTINGS = {'cipher': 'aes-xts-plain64', 'key_size': 256}
_T = models.KeyIntent.__table__


@pytest.fixture
def caller(database, key_manager):
    return _caller('u1')


def _caller(user):
    return context.RequestContext(user_id=user, project_id='p1', roles=['member'],
                                  overwrite=False)


def _intents(ctxt):
    with session.reader(ctxt) as conn:
        return {row.id: bool(row.abandoned) for row in conn.execute(sa.select(_T))}


def _age(ctxt, seconds=key_intents.ABANDONED_SECONDS + 1):
    with session.writer(ctxt) as conn:
        conn.execute(_T.update().values(created_at=session.in_seconds(-seconds),
                                        updated_at=session.in_seconds(-seconds)))


MAKERS = {'create': lambda ctxt, _key: keys.create(ctxt, SETTINGS),
          'copy': keys.copy,
          'store': lambda ctxt, key: keys.store(ctxt, ctxt, keys.manager().get(ctxt, key))}


@pytest.mark.parametrize('maker', MAKERS)
def test_a_key_of_a_killed_request_is_deleted(caller, key_manager, maker):
    used = keys.create(caller, SETTINGS)
    volumes_db.create(caller, {'project_id': 'p1', 'size': 1, 'status': 'available',
                               'encryption_key_id': used})
    made = MAKERS[maker](_caller('u1'), used)  # and it is killed
    (mark,) = _intents(caller)
    assert key_manager.kept[made][1].name == f'cinder-{mark}'
    later = _caller('u1')
    keys.delete_abandoned(later)
    assert made in key_manager.kept and not _intents(caller)[mark]
    _age(later)
    keys.delete_abandoned(later)
    assert list(key_manager.kept) == [used]
    _age(later, key_intents.KEPT_SECONDS + 1)
    keys.delete_abandoned(later)
    assert not _intents(later)


def test_a_key_that_a_row_has_is_kept(caller, key_manager):
    """Even if its note was left."""
    made = keys.create(caller, SETTINGS)
    volumes_db.create(_caller('u1'), {'project_id': 'p1', 'size': 1, 'status': 'available',
                                      'encryption_key_id': made})
    _age(_caller('u1'))
    keys.delete_abandoned(_caller('u1'))
    assert list(key_manager.kept) == [made]


def test_a_request_that_was_given_up_cannot_commit(caller, key_manager):
    """It stood still for so long that its key was deleted."""
    with pytest.raises(exception.KeyManagerUnavailable), encryption.kept_if_committed(
            caller, keys.create(caller, SETTINGS), 'v'):
        later = _caller('u1')
        _age(later)
        keys.delete_abandoned(later)
        volumes_db.create(caller, {'project_id': 'p1', 'size': 1, 'status': 'available'})
    assert not key_manager.kept and not volumes_db.list_rows(caller, detail=True).rows


def test_one_that_failed_leaves_neither_key_nor_note(caller, key_manager):
    with pytest.raises(KeyError), encryption.kept_if_committed(
            caller, keys.create(caller, SETTINGS), 'v'):
        raise KeyError
    assert not key_manager.kept and not _intents(caller)


def test_keys_of_other_users_are_left(caller, key_manager):
    """Barbican may not show them, so that their note stays."""
    keys.create(_caller('u2'), SETTINGS)
    _age(caller, key_intents.KEPT_SECONDS + 1)
    keys.delete_abandoned(caller)
    assert len(key_manager.kept) == len(_intents(caller)) == 1
    _age(caller, key_intents.KEPT_SECONDS + 1)
    keys.delete_abandoned(_caller('u2'))
    assert not key_manager.kept and not _intents(caller)


@pytest.mark.parametrize(('error', 'stays'), [
    (deadlines.NotAsked(), False), (ConnectionRefusedError(), False),
    (deadlines.Silent(), True), (RuntimeError('reply lost'), True)])
def test_a_note_stays_if_the_key_may_be_there(caller, key_manager, monkeypatch, error, stays):
    def fail(*_args, **_kwargs):
        raise error
    monkeypatch.setattr(key_manager, 'create_key', fail)
    with pytest.raises(exception.KeyManagerUnavailable):
        keys.create(caller, SETTINGS)
    assert bool(_intents(caller)) is stays


def test_what_fails_is_tried_again(caller, key_manager, caplog):
    keys.create(_caller('u1'), SETTINGS)
    _age(caller)
    key_manager.down = True
    keys.delete_abandoned(caller)
    assert 'tried again later' in caplog.text and list(_intents(caller).values()) == [True]
    key_manager.down = False
    _age(caller)
    keys.delete_abandoned(caller)
    assert not key_manager.kept


class Silent:
    def can_send_version(self):
        return True

    def cast(self, *_args, **_kwargs):
        pass


def test_a_request_that_commits_leaves_its_key_only(caller, key_manager, monkeypatch):
    monkeypatch.setattr(client.RPCAPI, 'cctxt', lambda *_args, **_to: Silent())
    admin = caller.elevated()
    kind = types_db.create(admin, {'name': 'secret', 'is_public': True})
    type_encryption.create(admin, kind.id, {**SETTINGS, 'provider': 'luks',
                                            'control_location': 'front-end'})
    made = volumes.create(caller, size=1, volume_type=types_db.get(admin, kind.id))
    assert list(key_manager.kept) == [made.encryption_key_id]
    assert not _intents(caller) and not caller.made_keys


def test_barbican_finds_a_key_by_its_name(database):
    """Its client is asked as castellan asks it."""
    class Secrets:
        def list(self, name):
            return [type('Secret', (), {'secret_ref': f'http://b/v1/secrets/{name}-id'})()]
    made = type('Manager', (), {})()
    made._get_barbican_client = lambda _who: type('Client', (), {'secrets': Secrets()})()
    made.line = deadlines.Line(lambda: 5)
    assert marks.named(made, None, 'cinder-1') == ['cinder-1-id']
