# SPDX-License-Identifier: Apache-2.0
"""Which key manager is used, and what is asked of it for whom."""
import logging
import pathlib
import re

import pytest

from cinder import context, exception
from cinder.conf import CONF
from cinder.conf.keymgr import FIXED_BACKEND, FIXED_KEY_ID
from cinder.db import backups as backups_db
from cinder.db import snapshots as snapshots_db
from cinder.db import unused_keys
from cinder.db import volumes as volumes_db
from cinder.keymgr import conf_key_mgr, keys
from tests.fakes import key_manager as fake

SETTINGS = {'cipher': 'aes-xts-plain64', 'key_size': 512}


@pytest.fixture(autouse=True)
def _options():
    yield
    fake.clear()


@pytest.mark.parametrize(('fixed_key', 'backend', 'kind'), [
    (None, None, None), (None, FIXED_BACKEND, None),
    (fake.FIXED_KEY, None, conf_key_mgr.ConfKeyManager),
    (fake.FIXED_KEY, FIXED_BACKEND, conf_key_mgr.ConfKeyManager),
    (fake.FIXED_KEY, 'castellan.tests.unit.key_manager.x.ConfKeyManager',
     conf_key_mgr.ConfKeyManager),
    (None, fake.BACKEND, fake.MemoryKeyManager),
    (fake.FIXED_KEY, fake.BACKEND, fake.MemoryKeyManager)])
def test_the_options_choose_the_manager(fixed_key, backend, kind):
    made = fake.configure(fixed_key, backend)
    assert keys.is_set_up() is (kind is not None)
    if kind:
        assert isinstance(made, kind) and made is keys.manager()


def test_castellans_own_default_is_no_choice():
    fake.configure(None, None)
    assert (CONF.key_manager.backend, keys.is_set_up()) == (FIXED_BACKEND, False)
    CONF.set_override('backend', 'barbican', 'key_manager')
    assert keys.is_set_up()


def test_a_key_is_made_by_the_settings_of_the_type(ctxt, database, key_manager):
    made = keys.create(ctxt, SETTINGS)
    owner, key = key_manager.kept[made]
    assert (owner, key.algorithm, key.bit_length) == ('u1', 'aes', 512)
    _, key = key_manager.kept[keys.create(ctxt, {'cipher': None, 'key_size': None})]
    assert (key.algorithm, key.bit_length) == ('aes', 256)


def test_a_copy_is_the_same_key_under_another_id(ctxt, database, key_manager):
    made = keys.create(ctxt, SETTINGS)
    copy = keys.copy(ctxt, made)
    assert copy != made and keys.are_equal(ctxt, made, copy)
    assert not keys.are_equal(ctxt, made, keys.create(ctxt, SETTINGS))
    assert keys.are_equal(ctxt, None, None) and not keys.are_equal(ctxt, made, None)


def test_what_opens_a_volume_is_its_key_in_hexadecimal_digits(ctxt):
    fake.configure(fake.FIXED_KEY)
    assert keys.passphrase(ctxt, FIXED_KEY_ID).decode() == fake.FIXED_KEY
    with pytest.raises(exception.KeyManagerUnavailable):
        keys.passphrase(ctxt, 'another')


def test_the_fixed_key_is_shared_until_there_is_a_manager(ctxt, database):
    fake.configure(fake.FIXED_KEY, None)
    assert keys.create(ctxt, SETTINGS) == keys.copy(ctxt, FIXED_KEY_ID) == FIXED_KEY_ID
    manager = fake.configure(fake.FIXED_KEY)
    copy = keys.copy(ctxt, FIXED_KEY_ID)
    assert manager.kept[copy][1].get_encoded() == bytes.fromhex(fake.FIXED_KEY)


def test_a_manager_that_is_down_or_refuses_is_503(ctxt, database, key_manager, caplog):
    made = keys.create(ctxt, SETTINGS)
    key_manager.down = True
    for ask in (lambda: keys.create(ctxt, SETTINGS), lambda: keys.copy(ctxt, made),
                lambda: keys.are_equal(ctxt, made, 'other')):
        with pytest.raises(exception.KeyManagerUnavailable) as told:
            ask()
        assert told.value.code == 503 and 'nobody' not in str(told.value)
    assert 'nobody there' in caplog.text


def test_a_manager_that_cannot_be_made_is_503(ctxt):
    fake.configure(fake.FIXED_KEY, None)
    CONF.set_override('fixed_key', 'no digits', 'key_manager')
    with pytest.raises(exception.KeyManagerUnavailable):
        keys.create(ctxt, SETTINGS)


# --------------------------------------------------------------------------------------- release
@pytest.fixture
def volume(ctxt, database, key_manager):
    return volumes_db.create(ctxt, {'project_id': 'p1', 'size': 1, 'status': 'available',
                                    'encryption_key_id': keys.create(ctxt, SETTINGS)})


def _release(ctxt, volume):
    return keys.release(ctxt, volume.encryption_key_id, volume.id)


