# SPDX-License-Identifier: Apache-2.0
"""/backups and their actions: by microversion. The rows are written by the tests, the backup
service is a row that is up."""
import base64
import json
import re
import uuid

import pytest

from cinder.db import backups as backups_db
from cinder.db import snapshots as snapshots_db
from cinder.db import volumes as volumes_db
from tests.fakes import backup_service
from tests.fakes import daemons as fake_daemons
from tests.fakes.daemons import ADMIN

PROJECT = '0123456789abcdef0123456789abcdef'
KEY = '3f2f1c5e-0000-4000-8000-00000000000e'
OTHER = 'fedcba9876543210fedcba9876543210'
SUMMARY = {'id', 'name', 'links'}
DETAIL = SUMMARY | {
    'status', 'size', 'object_count', 'availability_zone', 'container', 'created_at',
    'updated_at', 'description', 'fail_reason', 'volume_id', 'is_incremental',
    'has_dependent_backups', 'snapshot_id', 'data_timestamp'}
LATER = {18: 'os-backup-project-attr:project_id', 43: 'metadata', 56: 'user_id',
         64: 'encryption_key_id'}
FOR_ADMIN = {'os-backup-project-attr:project_id', 'user_id'}


@pytest.fixture
def volume(api):
    return fake_daemons.volume(PROJECT, name='one', size=2)


@pytest.fixture
def service(api):
    backup_service.register(ADMIN)


@pytest.fixture
def make(api, volume):
    """{'id'} of a backup of the volume, available unless told otherwise."""
    def backup(metadata=None, **values):
        return {'id': backups_db.create(ADMIN, {
            'project_id': PROJECT, 'user_id': 'user', 'volume_id': volume['id'], 'size': 2,
            'status': 'available', 'host': 'keeper', 'availability_zone': 'nova',
            'service': 'driver', **values}, metadata).id}
    return backup


@pytest.fixture
def backup(make):
    return make(display_name='b', metadata={'k': 'v'})


@pytest.fixture
def encrypted(backup):
    """The same; only its record is looked at, so no key manager is asked."""
    backups_db.update(ADMIN, backup['id'], {'encryption_key_id': KEY})
    return backup


def create(api, volume, mv='latest', **body):
    return api.post('/backups', {'backup': {'volume_id': volume['id'], **body}}, mv=mv)


def act(api, backup, key, value, **kwargs):
    return api.post(f"/backups/{backup['id']}/action", {key: value}, **kwargs)


def status_of(api, backup):
    return api.get('/backups/' + backup['id']).json['backup']['status']


def names(answer):
    return ''.join(found['name'] for found in answer.json['backups'])


# --------------------------------------------------------------------------------------- create
@pytest.mark.parametrize(('mv', 'more'), [
    ('3.0', {}), ('3.43', {'metadata': {'k': 'v'}}),
    ('3.51', {'metadata': None, 'availability_zone': 'nova'})])
def test_create(member, volume, service, bus, mv, more):
    answer = create(member, volume, mv, name=' b ', description='d', container='c',
                    incremental='false', force=False, snapshot_id=None, **more)
    assert answer.status == 202
    made = answer.json['backup']
    assert set(made) == SUMMARY and made['name'] == 'b'
    assert made['links'][0]['href'].endswith('/backups/' + made['id'])
    assert (bus.sent[-1].method, bus.sent[-1].host) == ('create_backup', 'keeper')
    shown = member.get('/backups/' + made['id']).json['backup']
    assert (shown['status'], shown['container'], shown['size']) == ('creating', 'c', 2)
    assert shown['metadata'] == (more.get('metadata') or {})
    assert member.get('/volumes/' + volume['id']).json['volume']['status'] == 'available'


