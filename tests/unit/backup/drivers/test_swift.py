# SPDX-License-Identifier: Apache-2.0
"""What is special to Swift; tests/unit/backup/object_store has the rest."""
import pytest
import requests_mock
from keystoneauth1 import fixture

from cinder import exception, objects, service_user
from cinder.backup.drivers.swift import SwiftBackupDriver
from tests.fakes import object_store
from tests.unit.backup.object_store.conftest import (
    SECRET,
    SWIFT_OPTIONS,
    options,
    quick,
    read,
    write,
)

KEYSTONE = 'http://keystone/v3'
V3 = {'backup_swift_auth_version': '3', 'backup_swift_auth_url': KEYSTONE,
      'backup_swift_user': 'backup', 'backup_swift_project': 'backups'}


@pytest.fixture
def make(conf):
    def make(**values):
        made = quick(SwiftBackupDriver(options(conf, SWIFT_OPTIONS | values)),
                     object_store.Swift())
        made.identity._connections = made.connections
        made.connections.containers['c'] = {}
        return made
    return make


@pytest.fixture
def service(monkeypatch):
    """[service_user] has credentials. keystoneauth would register its options for all tests."""
    from keystoneauth1.identity import v3
    plugin = v3.Password(KEYSTONE, username='cinder', password=SECRET, user_domain_id='default',
                         project_name='service', project_domain_id='default')
    monkeypatch.setattr(service_user, 'plugin', lambda: plugin)


@pytest.fixture
def keystone():
    """A Keystone that answers any password with a new token: 'token-1', 'token-2'."""
    with requests_mock.Mocker() as web:
        token = fixture.V3Token(project_id='p-service', project_name='service')
        for kind, url in (('object-store', 'http://swift/v1/AUTH_p-service'),
                          ('identity', KEYSTONE)):
            token.add_service(kind).add_standard_endpoints(public=url, region='one')
        web.get('http://keystone/v3', json={'version': fixture.V3Discovery(KEYSTONE)})
        web.post(f'{KEYSTONE}/auth/tokens', [
            {'json': token, 'headers': {'X-Subject-Token': f'token-{number}'}}
            for number in range(1, 9)])
        yield web


@pytest.mark.parametrize(('values', 'text'), [
    ({'backup_swift_user': None, 'backup_swift_key': None},
     'backup_swift_auth = single_user needs backup_swift_user, backup_swift_key: not set'),
    ({'backup_swift_auth_url': None}, 'backup_swift_auth_version = 1 needs backup_swift_auth_url'),
    ({'backup_swift_auth_version': '4'}, 'backup_swift_auth_version = 4 is not one of: 1, 2, 3'),
    ({'backup_swift_auth_version': '3'}, 'needs backup_swift_project: not set'),
    ({'backup_swift_auth_version': '2', 'backup_swift_user': 'u'}, 'needs backup_swift_tenant'),
    ({**V3, 'backup_swift_auth_url': None}, r'without backup_swift_auth_url needs .*service_user'),
    ({'backup_swift_auth': 'per_user'}, r'per_user needs the user of section \[service_user\]'),
    ({'backup_swift_service_auth': True}, r'service_auth = True needs the user of section'),
    ({'backup_swift_container': ''}, 'needs backup_swift_container'),
    ({'backup_swift_auth_url': 'ftp://x'}, 'backup_swift_auth_url = ftp://x cannot be used'),
    ({'backup_swift_ca_cert_file': '/no/such'}, '/no/such cannot be read'),
    ({'backup_swift_object_size': 1000}, 'backup_swift_object_size = 1000 is not a multiple')])
def test_options_that_cannot_be_used_are_refused(make, values, text):
    service_user.plugin.cache_clear()
    with pytest.raises(exception.InvalidConfigurationValue, match=text) as told:
        make(**values)
    assert SECRET not in str(told.value) and '\n' not in str(told.value)


@pytest.mark.parametrize(('values', 'names'), [
    ({}, []), ({'backup_swift_url': 'http://s/', 'backup_swift_region_name': 'one'},
               ['backup_swift_url', 'backup_swift_region_name']),
    ({**V3, 'backup_swift_tenant': 't', 'backup_swift_url': 'http://s/'}, ['backup_swift_tenant']),
    ({'backup_swift_auth': 'per_user'}, ['backup_swift_auth_url', 'backup_swift_user',
                                         'backup_swift_key'])])
def test_options_without_effect_are_named(make, service, values, names):
    found = list(make(**values).problems())
    assert [problem.text.split()[1] for problem in found] == names
    assert not any(problem.fatal or SECRET in problem.text for problem in found)


@pytest.mark.parametrize(('name', 'valid'), [
    ('ü b?&', True), ('x' * 256, True), ('a/b', False), ('..', False), ('ü' * 129, False)])
def test_containers_have_valid_names(make, name, valid):
    backup = objects.Backup(container=name)
    if valid:
        store = make()
        assert store.container_of(backup) == name
        store.create_container(name)
        write(store, 'o', b'', container=name)
        assert store.connections.containers[name] == {'o': b''}
    else:
        with pytest.raises(exception.InvalidBackupContainer):
            make().container_of(backup)
    assert make().container_of(objects.Backup(container=None)) == 'volumebackups'


def test_a_container_is_created_with_the_policy(make):
    store = make(backup_swift_create_storage_policy='archive')
    store.create_container('new')
    assert store.connections.policies == {'new': 'archive'}