def test_a_key_stays_while_its_volume_does(ctxt, key_manager, volume):
    assert _release(ctxt, volume) and key_manager.kept
    volumes_db.overwrite(ctxt, volume.id, {'status': 'deleting'})
    assert _release(ctxt, volume) and not key_manager.kept


@pytest.mark.parametrize('table', [snapshots_db, backups_db])
def test_a_key_stays_while_a_snapshot_or_backup_has_it(ctxt, key_manager, volume, table):
    row = table.create(ctxt, {'project_id': 'p1', 'volume_id': volume.id, 'status': 'error',
                              'encryption_key_id': volume.encryption_key_id})
    volumes_db.overwrite(ctxt, volume.id, {'status': 'deleting'})
    assert _release(ctxt, volume) and key_manager.kept
    table.destroy(ctxt, row.id)
    assert _release(ctxt, volume) and not key_manager.kept


def test_a_note_that_was_left_by_the_last_user_is_not_lost(ctxt, key_manager, volume, monkeypatch):
    """The last user of the key ends while a request finds it used: it notes what is noted."""
    key, is_used = volume.encryption_key_id, keys.keys_db.is_used

    def look(*args):
        used = is_used(*args)
        volumes_db.destroy(ctxt, volume.id)
        unused_keys.note(ctxt, key, volume.id, 'p1')
        return used
    unused_keys.note(ctxt, key, volume.id, 'p1')
    with monkeypatch.context() as patch:
        patch.setattr(keys.keys_db, 'is_used', look)
        assert keys.delete_unused(ctxt) == 0
    assert keys.delete_unused(ctxt) == 0 and not key_manager.kept


def test_a_key_that_is_gone_is_released(ctxt, key_manager, volume):
    volumes_db.destroy(ctxt, volume.id)
    key_manager.kept.clear()
    assert _release(ctxt, volume)


def test_no_key_and_the_fixed_key_need_no_manager(ctxt):
    for key in (None, FIXED_KEY_ID):
        assert keys.release(ctxt, key, 'v')


def test_a_key_that_cannot_be_removed_is_told(ctxt, key_manager, volume, caplog):
    volumes_db.destroy(ctxt, volume.id)
    key_manager.down = True
    for _attempt in range(2):
        with caplog.at_level(logging.WARNING):
            assert not _release(ctxt, volume)
    assert volume.encryption_key_id in caplog.text
    assert keys.delete_unused(ctxt) == 1
    key_manager.down = False
    assert keys.delete_unused(ctxt.elevated()) == 0
    assert not key_manager.kept and not unused_keys.of_project(ctxt, 'p1', 9)


def test_keys_that_cannot_be_deleted_do_not_keep_others(ctxt, key_manager, volume, monkeypatch):
    other = keys.create(ctxt, SETTINGS)
    volumes_db.destroy(ctxt, volume.id)
    for key in (volume.encryption_key_id, other):
        unused_keys.note(ctxt, key, volume.id, 'p1')
    key_manager.kept[volume.encryption_key_id] = ('u9', None)
    for _request in range(2):
        keys.delete_unused(ctxt, limit=1)
    assert list(key_manager.kept) == [volume.encryption_key_id]


def test_a_noted_key_that_is_used_stays(ctxt, key_manager, volume):
    unused_keys.note(ctxt, volume.encryption_key_id, volume.id, 'p1')
    unused_keys.note(ctxt, 'another', volume.id, 'p2')
    assert keys.delete_unused(ctxt) == 0
    assert key_manager.kept and not unused_keys.of_project(ctxt, 'p1', 9)
    assert unused_keys.of_project(ctxt, 'p2', 9) == [('another', volume.id)]


def test_the_service_removes_what_it_made_itself(ctxt, key_manager, volume):
    ctxt.auth_token = 'token'
    key, = key_manager.kept
    key_manager.kept[key] = ('service', key_manager.kept[key][1])
    volumes_db.destroy(ctxt, volume.id)
    assert not _release(ctxt, volume)
    for name, value in (('auth_type', 'keystone_password'), ('user_id', 'service'),
                        ('password', 'secret')):
        CONF.set_override(name, value, 'key_manager')
    assert _release(ctxt, volume) and not key_manager.kept


def test_without_a_token_the_service_asks_for_itself(database, key_manager):
    for name, value in (('auth_type', 'keystone_password'), ('user_id', 'service')):
        CONF.set_override(name, value, 'key_manager')
    caller = context.RequestContext(user_id='u1', project_id='p1', overwrite=False)
    assert key_manager.kept[keys.create(caller, SETTINGS)][0] == 'service'
    caller.auth_token = 'token'
    assert key_manager.kept[keys.create(caller, SETTINGS)][0] == 'u1'


def test_castellan_is_not_imported_before_a_key_is_needed():
    lazily = re.compile(r'^(?:from|import) (?:castellan|cinder\.keymgr import conf_key_mgr)',
                        re.MULTILINE)
    root = pathlib.Path(keys.__file__).parents[1]
    assert [path.name for path in root.rglob('*.py') if lazily.search(path.read_text())] == [
        'conf_key_mgr.py']
