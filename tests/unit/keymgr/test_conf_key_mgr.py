# SPDX-License-Identifier: Apache-2.0
"""The key manager of the one key in the configuration file."""
import pytest
from castellan.common import exception
from castellan.common.objects import symmetric_key

from cinder.conf import CONF
from cinder.conf.keymgr import FIXED_KEY_ID
from cinder.keymgr import conf_key_mgr
from tests.fakes import key_manager as fake


@pytest.fixture
def manager(ctxt):
    fake.configure(fixed_key=fake.FIXED_KEY, backend=None)
    yield conf_key_mgr.ConfKeyManager(CONF)
    fake.clear()


def test_the_key_is_that_of_the_option(manager, ctxt):
    assert manager.create_key(ctxt, 'aes', 256) == FIXED_KEY_ID
    key = manager.get(ctxt, FIXED_KEY_ID)
    assert (key.algorithm, key.bit_length) == ('AES', 128)
    assert key.get_encoded() == bytes.fromhex(fake.FIXED_KEY)


def test_it_keeps_one_key_for_ever(manager, ctxt):
    assert manager.store(ctxt, manager.get(ctxt, FIXED_KEY_ID)) == FIXED_KEY_ID
    manager.delete(ctxt, FIXED_KEY_ID)
    assert manager.get(ctxt, FIXED_KEY_ID)
    with pytest.raises(exception.KeyManagerError):
        manager.store(ctxt, symmetric_key.SymmetricKey('AES', 128, b'x' * 16))
    with pytest.raises(exception.KeyManagerError):
        manager.create_key_pair(ctxt, 'rsa', 2048)


def test_other_ids_and_nobody_get_nothing(manager, ctxt):
    with pytest.raises(exception.ManagedObjectNotFoundError):
        manager.get(ctxt, 'another')
    for call in (manager.get, manager.delete):
        with pytest.raises(exception.Forbidden):
            call(None, FIXED_KEY_ID)


def test_consumers_are_taken_for_the_one_key(manager, ctxt):
    for call in (manager.add_consumer, manager.remove_consumer):
        call(ctxt, FIXED_KEY_ID, {'service': 'x'})
        with pytest.raises(exception.ManagedObjectNotFoundError):
            call(ctxt, 'another', {'service': 'x'})


@pytest.mark.parametrize('digits', [None, '', 'xyz', '123'])
def test_a_key_that_is_none_is_told(manager, digits):
    CONF.set_override('fixed_key', digits, 'key_manager')
    with pytest.raises(exception.KeyManagerError, match='fixed_key'):
        conf_key_mgr.ConfKeyManager(CONF)