def test_a_token_that_has_expired_is_renewed_once(make):
    store = make()
    write(store, 'o', b'x')
    store.connections.token = 'another'
    assert read(store, 'o') == b'x' and store.pauses == []
    store.connections.faults = [object_store.Answer(401), None, object_store.Answer(401)]
    with pytest.raises(exception.BackupStoreRefused, match='c/o.*check backup_swift_user'):
        read(store, 'o')


def test_wrong_credentials_are_told_at_once(make):
    store = make()
    store.connections.faults = [object_store.Answer(401, {}, SECRET.encode())]
    with pytest.raises(exception.BackupStoreRefused, match='for user test:tester.*check') as told:
        store.check()
    assert SECRET not in str(told.value) and store.pauses == []


def test_an_authentication_that_fails_for_a_while_is_retried(make):
    store = make()
    store.connections.faults = [object_store.Answer(503)] * 2
    write(store, 'o', b'x')
    assert len(store.pauses) == 2


def test_what_arrived_damaged_is_sent_again(make):
    store = make()
    store.check()
    store.connections.faults = [object_store.Answer(422)]
    write(store, 'o', b'x')
    assert store.connections.requests[-1][2]['ETag'] == object_store.etag(b'x').strip('"')
    assert len(store.pauses) == 1


# ------------------------------------------------------------------------------------- Keystone
def requested(store):
    """The path and token of what is asked next."""
    store.connections.faults = [object_store.Answer(204)]
    store.delete('c', 'o')
    _method, path, headers = store.connections.requests[-1]
    return path, headers['X-Auth-Token'], headers.get('X-Service-Token')


@pytest.mark.parametrize('version', ['3', '3.0'])
def test_a_user_of_keystone_works_in_the_account_of_the_catalog(make, keystone, version):
    store = make(**V3 | {'backup_swift_auth_version': version})
    assert requested(store) == ('/v1/AUTH_p-service/c/o', 'token-1', None)
    auth = keystone.request_history[-1].json()['auth']
    assert auth['identity']['password']['user'] == {
        'name': 'backup', 'password': SECRET, 'domain': {'id': 'default'}}
    assert auth['scope']['project'] == {'name': 'backups', 'domain': {'id': 'default'}}
    assert store.for_project('p1') is store
    store.connections.faults = [object_store.Answer(401), object_store.Answer(204)]
    store.delete('c', 'o')
    assert store.connections.requests[-1][2]['X-Auth-Token'] == 'token-2'


def test_the_domains_of_a_user_of_keystone_have_names(make, keystone):
    requested(make(**V3, backup_swift_user_domain='U', backup_swift_project_domain='P'))
    auth = keystone.request_history[-1].json()['auth']
    assert auth['identity']['password']['user']['domain'] == {'name': 'U'}
    assert auth['scope']['project']['domain'] == {'name': 'P'}


@pytest.mark.parametrize('values', [{'backup_swift_tenant': 'backups'},
                                    {'backup_swift_user': 'backups:backup'}])
def test_version_2_names_its_tenant(make, keystone, values):
    token = fixture.V2Token(token_id='token-v2', tenant_id='t')
    token.add_service('object-store').add_endpoint('http://swift/v1/AUTH_t')
    keystone.post('http://keystone/v2.0/tokens', json=token)
    store = make(**V3 | {'backup_swift_auth_version': '2',
                         'backup_swift_auth_url': 'http://keystone/v2.0'} | values)
    assert requested(store) == ('/v1/AUTH_t/c/o', 'token-v2', None)
    assert keystone.request_history[-1].json()['auth'] == {
        'passwordCredentials': {'username': 'backup', 'password': SECRET}, 'tenantName': 'backups'}


def test_keystone_is_found_in_the_catalog_of_the_service(make, keystone, service):
    store = make(**V3 | {'backup_swift_auth_url': None})
    assert requested(store)[0] == '/v1/AUTH_p-service/c/o'
    assert keystone.request_history[-1].json()['auth']['identity']['password']['user'][
        'name'] == 'backup'


@pytest.mark.parametrize(('url', 'path'), [
    (None, '/v1/AUTH_p-user/c/o'), ('http://swift/v1/KEY_', '/v1/KEY_p-user/c/o')])
def test_per_user_opens_the_account_of_the_project(make, keystone, service, url, path):
    store = make(backup_swift_auth='per_user', backup_swift_url=url)
    assert requested(store.for_project('p-user')) == (path, 'token-1', None)
    assert requested(store.for_project('p-service'))[0] == path.replace('p-user', 'p-service')
    store.connections.faults = [object_store.Answer(404)]
    store.check()
    store.connections.faults = [object_store.Answer(403)]
    with pytest.raises(exception.BackupStoreRefused, match='reseller_admin_role'):
        store.for_project('p-user').names('c', '')


def test_a_service_token_is_sent_if_it_is_to_be(make, keystone, service):
    store = make(**V3, backup_swift_service_auth=True)
    assert requested(store) == ('/v1/AUTH_p-service/c/o', 'token-1', 'token-2')


def test_a_region_without_swift_is_named(make, keystone):
    with pytest.raises(exception.BackupStoreRefused, match='object-store service in two region'):
        make(**V3, backup_swift_region_name='two').check()


@pytest.mark.parametrize(('status', 'kind', 'pauses'), [
    (401, exception.BackupStoreRefused, 0), (503, exception.BackupStoreUnavailable, 4)])
def test_what_keystone_says_is_told_without_the_password(make, keystone, caplog, status, kind,
                                                         pauses):
    keystone.post(f'{KEYSTONE}/auth/tokens', status_code=status, text=SECRET)
    store = make(**V3)
    with pytest.raises(kind, match='Keystone') as told:
        store.names('c', '')
    assert len(store.pauses) == pauses and SECRET not in f'{told.value}{caplog.text}'
