# SPDX-License-Identifier: Apache-2.0
"""Keys in Vault, by the real client of castellan."""
import binascii

import pytest
from castellan.key_manager import vault_key_manager

from cinder import context
from cinder.conf import CONF
from cinder.db import key_intents
from cinder.keymgr import keys
from tests.fakes import key_manager as fake
from tests.fakes import vault

SETTINGS = {'cipher': 'aes-xts-plain64', 'key_size': 256}


def caller():
    """The context of one more request."""
    return context.RequestContext(user_id='u1', project_id='p1', auth_token='t', overwrite=False)


@pytest.fixture
def server(database):
    CONF.register_opts(vault_key_manager._vault_opts, 'vault')
    with vault.running() as made:
        CONF.set_override('vault_url', made.url, 'vault')
        CONF.set_override('root_token_id', 'x', 'vault')
        fake.configure(backend='vault')
        yield made
    for name in ('vault_url', 'root_token_id'):
        CONF.clear_override(name, 'vault')
    fake.clear()


def test_the_life_of_a_key(server):
    made = keys.create(caller(), SETTINGS)
    (ident, record), = server.kept.items()
    assert ident == made and record['name'].startswith('cinder-')
    assert (record['algorithm'], record['bit_length']) == ('aes', 256)
    phrase = keys.passphrase(caller(), made)
    assert len(binascii.unhexlify(phrase)) == 32 and phrase.decode() == record['value']
    copied = keys.copy(caller(), made)
    assert copied != made and keys.are_equal(caller(), made, copied)
    assert keys.release(caller(), made, None) and list(server.kept) == [copied]


def test_a_key_of_a_killed_request_is_found_by_its_name(server, monkeypatch):
    keys.create(caller(), SETTINGS)
    monkeypatch.setattr(key_intents, 'ABANDONED_SECONDS', -1)
    keys.delete_abandoned(caller())
    assert not server.kept
