# SPDX-License-Identifier: Apache-2.0
"""castellan's own client of Barbican, with the tokens and credentials that we give it."""
import pytest

from cinder import context, exception
from cinder.conf import CONF
from cinder.conf.keymgr import FIXED_KEY_ID
from cinder.db import volumes as volumes_db
from cinder.keymgr import keys, migration
from tests.fakes import barbican as fake_barbican
from tests.fakes import key_manager as fake

SETTINGS = {'cipher': 'aes-xts-plain64', 'key_size': 256}


@pytest.fixture
def barbican():
    server = fake_barbican.Barbican()
    fake.configure(fake.FIXED_KEY, 'barbican')
    CONF.set_override('barbican_endpoint', server.url, 'barbican')
    CONF.set_override('barbican_api_version', 'v1', 'barbican')
    CONF.set_override('auth_endpoint', f'{server.url}/identity/v3', 'barbican')
    yield server
    for name in ('barbican_endpoint', 'barbican_api_version', 'auth_endpoint'):
        CONF.clear_override(name, 'barbican')
    fake.clear()
    server.stop()


@pytest.fixture
def service(barbican):
    """The service has a user of its own: 'cinder'."""
    for name, value in (('auth_type', 'keystone_password'), ('user_id', 'cinder'),
                        ('password', 'secret'), ('auth_url', f'{barbican.url}/identity/v3')):
        CONF.set_override(name, value, 'key_manager')


def _caller(user):
    return context.RequestContext(user_id=user, project_id='p1', auth_token=f'token-{user}',
                                  overwrite=False)


def test_keys_are_made_copied_and_removed_as_the_caller(database, barbican):
    ctxt = _caller('u1')
    made = keys.create(ctxt, SETTINGS)
    copy = keys.copy(ctxt, made)
    assert {one['owner'] for one in barbican.secrets.values()} == {'u1'}
    assert barbican.secrets[made]['payload'] == barbican.secrets[copy]['payload']
    assert barbican.secrets[copy]['bit_length'] == 256 and keys.are_equal(ctxt, made, copy)
    for key in (made, copy, made):
        assert keys.release(ctxt, key, 'v')
    assert barbican.secrets == {}


def test_another_users_key_is_not_for_the_taking(database, barbican):
    made = keys.create(_caller('u1'), SETTINGS)
    with pytest.raises(exception.KeyManagerUnavailable):
        keys.copy(_caller('u2'), made)
    assert not keys.release(_caller('u2'), made, 'v')
    assert list(barbican.secrets) == [made]


def test_without_a_token_there_is_no_key(barbican):
    with pytest.raises(exception.KeyManagerUnavailable):
        keys.create(context.RequestContext(user_id='u1', overwrite=False), SETTINGS)


def test_migrated_keys_are_read_by_their_owners_and_removed_by_the_service(
        ctxt, database, barbican, service):
    volume = volumes_db.create(ctxt, {
        'project_id': 'p1', 'user_id': 'u1', 'size': 1, 'status': 'available', 'host': 'h@b',
        'encryption_key_id': FIXED_KEY_ID})
    migration.start(context.get_admin_context(), 'h@b').join(10)
    (key, secret), = barbican.secrets.items()
    assert volumes_db.get(ctxt, volume.id).encryption_key_id == key
    assert (secret['owner'], secret['readers']) == ('cinder', ['u1'])
    assert secret['payload'] == bytes.fromhex(fake.FIXED_KEY)
    assert keys.are_equal(_caller('u1'), key, FIXED_KEY_ID)
    volumes_db.destroy(ctxt, volume.id)
    assert keys.release(_caller('u1'), key, volume.id)
    assert barbican.secrets == {}


def test_without_credentials_of_its_own_the_service_migrates_nothing(ctxt, database, barbican,
                                                                     caplog):
    volume = volumes_db.create(ctxt, {
        'project_id': 'p1', 'user_id': 'u1', 'size': 1, 'status': 'available', 'host': 'h@b',
        'encryption_key_id': FIXED_KEY_ID})
    migration.start(context.get_admin_context(), 'h@b').join(10)
    assert volumes_db.get(ctxt, volume.id).encryption_key_id == FIXED_KEY_ID
    assert 'next start' in caplog.text and barbican.secrets == {}