def test_the_volume_is_used_and_not_deleted_meanwhile(member, volume, service):
    made = create(member, volume, '3.71').json['backup']['id']
    shown, = member.get('/snapshots/detail').json['snapshots']
    assert (shown['volume_id'], shown['consumes_quota']) == (volume['id'], False)
    for path in (f"/volumes/{volume['id']}", f"/volumes/{volume['id']}?cascade=true"):
        assert made in member.delete(path).fault(400)
    offer = {'transfer': {'volume_id': volume['id']}}
    assert made in member.post('/volume-transfers', offer).fault(400)
    reserved = member.post('/attachments', {'attachment': {
        'volume_uuid': volume['id'], 'instance_uuid': str(uuid.uuid4())}}, mv='3.27')
    assert reserved.status == 200
    shown = member.get('/volumes/' + volume['id']).json['volume']
    assert shown['status'] == 'reserved'


@pytest.mark.parametrize('body', [
    {'volume_id': None}, {'volume_id': 'x'}, {'name': 5}, {'name': 'x' * 256},
    {'description': 'a\tb'}, {'container': 'x' * 256}, {'incremental': None}, {'force': 'perhaps'},
    {'snapshot_id': 'x'}, {'metadata': 'x'}, {'metadata': {'k': 1}}, {'metadata': {'': 'v'}},
    {'availability_zone': 5}, {'other': 1}])
def test_create_refuses_bad_values(api, volume, service, body):
    create(api, volume, **body).fault(400)


@pytest.mark.parametrize(('mv', 'key', 'value'), [
    ('3.42', 'metadata', {}), ('3.50', 'availability_zone', 'nova')])
def test_later_keys_are_unknown_before(api, volume, service, mv, key, value):
    create(api, volume, mv, **{key: value}).fault(400)


def test_create_of_the_unknown_or_foreign(api, reader, volume, service, nobody):
    assert nobody in create(api, {'id': nobody}).fault(404)
    assert nobody in create(api, volume, snapshot_id=nobody).fault(404)
    create(reader, volume).fault(403)
    create(api.as_roles('member,reader', project=OTHER), volume).fault(404)


def test_create_needs_the_right_status(api, volume, service):
    volumes_db.overwrite(ADMIN, volume['id'], {'status': 'in-use'})
    create(api, volume).fault(400)
    assert create(api, volume, force='yes').status == 202


def test_create_from_a_snapshot(api, volume, service):
    snapshot = fake_daemons.snapshot(PROJECT, volume['id'])
    other = fake_daemons.volume(PROJECT)
    create(api, other, snapshot_id=snapshot['id']).fault(400)
    answer = create(api, volume, snapshot_id=snapshot['id'])
    shown = api.get('/backups/' + answer.json['backup']['id']).json['backup']
    assert (shown['snapshot_id'], shown['size']) == (snapshot['id'], 1)
    assert shown['data_timestamp'] == api.get(
        '/snapshots/' + snapshot['id']).json['snapshot']['created_at']
    snapshots_db.overwrite(ADMIN, snapshot['id'], {'status': 'error'})
    create(api, volume, snapshot_id=snapshot['id']).fault(400)


def test_create_an_increment(api, volume, service, make):
    create(api, volume, incremental=True).fault(400)
    base = make()
    answer = create(api, volume, incremental=True)
    assert api.get('/backups/' + answer.json['backup']['id']).json['backup']['is_incremental']
    assert api.get('/backups/' + base['id']).json['backup']['has_dependent_backups'] is True


def test_create_without_a_service_in_the_zone(api, volume):
    create(api, volume).fault(503)
    backup_service.register(ADMIN, 'dead', up=False)
    backup_service.register(ADMIN, 'off', disabled=True)
    create(api, volume).fault(503)
    backup_service.register(ADMIN)
    create(api, volume, availability_zone='elsewhere').fault(503)
    assert api.get('/volumes/' + volume['id']).json['volume']['status'] == 'available'
    assert api.get('/backups').json['backups'] == []
    assert create(api, volume).status == 202


