# SPDX-License-Identifier: Apache-2.0
"""castellan's own client of Barbican, with the tokens and credentials that we give it."""
import pytest

from cinder import context, exception
from cinder.conf import CONF
from cinder.conf.keymgr import FIXED_KEY_ID
from cinder.db import backups as backups_db
from cinder.db import key_intents, models, session, type_encryption
from cinder.db import snapshots as snapshots_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.keymgr import keys, migration
from cinder.rpc import client
from cinder.volume.api import transfers, volume_actions, volumes
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


def test_without_a_token_there_is_no_key(database, barbican):
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


# -------------------------------------------------------------------- copies and transfers
@pytest.fixture
def volume(database, barbican, monkeypatch):
    """A volume of u1 with a snapshot."""
    monkeypatch.setattr(client.RPCAPI, 'cctxt', lambda *_args, **_to: Silent())
    ctxt = _caller('u1')
    kind = types_db.create(ctxt, {'name': 'secret', 'is_public': True})
    type_encryption.create(ctxt, kind.id, {**SETTINGS, 'provider': 'luks',
                                           'control_location': 'front-end'})
    made = volumes.create(ctxt, size=1, volume_type=types_db.get(ctxt, kind.id))
    volumes_db.overwrite(ctxt, made.id, {'status': 'available', 'host': 'h@b#p'})
    snapshot = snapshots_db.create(ctxt, {
        'project_id': 'p1', 'volume_id': made.id, 'volume_size': 1, 'status': 'available',
        'encryption_key_id': made.encryption_key_id})
    return volumes_db.get(ctxt, made.id), snapshots_db.get(ctxt, snapshot.id)


class Silent:
    """Takes every message."""

    def can_send_version(self):
        return True

    def cast(self, *_args, **_kwargs):
        pass


def _owners(barbican):
    return [(each['owner'], each['readers']) for each in barbican.secrets.values()]


def _keys(ctxt, *rows):
    tables = {'volume': volumes_db, 'snapshot': snapshots_db}
    return {tables[type(row).__name__.lower()].get(ctxt.elevated(), row.id).encryption_key_id
            for row in rows}


def test_a_copy_has_a_key_that_the_service_may_read(barbican, service, volume):
    source, ctxt = volume[0], _caller('u1')
    copy = volumes.create(ctxt, source_volume=source)
    assert _owners(barbican) == [('u1', ['cinder'])] * 2
    assert not keys.are_equal(ctxt, source.encryption_key_id, copy.encryption_key_id)
    assert keys.passphrase(context.get_admin_context(), copy.encryption_key_id)


def test_a_key_that_is_private_stays_so(database, barbican, service):
    made = keys.create(_caller('u1'), SETTINGS)
    barbican.secrets[made] |= {'open': False, 'readers': ['u3']}
    assert keys.share(_caller('u1'), made)
    assert (barbican.secrets[made]['open'], barbican.secrets[made]['readers']) == (
        False, ['u3', 'cinder'])


def test_without_credentials_of_the_service_a_copy_has_the_same_key(barbican, volume):
    copy = volumes.create(_caller('u1'), source_volume=volume[0])
    assert keys.are_equal(_caller('u1'), volume[0].encryption_key_id, copy.encryption_key_id)
    assert _owners(barbican) == [('u1', [])] * 2


def test_a_transferred_volume_has_a_key_of_its_new_owner(barbican, service, volume):
    payload = barbican.secrets[volume[0].encryption_key_id]['payload']
    offer = transfers.create(_caller('u1'), volume[0], encrypted_ok=True)
    assert _owners(barbican) == [('cinder', [])]
    other = context.RequestContext(user_id='u2', project_id='p2', auth_token='token-u2',
                                   overwrite=False)
    transfers.accept(other, offer['id'], offer['auth_key'])
    (key, secret), = barbican.secrets.items()
    assert (secret['owner'], secret['payload']) == ('u2', payload)
    assert _keys(other, *volume) == {key}


def test_a_withdrawn_offer_gives_the_key_back(barbican, service, volume):
    offer = transfers.create(_caller('u1'), volume[0], encrypted_ok=True)
    transfers.delete(_caller('u1'), offer)
    assert [owner for owner, _readers in _owners(barbican)] == ['u1']
    assert _keys(_caller('u1'), *volume) == set(barbican.secrets)


def test_an_administrator_withdraws_an_offer(barbican, service, volume):
    offer = transfers.create(_caller('u1'), volume[0], encrypted_ok=True)
    admin = context.RequestContext(user_id='a', project_id='p9', auth_token='token-a',
                                   is_admin=True, overwrite=False)
    volumes_db.overwrite(admin, volume[0].id, {'user_id': 'u1'})
    transfers.delete(admin, offer)
    assert _owners(barbican) == [('cinder', ['u1'])]
    assert keys.passphrase(_caller('u1'), *_keys(_caller('u1'), *volume))


