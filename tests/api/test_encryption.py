# SPDX-License-Identifier: Apache-2.0
"""Volumes of encrypted types over HTTP: with a key manager, with the fixed key, with neither."""
import pytest

from cinder.conf.keymgr import FIXED_KEY_ID
from cinder.keymgr import keys
from tests.fakes import key_manager as fake

LUKS = {'provider': 'luks', 'cipher': 'aes-xts-plain64', 'key_size': 256,
        'control_location': 'front-end'}


@pytest.fixture
def secret(api):
    """The name of an encrypted type."""
    made = api.post('/types', {'volume_type': {'name': 'secret'}}).json['volume_type']
    assert api.post(f'/types/{made["id"]}/encryption', {'encryption': LUKS}).status == 200
    return made['name']


def _create(api, secret, mv='latest', **body):
    return api.post('/volumes', {'volume': {'size': 1, 'volume_type': secret, **body}}, mv=mv)


def test_without_a_key_manager(api, secret):
    assert 'no key manager' in _create(api, secret).fault(400)
    assert api.get('/volumes').json['volumes'] == []


def test_a_key_manager_that_is_down(api, secret, key_manager):
    key_manager.down = True
    answer = _create(api, secret)
    assert 'key manager' in answer.fault(503) and 'Retry-After' in answer.headers
    assert 'nobody there' not in str(answer.body)
    assert api.get('/volumes').json['volumes'] == []


@pytest.mark.parametrize(('mv', 'seen'), [('3.0', False), ('3.63', False), ('3.64', True)])
def test_a_volume_with_a_key_of_its_own(member, daemons, secret, key_manager, mv, seen):
    made = _create(member, secret, mv).json['volume']
    key, = key_manager.kept
    for shown in (made, member.get('/volumes/' + made['id'], mv=mv).json['volume'],
                  member.get('/volumes/detail', mv=mv).json['volumes'][0]):
        assert shown['encrypted'] is True
        assert shown.get('encryption_key_id') == (key if seen else None)
    facts = member.get(f'/volumes/{made["id"]}/encryption', mv=mv).json
    assert facts == {'encryption_key_id': key, **LUKS}
    assert member.delete('/volumes/' + made['id']).status == 202
    assert key_manager.kept == {}


def test_the_fixed_key_is_not_shown_as_the_volumes_own(member, daemons, secret):
    fake.configure(fake.FIXED_KEY, None)
    made = _create(member, secret).json['volume']
    shown = member.get('/volumes/' + made['id']).json['volume']
    assert shown['encrypted'] is True and 'encryption_key_id' not in shown
    facts = member.get(f'/volumes/{made["id"]}/encryption').json
    assert facts['encryption_key_id'] == FIXED_KEY_ID
    assert member.delete('/volumes/' + made['id']).status == 202
    assert keys.manager()
    fake.clear()


def test_copies(member, daemons, secret, key_manager):
    made = _create(member, secret).json['volume']
    body = {'snapshot': {'volume_id': made['id']}}
    snapshot = member.post('/snapshots', body).json['snapshot']
    clones = [member.post('/volumes', {'volume': source}).json['volume'] for source in (
        {'source_volid': made['id']}, {'snapshot_id': snapshot['id']})]
    assert all(clone['encrypted'] for clone in clones)
    found = {each['encryption_key_id'] for each in (made, *clones)}
    assert found == set(key_manager.kept) and len(found) == 3
    plain = {'source_volid': made['id'], 'volume_type': '__DEFAULT__'}
    assert 'encrypted' in member.post('/volumes', {'volume': plain}).fault(400)


def test_encrypted_volumes_change_neither_type_nor_owner_of_their_bytes(api, daemons, secret,
                                                                        key_manager):
    made = _create(api, secret).json['volume']
    url = f'/volumes/{made["id"]}/action'
    api.post(url, {'os-retype': {'new_type': '__DEFAULT__'}}).fault(400)
    api.post(url, {'os-unmanage': {}}).fault(400)
    assert made['encryption_key_id'] in key_manager.kept