@pytest.mark.parametrize(('quota', 'limit', 'error'), [
    ('backups', 1, 'BackupLimitExceeded'),
    ('backup_gigabytes', 3, 'VolumeBackupSizeExceedsAvailableQuota')])
def test_create_beyond_the_quota(api, volume, service, make, quota, limit, error):
    make()
    api.put('/os-quota-sets/' + PROJECT, {'quota_set': {quota: limit}})
    answer = create(api, volume)
    assert answer.fault(413).startswith(error + ':')
    assert answer.json['overLimit']['retryAfter'] == '0'
    shown = api.get('/limits').json['limits']['absolute']
    assert (shown['totalBackupsUsed'], shown['totalBackupGigabytesUsed']) == (1, 2)


# ------------------------------------------------------------------------------------------ read
@pytest.mark.parametrize('number', [0, 17, 18, 42, 43, 55, 56, 63, 64, 71])
def test_show_has_the_fields_of_the_version(api, reader, encrypted, number):
    backup = encrypted
    later = {name for since, name in LATER.items() if since <= number}
    for client, fields in ((api, DETAIL | later), (reader, DETAIL | later - FOR_ADMIN)):
        shown = client.get('/backups/' + backup['id'], mv=f'3.{number}').json['backup']
        assert set(shown) == fields
        listed, = client.get('/backups/detail', mv=f'3.{number}').json['backups']
        assert listed == shown
    assert shown['is_incremental'] is shown['has_dependent_backups'] is False


def test_backups_without_a_key_do_not_show_one(api, make):
    assert 'encryption_key_id' not in api.get('/backups/' + make()['id']).json['backup']


def test_the_short_list_is_shorter(api, backup):
    entry, = api.get('/backups').json['backups']
    assert set(entry) == SUMMARY and entry['id'] == backup['id']


def test_other_projects_backups_do_not_exist(api, backup, nobody):
    stranger = api.as_roles('member,reader', project=OTHER)
    path = '/backups/' + backup['id']
    for method, tail, body in (('GET', '', None), ('PUT', '', {'backup': {'name': 'x'}}),
                               ('DELETE', '', None), ('POST', '/restore', {'restore': {}}),
                               ('GET', '/export_record', None)):
        stranger.request(method, path + tail, body).fault(404)
    assert nobody in api.get('/backups/' + nobody).fault(404)
    assert names(stranger.get('/backups?all_tenants=1')) == ''
    assert names(api.as_roles('admin', project=OTHER).get('/backups?all_tenants=1')) == 'b'


@pytest.fixture
def two(make):
    return [make(display_name=name, metadata={'n': name}) for name in 'ab']


@pytest.mark.parametrize(('query', 'found'), [
    ('name=a', 'a'), ('name~=A', 'a'), ('status=available', 'ba'), ('status=error', ''),
    ('sort=name:asc', 'ab'), ('sort=size,name:asc', 'ab'), ('sort_key=id&limit=0', ''),
    ('limit=1', 'b'), ('offset=1', 'a'), ('sort_key=name&sort_dir=asc', 'ab')])
def test_filters_and_pages(member, two, query, found):
    assert names(member.get('/backups?' + query)) == found
    assert names(member.get('/backups/detail?' + query)) == found


def test_filter_by_volume_count_and_links(api, two, volume, nobody):
    answer = api.get(f"/backups?volume_id={volume['id']}&with_count=1&limit=1")
    assert answer.json['count'] == 2
    link = answer.json['backups_links'][0]
    assert link['rel'] == 'next' and f"marker={two[1]['id']}" in link['href']
    assert names(api.get('/backups?marker=' + two[1]['id'])) == 'a'
    assert names(api.get('/backups?volume_id=' + nobody)) == ''
    assert 'count' not in api.get('/backups?with_count=1', mv='3.44').json
    api.get('/backups?marker=' + nobody).fault(404)