def test_backups_keep_the_key_that_was_transferred(barbican, service, volume):
    ctxt = _caller('u1')
    backups_db.create(ctxt, {'project_id': 'p1', 'volume_id': volume[0].id, 'status': 'available',
                             'encryption_key_id': volume[0].encryption_key_id})
    transfers.create(ctxt, volume[0], encrypted_ok=True)
    assert _owners(barbican) == [('u1', ['cinder']), ('cinder', [])]


@pytest.mark.parametrize('step', ['_offer', '_move', '_withdraw'])
def test_a_transfer_that_fails_leaves_the_keys_as_they_were(barbican, service, volume, step,
                                                            monkeypatch):
    def attempt():
        return transfers.create(_caller('u1'), volume[0], encrypted_ok=True)
    if step != '_offer':
        offer = attempt()
        attempt = {'_withdraw': lambda: transfers.delete(_caller('u1'), offer),
                   '_move': lambda: transfers.accept(_caller('u2'), offer['id'],
                                                     offer['auth_key'])}[step]
    before = set(barbican.secrets)
    monkeypatch.setattr(transfers, step, lambda *_args: (_ for _ in ()).throw(RuntimeError))
    with pytest.raises(RuntimeError):
        attempt()
    assert set(barbican.secrets) == before == _keys(_caller('u1'), *volume)


def test_without_credentials_of_the_service_nothing_is_offered(barbican, volume):
    with pytest.raises(exception.InvalidVolume, match='no credentials for the key manager'):
        transfers.create(_caller('u1'), volume[0], encrypted_ok=True)
    assert _keys(_caller('u1'), *volume) == set(barbican.secrets)


# --------------------------------------------------------------------------------- what is refused
REFUSED = {
    'a new volume': lambda ctxt, volume: volumes.create(ctxt, size=1,
                                                        volume_type=volume.volume_type),
    'a clone': lambda ctxt, volume: volumes.create(ctxt, source_volume=volume),
    'a transfer': lambda ctxt, volume: transfers.create(ctxt, volume, encrypted_ok=True),
    'a retype': lambda ctxt, volume: volume_actions.retype(
        ctxt, volume, types_db.get(ctxt, types_db.create(
            ctxt, {'name': 'plain', 'is_public': True}).id), 'on-demand')}


@pytest.mark.parametrize('request_', REFUSED)
@pytest.mark.parametrize('fault', ['403', 'gone'])
def test_a_key_manager_that_refuses_or_is_away(barbican, service, volume, monkeypatch, request_,
                                               fault):
    """The answer says which of both it is, and nothing has changed."""
    before, ctxt = set(barbican.secrets), _caller('u1')
    rows = volumes_db.list_rows(ctxt, detail=True).rows
    if fault == 'gone':
        barbican.stop()
    else:
        monkeypatch.setattr(barbican, 'refuses', True)
    with pytest.raises(exception.KeyManagerUnavailable) as told:
        REFUSED[request_](ctxt, volume[0])
    wanted = {'gone': (503, 'unavailable'), '403': (403, 'refuses')}[fault]
    if request_ == 'a retype':
        wanted = 503, 'cannot read'
    assert (told.value.code, wanted[1] in str(told.value)) == (wanted[0], True), told.value
    assert set(barbican.secrets) == before == _keys(ctxt, *volume)
    assert volumes_db.list_rows(ctxt, detail=True).rows == rows


# ------------------------------------------------------------------------ keys of dead requests
@pytest.mark.parametrize('make', [
    lambda ctxt, volume: keys.create(ctxt, SETTINGS),
    lambda ctxt, volume: keys.copy(ctxt, volume.encryption_key_id),
    lambda ctxt, volume: keys.take_over(ctxt, volume.encryption_key_id)])
def test_a_key_without_a_commit_is_found_by_its_name(barbican, service, volume, make):
    before = set(barbican.secrets)
    make(_caller('u1'), volume[0])
    assert set(barbican.secrets) != before
    keys.delete_abandoned(_caller('u1'))
    assert set(barbican.secrets) != before
    with session.writer(_caller('u1')) as conn:
        conn.execute(models.KeyIntent.__table__.update().values(
            created_at=session.in_seconds(-key_intents.ABANDONED_SECONDS - 1),
            updated_at=session.in_seconds(-key_intents.ABANDONED_SECONDS - 1)))
    keys.delete_abandoned(_caller('u1'))
    assert set(barbican.secrets) == before


def _killed(*_args, **_kwargs):
    raise SystemExit('killed')


@pytest.mark.parametrize('verb', ['delete', 'transfer'])
def test_a_key_whose_request_dies_after_its_commit_is_deleted(barbican, service, volume, verb,
                                                              monkeypatch):
    ctxt, former = _caller('u1'), volume[0].encryption_key_id
    snapshots_db.destroy(ctxt, volume[1].id)
    with monkeypatch.context() as patched, pytest.raises(SystemExit):
        patched.setattr(keys, 'delete_noted', _killed)
        if verb == 'delete':
            volumes.delete(ctxt, volume[0])
        else:
            transfers.create(ctxt, volume[0], encrypted_ok=True)
    assert former in barbican.secrets
    keys.delete_unused(ctxt)
    assert former not in barbican.secrets
