# SPDX-License-Identifier: Apache-2.0
"""cinder-backup with object stores: a Swift that asks a Keystone, in the accounts of the projects,
then an S3 that fails now and then. No credential may be left in a log or a row."""
import json
import urllib.request

import pytest
import sqlalchemy

from cinder import exception, service_user
from tests.backup_stores import MIB, Case
from tests.functional import keystone, object_stores, storage
from tests.functional.fault_proxy import Fault, FaultProxy
from tests.functional.processes import wait_until
from tests.functional.suite import WITH_BACKUP, Node, render
from tests.functional.test_backup_stores import Server

NODE = Node('node1', WITH_BACKUP)
PER_USER = {'backup_driver': 'cinder.backup.drivers.swift.SwiftBackupDriver',
            'backup_swift_auth': 'per_user', 'backup_swift_container': 'backups'}
SECRETS = (keystone.PASSWORD, object_stores.SECRET_KEY, object_stores.ACCESS_KEY)


@pytest.fixture(scope='module')
def swift(workspace, identity_service):
    """A Swift whose users are those of the Keystone."""
    if not object_stores.Swift.is_installed():
        pytest.skip('memcached or swift is not installed')
    server = object_stores.Swift(workspace / 'guarded-swift', identity_service)
    try:
        server.start()
        service = identity_service.add_endpoint(
            'object-store', f'{server.url}/v1/AUTH_$(project_id)s')
        yield server
        identity_service.remove_service(service)
    finally:
        server.stop()


@pytest.fixture
def store(swift, identity_service, tmp_path, monkeypatch):
    """Makes drivers, whose [service_user] is the service."""
    from keystoneauth1.identity import v3
    known = identity_service.credentials()
    plugin = v3.Password(**{name: known[name] for name in (
        'auth_url', 'username', 'password', 'project_name', 'user_domain_id',
        'project_domain_id')})
    monkeypatch.setattr(service_user, 'plugin', lambda: plugin)
    return Server(swift, lambda _url: PER_USER, None, tmp_path).store


def objects_of(swift, identity_service, persona):
    """The names that a user finds in the container of backups of its own project."""
    project = identity_service.projects[keystone.PERSONAS[persona].project]
    request = urllib.request.Request(
        f'{swift.url}/v1/AUTH_{project}/backups?format=json',
        headers={'X-Auth-Token': identity_service.token(persona)})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return [entry['name'] for entry in json.loads(answer.read() or b'[]')]


def test_each_project_has_its_own_account(store, swift, identity_service):
    made = store()
    made.check()
    cases = {persona: Case(made, MIB, identity_service.projects[place])
             for persona, place in (('member', 'own'), ('other-member', 'other'))}
    for persona, case in cases.items():
        case.write('-00001', persona.encode())
        assert case.read('-00001') == persona.encode()
    for persona, case in cases.items():
        assert objects_of(swift, identity_service, persona) == [f'{case.prefix}-00001']
        case.clear()


@pytest.mark.parametrize('service_auth', [False, True])
def test_a_user_of_keystone_stores_in_its_own_account(store, identity_service, service_auth):
    made = store(backup_swift_auth='single_user', backup_swift_auth_version='3',
                 backup_swift_auth_url=identity_service.url, backup_swift_user='member',
                 backup_swift_key=keystone.PASSWORD, backup_swift_project='own',
                 backup_swift_service_auth=service_auth, backup_swift_region_name='one')
    case = Case(made, MIB, identity_service.projects['other'])
    case.write('-00001', b'x')
    token = made.identity.account(None).token
    identity_service.revoke(token)
    assert case.read('-00001') == b'x'
    assert made.identity.account(None).url.endswith(identity_service.projects['own'])
    case.clear()