def test_versions_of_filters(api, member, two):
    member.get('/backups?sort=name', mv='3.36').fault(400)
    assert names(member.get('/backups?sort=name:asc', mv='3.37')) == 'ab'
    assert names(member.get('/backups?name~=a', mv='3.30')) == 'ba'
    assert names(member.get('/backups?no_such_filter=1', mv='3.30')) == 'ba'
    member.get('/backups?no_such_filter=1', mv='3.31').fault(400)
    assert names(api.get('/backups?no_such_filter=1')) == ''


@pytest.mark.parametrize('query', ['limit=-1', 'limit=x', 'offset=x', 'sort=nope', 'sort=id:up',
                                   'sort=id&sort_key=id', 'all_tenants=zz', 'with_count=zz'])
def test_bad_parameters(api, query):
    api.get('/backups?' + query).fault(400)


# ---------------------------------------------------------------------------------------- update
def test_update(api, member, reader, backup):
    path = '/backups/' + backup['id']
    answer = member.put(path, {'backup': {'name': ' n ', 'metadata': {'x': 'y'}}})
    assert (answer.status, set(answer.json['backup'])) == (200, SUMMARY)
    assert answer.json['backup']['name'] == 'n'
    shown = api.get(path).json['backup']
    assert (shown['name'], shown['description'], shown['metadata']) == ('n', None, {'x': 'y'})
    assert member.put(path, {'backup': {'description': None}}, mv='3.9').status == 200
    for body in (None, {}, {'size': 1}, {'name': 'x' * 256}, {'metadata': None},
                 {'metadata': {'k': None}}):
        api.put(path, {'backup': body}).fault(400)
    api.put(path, {'backup': {'metadata': {}}}, mv='3.42').fault(400)
    api.put(path, {'backup': {'name': 'n'}}, mv='3.8').fault(404)
    reader.put(path, {'backup': {'name': 'x'}}).fault(403)


# ---------------------------------------------------------------------------------------- delete
@pytest.mark.parametrize('before', ['available', 'error'])
def test_delete(member, reader, service, make, bus, before):
    backup = make(status=before)
    reader.delete('/backups/' + backup['id']).fault(403)
    answer = member.delete('/backups/' + backup['id'])
    assert (answer.status, answer.body) == (202, b'')
    assert status_of(member, backup) == 'deleting'
    assert (bus.sent[-1].method, bus.sent[-1].host) == ('delete_backup', 'keeper')


@pytest.mark.parametrize('before', ['creating', 'deleting', 'restoring', 'error_deleting'])
def test_delete_of_a_busy_backup(api, service, make, before):
    backup = make(status=before)
    assert before in api.delete('/backups/' + backup['id']).fault(400)
    assert status_of(api, backup) == before


def test_delete_names_what_builds_on_it(api, service, make):
    base = make()
    child = make(parent_id=base['id'])
    assert child['id'] in api.delete('/backups/' + base['id']).fault(400)


def test_nothing_is_deleted_or_restored_without_a_service(api, backup, volume):
    api.delete('/backups/' + backup['id']).fault(404)
    act(api, backup, 'os-force_delete', {}).fault(404)
    for body in ({}, {'volume_id': volume['id']}):
        api.post(f"/backups/{backup['id']}/restore", {'restore': body}).fault(404)
    assert status_of(api, backup) == 'available'
    assert len(api.get('/volumes').json['volumes']) == 1


# --------------------------------------------------------------------------------------- restore
@pytest.mark.parametrize(('body', 'name'), [(None, 'restore_backup_'), ({}, 'restore_backup_'),
                                            ({'name': 'mine', 'volume_id': None}, 'mine')])
def test_restore_into_a_new_volume(member, reader, service, backup, body, name):
    path = f"/backups/{backup['id']}/restore"
    reader.post(path, {'restore': body}).fault(403)
    answer = member.post(path, {'restore': body})
    assert answer.status == 202
    made = answer.json['restore']
    assert set(made) == {'backup_id', 'volume_id', 'volume_name'}
    assert made['volume_name'].startswith(name)
    shown = member.get('/volumes/' + made['volume_id']).json['volume']
    assert (shown['size'], shown['name']) == (2, made['volume_name'])


