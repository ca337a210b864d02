# SPDX-License-Identifier: Apache-2.0
"""From the fixed key to a key manager: what gets which key, once, and from where it goes on."""
import pytest

from cinder import context
from cinder.conf.keymgr import FIXED_KEY_ID
from cinder.db import backups as backups_db
from cinder.db import snapshots as snapshots_db
from cinder.db import volumes as volumes_db
from cinder.keymgr import migration
from tests.fakes import key_manager as fake

HOST = 'here@files'


@pytest.fixture
def key_manager():
    yield fake.configure(fake.FIXED_KEY)
    fake.clear()


@pytest.fixture
def make(ctxt, database):
    def make(table, **values):
        values = {'project_id': 'p1', 'user_id': 'u2', 'status': 'available',
                  'encryption_key_id': FIXED_KEY_ID, **values}
        return table.create(ctxt, values).id
    return make


@pytest.fixture
def volume(make):
    return make(volumes_db, size=1, host=f'{HOST}#pool')


@pytest.fixture
def run(key_manager):
    """Migrate to the end; the keys that were made."""
    def run():
        thread = migration.start(context.get_admin_context(), HOST)
        thread.join(10)
        assert not thread.is_alive()
        return list(key_manager.kept)
    return run


def _key(ctxt, table, ident):
    return table.get(ctxt, ident).encryption_key_id


def test_each_volume_gets_the_fixed_key_under_an_id_of_its_own(ctxt, make, run, key_manager):
    volumes = [make(volumes_db, size=1, host=f'{HOST}#pool') for _ in range(2)]
    found = run()
    assert sorted(found) == sorted(_key(ctxt, volumes_db, ident) for ident in volumes)
    assert {key.get_encoded() for _, key in key_manager.kept.values()} == {
        bytes.fromhex(fake.FIXED_KEY)}


def test_snapshots_and_backups_have_the_key_of_their_volume(ctxt, make, run, volume):
    snapshot = make(snapshots_db, volume_id=volume, volume_size=1)
    backup = make(backups_db, volume_id=volume, host='here')
    key, = run()
    assert {_key(ctxt, table, ident) for table, ident in (
        (volumes_db, volume), (snapshots_db, snapshot), (backups_db, backup))} == {key}


def test_what_came_too_late_for_its_volume_follows(ctxt, make, run, volume):
    key, = run()
    snapshot = make(snapshots_db, volume_id=volume, volume_size=1)
    assert run() == [key] and _key(ctxt, snapshots_db, snapshot) == key


def test_a_backup_whose_volume_is_gone_gets_its_own(ctxt, make, run, volume):
    volumes_db.destroy(ctxt, volume)
    backup = make(backups_db, volume_id=volume, host='here')
    assert run() == [_key(ctxt, backups_db, backup)]


def test_other_keys_and_other_hosts_are_left_alone(ctxt, make, run):
    other = make(volumes_db, size=1, host='there@files#pool')
    make(volumes_db, size=1, host=HOST, encryption_key_id='own')
    make(volumes_db, size=1, host=HOST, encryption_key_id=None)
    make(backups_db, volume_id=other, host='there')
    assert run() == []
    assert _key(ctxt, volumes_db, other) == FIXED_KEY_ID


def test_it_goes_on_where_it_was_interrupted(ctxt, make, run, key_manager, caplog):
    volumes = [make(volumes_db, size=1, host=HOST) for _ in range(3)]
    store = key_manager.store

    def once(*args, **kwargs):
        key_manager.down = bool(key_manager.kept)
        return store(*args, **kwargs)

    key_manager.store = once
    first, = run()
    assert 'next start' in caplog.text
    key_manager.store, key_manager.down = store, False
    assert first in run()
    assert len(key_manager.kept) == 3
    assert {_key(ctxt, volumes_db, ident) for ident in volumes} == set(key_manager.kept)


def test_a_row_that_others_changed_meanwhile_keeps_its_key(ctxt, volume, run, key_manager):
    store = key_manager.store

    def late(*args, **kwargs):
        volumes_db.update(ctxt, volume, {'encryption_key_id': 'theirs'})
        return store(*args, **kwargs)

    key_manager.store = late
    assert run() == []
    assert _key(ctxt, volumes_db, volume) == 'theirs'


@pytest.mark.parametrize(('fixed_key', 'backend'), [
    (None, fake.BACKEND), (fake.FIXED_KEY, None), (None, None)])
def test_nothing_to_do(ctxt, fixed_key, backend):
    fake.configure(fixed_key, backend)
    assert migration.start(ctxt, HOST) is None
    fake.clear()