def test_a_user_without_rights_is_told_so(store, identity_service):
    made = store(backup_swift_auth='single_user', backup_swift_auth_version='3',
                 backup_swift_auth_url=identity_service.url, backup_swift_user='reader',
                 backup_swift_key=keystone.PASSWORD, backup_swift_project='own')
    with pytest.raises(exception.BackupStoreRefused, match='status 403.*its roles'):
        made.check()
    wrong = store(backup_swift_auth='single_user', backup_swift_auth_version='3',
                  backup_swift_auth_url=identity_service.url, backup_swift_user='member',
                  backup_swift_key='WrongPassword', backup_swift_project='own')
    with pytest.raises(exception.BackupStoreRefused, match='Keystone.*check backup_swift_user'):
        wrong.check()
    assert wrong.pauses == made.pauses == []


# ------------------------------------------------------------------------------------ the daemon
@pytest.fixture(scope='module')
def suite(installation, postgresql, identity_service, swift):
    with installation('backup-stores', postgresql.url('backup_stores'), kind=keystone.Guarded,
                      keystone=identity_service, faults=False, nodes=(NODE,), options={
                          'DEFAULT': {**PER_USER, 'debug': True,
                                      'backup_driver_init_check_interval': 5},
                          'service_user': identity_service.credentials()}) as running:
        yield running


def use(suite, options):
    """Start cinder-backup with another store."""
    suite.options['DEFAULT'].update(options)
    (suite.directory / f'{NODE.host}.conf').write_text(render(suite.configuration(NODE)))
    daemon = suite.processes['backup']
    daemon.stop()
    wait_until(lambda: ('cinder-backup', NODE.host) not in suite.up(), 60, 'it to be down')
    daemon.start()
    suite.wait_ready()


def back_up(client, volume, **values):
    made = client.post('backups', {'backup': {'volume_id': volume['id'], **values}}, expect=202)
    return client.wait_for_status('backup', made['backup']['id'], 'available', 60)


def play(client):
    """A full and an incremental backup, a restore of each; returns a function that deletes."""
    volume = client.ready_volume(1)
    contents, made = [], []
    for number in range(2):
        contents.append(storage.sample())
        storage.write(client, volume['id'], contents[-1])
        made.append(back_up(client, volume, incremental=bool(number)))
    for backup, content in zip(made, contents, strict=True):
        restored = client.post(f'backups/{backup["id"]}/restore', {'restore': {}}, expect=202)[
            'restore']['volume_id']
        client.wait_for_status('volume', restored, 'available', 60)
        assert storage.read(client, restored) == content

    def delete():
        for backup in reversed(made):
            client.delete(f'backups/{backup["id"]}', expect=202)
            client.wait_gone('backup', backup['id'])
    return delete


def test_the_service_stores_in_the_account_of_the_project(suite, swift, identity_service):
    client = suite.client('member')
    delete = play(client)
    found = objects_of(swift, identity_service, 'member')
    assert len([name for name in found if name.endswith('_metadata')]) == 2
    delete()
    assert objects_of(swift, identity_service, 'member') == []


def test_the_service_goes_on_with_an_s3_that_fails(suite, s3_service):
    proxy = FaultProxy(s3_service.port)
    proxy.start()
    try:
        use(suite, s3_service.options(proxy.url) | {'backup_s3_timeout': 5})
        client = suite.client('member')
        with proxy.with_faults(Fault(status=503, method='PUT', path='-00001'),
                               Fault(reset='after', method='PUT', path='_metadata'),
                               Fault(cut=1000, method='GET', path='-00001'),
                               Fault(status=500, method='DELETE')):
            play(client)()
        assert not [path for path in (s3_service.folder / 'volumebackups').rglob('*')
                    if path.is_file()]
    finally:
        proxy.stop()


def test_no_credential_is_in_a_log_or_a_row(suite):
    logs = ''.join(path.read_text(errors='replace')
                   for path in (suite.directory / 'logs').iterdir())
    engine = sqlalchemy.create_engine(suite.database)
    tables = sqlalchemy.MetaData()
    tables.reflect(engine)
    with engine.connect() as connection:
        rows = '\n'.join(str(row) for table in tables.sorted_tables
                         for row in connection.execute(table.select()))
    engine.dispose()  # the server waits for its clients when it stops
    assert 'SwiftBackupDriver' in rows and 'S3BackupDriver' in rows and 'urllib3' in logs
    assert [secret for secret in SECRETS if secret in logs or secret in rows] == []