def test_restore_into_a_volume(member, service, backup, volume, bus):
    path = f"/backups/{backup['id']}/restore"
    answer = member.post(path, {'restore': {'volume_id': volume['id'], 'name': 'ignored'}})
    assert answer.json == {'restore': {'backup_id': backup['id'], 'volume_id': volume['id'],
                                       'volume_name': 'one'}}
    assert bus.sent[-1].method == 'restore_backup'
    assert status_of(member, backup) == 'restoring'
    shown = member.get('/volumes/' + volume['id']).json['volume']
    assert shown['status'] == 'restoring-backup'
    member.post(path, {'restore': {}}).fault(400)


def test_restore_refusals(api, service, backup, volume, nobody):
    path = f"/backups/{backup['id']}/restore"
    for body in ('x', {'name': 5}, {'volume_id': 'x'}, {'other': 1}, {'name': 'x' * 256}):
        api.post(path, {'restore': body}).fault(400)
    api.post(path, {}).fault(400)
    assert nobody in api.post(path, {'restore': {'volume_id': nobody}}).fault(404)
    small = fake_daemons.volume(PROJECT, size=1)
    api.post(path, {'restore': {'volume_id': small['id']}}).fault(400)
    volumes_db.overwrite(ADMIN, volume['id'], {'status': 'in-use'})
    api.post(path, {'restore': {'volume_id': volume['id']}}).fault(400)
    api.put('/os-quota-sets/' + PROJECT, {'quota_set': {'volumes': 2}})
    api.post(path, {'restore': {}}).fault(413)
    assert status_of(api, backup) == 'available'


# --------------------------------------------------------------------------------------- records
def test_a_record_can_be_taken_elsewhere(api, member, service, encrypted):
    backup = encrypted
    path = f"/backups/{backup['id']}/export_record"
    member.get(path).fault(403)
    exported = api.get(path).json
    assert exported['backup-record']['backup_service'] == 'driver'
    record = json.loads(base64.b64decode(exported['backup-record']['backup_url']))
    # The original reads a record only if it has all of them, with times in this form.
    assert set(record) >= {
        'driver_info', 'host', 'fail_reason', 'temp_volume_id', 'temp_snapshot_id',
        'num_dependent_backups', 'restore_volume_id', 'created_at', 'updated_at', 'deleted_at',
        'deleted'}
    assert re.fullmatch(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ', record['created_at'])
    member.post('/backups/import_record', exported).fault(403)
    assert backup['id'] in api.post('/backups/import_record', exported).fault(400)
    backups_db.destroy(ADMIN, backup['id'])
    answer = api.post('/backups/import_record', exported)
    assert (answer.status, set(answer.json['backup'])) == (201, SUMMARY)
    shown = api.get('/backups/' + backup['id']).json['backup']
    assert (shown['status'], shown['name'], shown['size']) == ('creating', 'b', 2)
    assert (shown['metadata'], shown['encryption_key_id']) == ({'k': 'v'}, KEY)
    api.get(path).fault(400)


def imported(api, record, service='driver'):
    text = base64.b64encode(json.dumps(record).encode()).decode()
    return api.post('/backups/import_record', {'backup-record': {
        'backup_service': service, 'backup_url': text}})


def test_import_without_a_service(api, nobody):
    imported(api, {'id': nobody, 'size': 1}).fault(503)
    api.get('/backups/' + nobody).fault(404)


@pytest.mark.parametrize('record', [
    {}, [], 'x', None, {'size': 1}, {'id': 'x', 'size': 1}, {'id': None, 'size': 1}])
def test_import_refuses_what_is_no_record(api, service, record):
    imported(api, record).fault(400)


@pytest.mark.parametrize('values', [
    {'size': -1}, {'size': 2 ** 31}, {'size': '1'}, {'volume_id': 'x'}, {'object_count': 1.5},
    {'display_name': 'x' * 256}, {'display_name': 'nul\0'}, {'data_timestamp': 'noon'},
    {'metadata': {'k': 1}}, {'service_metadata': 'x' * 65536}, {'driver_info': 'x'}])
def test_import_refuses_what_no_backup_has(api, service, nobody, values):
    imported(api, {'id': nobody, 'size': 1, **values}).fault(400)


def test_import_of_a_record_with_more_in_it(api, service, nobody):
    assert imported(api, {
        'id': nobody.upper(), 'size': 1, 'temp_volume_id': None, 'num_dependent_backups': 3,
        'data_timestamp': '2020-01-02T03:04:05Z', 'host': 'theirs', 'deleted': False,
        'project_id': OTHER, 'status': 'available', 'volume_id': None}).status == 201
    shown = api.get('/backups/' + nobody).json['backup']
    assert shown['data_timestamp'] == '2020-01-02T03:04:05.000000'
    assert shown['os-backup-project-attr:project_id'] == PROJECT


@pytest.mark.parametrize('record', [
    {}, {'backup_service': 'x'}, {'backup_url': 'eA=='}, {'backup_service': 'x', 'backup_url': ''},
    {'backup_service': 'x', 'backup_url': 'a'}, {'backup_service': 'x', 'backup_url': 'é'},
    {'backup_service': 'x' * 256, 'backup_url': 'eA=='},
    {'backup_service': 'x', 'backup_url': '/w=='},
    {'backup_service': 'x', 'backup_url': 'eA==', 'other': 1}])
def test_import_refuses_bad_values(api, service, record):
    api.post('/backups/import_record', {'backup-record': record}).fault(400)


# --------------------------------------------------------------------------------------- actions
def test_reset_status(api, member, backup):
    act(member, backup, 'os-reset_status', {'status': 'error'}).fault(403)
    assert act(api, backup, 'os-reset_status', {'status': 'Error'}).status == 202
    assert status_of(api, backup) == 'error'
    for value in ({}, {'status': 'creating'}, {'status': None}, {'status': ''}, 'error', 5,
                  {'status': 'error', 'other': 1}):
        act(api, backup, 'os-reset_status', value).fault(400)


def test_force_delete(api, member, service, make, bus, nobody):
    backup = make(status='creating')
    act(member, backup, 'os-force_delete', {}).fault(403)
    bus.answers['check_support_to_force_delete'] = False
    act(api, backup, 'os-force_delete', {}).fault(405)
    bus.answers['check_support_to_force_delete'] = True
    assert act(api, backup, 'os-force_delete', None).status == 202
    assert status_of(api, backup) == 'deleting'
    assert nobody in act(api, {'id': nobody}, 'os-force_delete', {}).fault(404)
    act(api, {'id': nobody}, 'no-such', {}).fault(400)


# -------------------------------------------------------------------------- volumes from backups
def test_a_volume_from_a_backup(member, service, backup, volume, bus, nobody):
    def ask(mv='3.47', **body):
        return member.post('/volumes', {'volume': {'backup_id': backup['id'], **body}}, mv=mv)

    answer = ask()
    assert (answer.status, answer.json['volume']['size']) == (202, 2)
    assert bus.sent[-1].args['operation'].arguments['backup_id'] == backup['id']
    assert ask(size=3).json['volume']['size'] == 3
    ask(size=1).fault(400)
    ask(source_volid=volume['id']).fault(400)
    assert nobody in ask(backup_id=nobody).fault(404)
    ask(mv='3.46').fault(400)
    backups_db.overwrite(ADMIN, backup['id'], {'status': 'restoring'})
    assert 'restoring' in ask().fault(400)
    stranger = member.as_roles('member,reader', project=OTHER)
    stranger.post('/volumes', {'volume': {'backup_id': backup['id']}}).fault(404)
