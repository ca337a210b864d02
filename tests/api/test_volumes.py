# SPDX-License-Identifier: Apache-2.0
"""/volumes, /volumes/detail, /volumes/summary, /volumes/{id}: by microversion."""
import itertools

import pytest

from cinder import exception
from cinder.db import attachments as attachments_db
from cinder.db import services as services_db
from cinder.db import snapshots as snapshots_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.volume.api import volumes as volumes_api
from tests.fakes import daemons as fake_daemons
from tests.fakes.daemons import ADMIN

PROJECT = '0123456789abcdef0123456789abcdef'
OTHER = 'fedcba9876543210fedcba9876543210'
# Fields of a shown volume and the version that brought them.
BASE = {'id', 'status', 'size', 'availability_zone', 'created_at', 'updated_at', 'name',
        'description', 'volume_type', 'snapshot_id', 'source_volid', 'metadata', 'links',
        'user_id', 'bootable', 'encrypted', 'replication_status', 'consistencygroup_id',
        'multiattach', 'attachments', 'os-vol-tenant-attr:tenant_id'}
ADMINS = {'migration_status', 'os-vol-mig-status-attr:migstat', 'os-vol-mig-status-attr:name_id',
          'os-vol-host-attr:host'}
LATER = {'3.13': {'group_id'}, '3.48': {'shared_targets', 'service_uuid'},
         '3.63': {'volume_type_id'}, '3.65': {'consumes_quota'}}
ADMINS_LATER = {'3.21': {'provider_id'}, '3.61': {'cluster_name'}}


def number(mv):
    return int(mv.split('.')[1])


def names(answer):
    return [found['name'] for found in answer.json['volumes']]


def create(api, **body):
    answer = api.post('/volumes', {'volume': {'size': 1, **body}})
    assert answer.status == 202, answer.body
    return answer.json['volume']


@pytest.fixture
def three(api, daemons):
    """Volumes a, b and c, made in this order, of 1, 2 and 3 GiB."""
    return [fake_daemons.volume(PROJECT, name=name, size=size, metadata={'n': name})
            for size, name in enumerate('abc', 1)]


# --------------------------------------------------------------------------------------- create
def test_create_answers_the_volume_being_made(api, bus):
    answer = api.post('/volumes', {'volume': {
        'size': 1, 'name': '  vol ', 'description': ' d', 'metadata': {'k': 'v'}}}, mv='3.0')
    assert answer.status == 202
    volume = answer.json['volume']
    assert (volume['name'], volume['description']) == ('vol', 'd')
    assert (volume['status'], volume['size'], volume['bootable']) == ('creating', 1, 'false')
    assert volume['metadata'] == {'k': 'v'} and volume['attachments'] == []
    assert volume['volume_type'] == '__DEFAULT__'
    assert {link['rel'] for link in volume['links']} == {'self', 'bookmark'}
    assert set(volume) == (BASE | {'migration_status'}) - {'os-vol-tenant-attr:tenant_id'}
    assert bus.methods() == ['create_volume']


@pytest.mark.parametrize('body', [
    {}, {'size': 0}, {'size': -1}, {'size': 'abc'}, {'size': 1.5}, {'size': 2 ** 31},
    {'size': '9' * 400}, {'size': 10 ** 30}, {'size': True}, {'size': [1]},
    {'size': 1, 'name': 'x' * 256}, {'size': 1, 'name': 5},
    {'size': 1, 'snapshot_id': 'x'}, {'size': 1, 'source_volid': 'x'},
    {'size': 1, 'metadata': 'x'}, {'size': 1, 'metadata': {'k': 1}},
    {'size': 1, 'metadata': {'k' * 256: 'v'}}, {'size': 1, 'metadata': {'k': 'v' * 256}},
    {'size': 1, 'metadata': {'': 'v'}}, {'size': 1, 'metadata': {'k': None}},
    {'size': 1, 'multiattach': True}, {'size': 1, 'multiattach': 'yes'},
    {'size': 1, 'multiattach': 'perhaps'}, {'size': 1, 'availability_zone': 'no-such-zone'},
    {'size': 1, 'name': 'a\x00b'}, {'size': 1, 'volume_type': ['x']},
    {'size': 1, 'imageRef': 'cirros'}, {'size': 1, 'no-such-key': 1},
])
def test_create_refuses_bad_values(api, bus, body):
    api.post('/volumes', {'volume': body}).fault(400)
    assert bus.sent == []


@pytest.mark.parametrize('raw', [
    b'', b'{', b'[]', b'null', b'5', b'{}', b'{"volume": null}', b'{"volume": []}',
    b'{"volume": {"size": 1}, "other": {}}', b'{"volume": {"size": 1, "name": "\xff"}}',
    b'{"volume":' * 2000, b'[' * 50000])
def test_create_refuses_broken_bodies(api, raw):
    api.request('POST', '/volumes', raw=raw).fault(400)


@pytest.mark.parametrize('source', [
    {'volume_type': 'nope'}, {'snapshot_id': True}, {'source_volid': True},
    {'consistencygroup_id': True}, {'group_id': True}, {'backup_id': True}])
def test_create_from_the_unknown_is_404(api, nobody, source):
    body = {key: nobody if value is True else value for key, value in source.items()}
    assert (nobody if True in source.values() else 'nope') in api.post(
        '/volumes', {'volume': {'size': 1, **body}}).fault(404)


def test_unknown_keys_are_ignored_below_3_53(api, bus, nobody):
    body = {'volume': {'size': 1, 'no-such-key': 1}}
    assert api.post('/volumes', body, mv='3.52').status == 202
    api.post('/volumes', body, mv='3.53').fault(400)
    assert api.post('/volumes', {'volume': {'size': 1, 'group_id': nobody}}, mv='3.12').status \
        == 202
    assert api.post('/volumes', {'volume': {'size': 1, 'backup_id': nobody}}, mv='3.46').status \
        == 202


def test_create_takes_old_spellings(api, bus):
    volume = create(api, display_name='old', display_description='older')
    assert (volume['name'], volume['description']) == ('old', 'older')
    volume = create(api, name='new', display_name='old')
    assert volume['name'] == 'new'


@pytest.mark.parametrize('key', ['OS-SCH-HNT:scheduler_hints', 'scheduler_hints'])
def test_scheduler_hints_have_two_spellings(api, bus, nobody, key):
    hints = {'same_host': [nobody], 'query': '["=", "$x", 1]', 'own': 'thing'}
    answer = api.post('/volumes', {'volume': {'size': 1}, key: hints})
    assert answer.status == 202
    assert bus.sent[0].args['operation'].arguments['scheduler_hints'] == hints
    api.post('/volumes', {'volume': {'size': 1}, key: {'different_host': 'x'}}).fault(400)


def test_create_from_several_sources_is_refused(api, volume, snapshot):
    text = api.post('/volumes', {'volume': {
        'size': 1, 'snapshot_id': snapshot['id'], 'source_volid': volume['id']}}).fault(400)
    assert 'snapshot_id' in text and 'source_volid' in text


def test_create_from_snapshot_and_volume(api, volume, snapshot):
    body = {'volume': {'snapshot_id': snapshot['id']}}
    made = api.post('/volumes', body).json['volume']
    assert (made['size'], made['snapshot_id']) == (1, snapshot['id'])
    made = api.post('/volumes', {'volume': {'source_volid': volume['id'], 'size': '2'}}).json
    assert (made['volume']['size'], made['volume']['source_volid']) == (2, volume['id'])


def test_create_in_a_zone(api, bus):
    services_db.create(ADMIN, {'host': 'n@b', 'binary': 'cinder-volume',
                               'topic': 'cinder-volume', 'availability_zone': 'az1'})
    assert create(api, availability_zone='az1')['availability_zone'] == 'az1'


def test_create_by_type_name_or_id(api, bus):
    made = types_db.create(ADMIN, {'name': 'gold', 'is_public': True})
    assert create(api, volume_type='gold')['volume_type'] == 'gold'
    assert create(api, volume_type=made.id)['volume_type_id'] == made.id


def test_multiattach_comes_from_the_type(api, bus):
    types_db.create(ADMIN, {'name': 'multi', 'is_public': True},
                    extra_specs={'multiattach': '<is> True'})
    assert create(api, volume_type='multi')['multiattach'] is True


def test_create_beyond_the_quota_is_413(api, bus):
    for _ in range(10):
        create(api)
    answer = api.post('/volumes', {'volume': {'size': 1}})
    assert answer.fault(413).startswith('VolumeLimitExceeded')
    assert answer.json['overLimit']['retryAfter'] == '0'
    assert answer.headers['Retry-After'] == '0'


def test_readers_may_not_create(reader, bus):
    assert 'volume:create' in reader.post('/volumes', {'volume': {'size': 1}}).fault(403)


# ----------------------------------------------------------------------------------------- show
@pytest.mark.parametrize('mv', ['3.0', '3.12', '3.13', '3.20', '3.21', '3.47', '3.48', '3.60',
                                '3.61', '3.62', '3.63', '3.64', '3.65', '3.71'])
def test_show_has_the_fields_of_the_version(api, member, volume, mv):
    def since(table):
        return set(itertools.chain.from_iterable(
            fields for at, fields in table.items() if number(at) <= number(mv)))

    path = '/volumes/' + volume['id']
    assert set(member.get(path, mv=mv).json['volume']) == BASE | since(LATER)
    assert set(api.get(path, mv=mv).json['volume']) == (
        BASE | ADMINS | since(LATER) | since(ADMINS_LATER))


def test_show_of_the_unknown_names_it(api, nobody):
    assert nobody in api.get('/volumes/' + nobody).fault(404)
    api.get('/volumes/' + 'x' * 5000).fault(404)


def test_other_projects_volumes_do_not_exist(api, volume):
    stranger = api.as_roles('member,reader', project=OTHER)
    path = '/volumes/' + volume['id']
    stranger.get(path).fault(404)
    stranger.put(path, {'volume': {'name': 'x'}}).fault(404)
    stranger.delete(path).fault(404)
    assert names(stranger.get('/volumes')) == []


def test_shared_targets_may_be_null_from_3_69(api, volume):
    path = '/volumes/' + volume['id']
    assert api.get(path, mv='3.68').json['volume']['shared_targets'] is True
    assert api.get(path, mv='3.69').json['volume']['shared_targets'] is None


@pytest.mark.parametrize('status, shown', [
    ('managing', 'creating'), ('error_managing', 'error'),
    ('error_managing_deleting', 'deleting'), ('in-use', 'in-use')])
def test_states_of_a_take_over_are_shown_by_common_names(api, volume, status, shown):
    volumes_db.overwrite(ADMIN, volume['id'], {'status': status})
    assert api.get('/volumes/' + volume['id']).json['volume']['status'] == shown


def test_key_id_is_shown_when_there_is_one(api, volume, nobody):
    path = '/volumes/' + volume['id']
    for key, seen in ((None, False), ('00000000-0000-0000-0000-000000000000', False),
                      (nobody, True)):
        volumes_db.update(ADMIN, volume['id'], {'encryption_key_id': key})
        assert ('encryption_key_id' in api.get(path, mv='3.64').json['volume']) is seen
        assert 'encryption_key_id' not in api.get(path, mv='3.63').json['volume']


def test_image_metadata_and_admin_metadata_are_mixed_in(api, volume):
    volumes_db.set_admin_metadata(ADMIN, volume['id'], {'readonly': 'True', 'secret': 'x'})
    volumes_db.set_glance_metadata(ADMIN, volume['id'], {'image_name': 'cirros'})
    shown = api.get('/volumes/' + volume['id']).json['volume']
    assert shown['metadata'] == {'k': 'v', 'readonly': 'True'}
    assert shown['volume_image_metadata'] == {'image_name': 'cirros'}


def test_only_finished_attachments_are_shown(api, member, volume, nobody):
    attachments_db.create(ADMIN, {'volume_id': volume['id'], 'attach_status': 'reserved'})
    made = attachments_db.create(ADMIN, {
        'volume_id': volume['id'], 'attach_status': 'attached', 'instance_uuid': nobody,
        'attached_host': 'host', 'mountpoint': '/dev/vdb'})
    path = '/volumes/' + volume['id']
    entry, = api.get(path).json['volume']['attachments']
    assert entry == {'id': volume['id'], 'volume_id': volume['id'], 'attachment_id': made.id,
                     'server_id': nobody, 'host_name': 'host', 'device': '/dev/vdb',
                     'attached_at': None}
    entry, = member.get(path).json['volume']['attachments']
    assert entry['host_name'] is None
    service = api.as_roles('member,reader,service')
    entry, = service.get(path).json['volume']['attachments']
    assert entry['host_name'] == 'host'


def test_json_suffix_and_missing_project(api, volume):
    assert api.get(f"/volumes/{volume['id']}.json").json['volume']['id'] == volume['id']
    answer = api.get('/v3/volumes/' + volume['id'], bare=True)
    assert answer.json['volume']['links'][0]['href'].endswith('/v3/volumes/' + volume['id'])


# ---------------------------------------------------------------------------------------- lists
def test_short_list_has_three_fields(api, volume):
    entry, = api.get('/volumes').json['volumes']
    assert set(entry) == {'id', 'name', 'links'}


def test_newest_comes_first(api, three):
    assert names(api.get('/volumes')) == ['c', 'b', 'a']
    assert names(api.get('/volumes?sort=size:asc')) == ['a', 'b', 'c']
    assert names(api.get('/volumes?sort=name')) == ['c', 'b', 'a']
    assert names(api.get('/volumes?sort_key=size&sort_dir=asc')) == ['a', 'b', 'c']
    assert names(api.get('/volumes?sort=status:asc,size:desc')) == ['c', 'b', 'a']


@pytest.mark.parametrize('path', ['/volumes', '/volumes/detail'])
def test_pages_follow_their_links(api, three, path):
    first = api.get(f'{path}?limit=2&sort=size:asc')
    assert names(first) == ['a', 'b']
    link, = first.json['volumes_links']
    assert link['rel'] == 'next'
    second = api.get(link['href'].partition('localhost')[2].removeprefix(':80'), bare=True)
    assert names(second) == ['c'] and 'volumes_links' not in second.json


def test_paging_by_limit_and_offset(api, three):
    assert api.get('/volumes?limit=0').json == {'volumes': []}
    assert names(api.get('/volumes?offset=1')) == ['b', 'a']
    assert names(api.get('/volumes?limit=1&offset=2')) == ['a']
    assert len(names(api.get('/volumes?limit=5000'))) == 3


@pytest.mark.parametrize('query', [
    'limit=-1', 'limit=x', 'offset=-1', 'offset=x', 'offset=2147483648', 'sort=nope',
    'sort=created_at:up', 'sort=', 'sort_key=nope', 'sort_dir=up', 'sort=id&sort_key=id',
    'all_tenants=zz', 'bootable=zz', 'with_count=zz', 'created_at=zz:2020-01-01',
    'created_at=gt:zz', 'updated_at=gt:', 'consumes_quota=zz', 'name=%FF', 'name=%00'])
def test_bad_parameters_are_400(api, query):
    api.get('/volumes?' + query).fault(400)


def test_marker_has_to_exist(api, three, nobody):
    api.get('/volumes?marker=' + nobody).fault(404)
    assert names(api.get('/volumes?marker=' + three[1]['id'])) == ['a']


@pytest.mark.parametrize('query, found', [
    ('name=b', 'b'), ('status=available', 'cba'), ('status=error', ''), ('size=2', 'b'),
    ('size=abc', ''), ("metadata={'n':'b'}", 'b'), ("metadata={'n':'b','x':'y'}", ''),
    ('metadata=nonsense', ''), ('bootable=false', 'cba'), ('bootable=true', ''),
    ('name~=B', 'b'), ('availability_zone=nowhere', ''), ('consumes_quota=true', 'cba'),
    ('created_at=gt:2000-01-01T00:00:00', 'cba'), ('created_at=lt:2000-01-01T00:00:00', ''),
    ('created_at=gt:2000-01-01T00:00:00,lt:2000-01-02T00:00:00', ''),
    ('migration_status=success', '')])
def test_filters(member, three, query, found):
    assert ''.join(names(member.get('/volumes/detail?' + query))) == found


def test_administrators_filter_by_any_column(api, three):
    assert names(api.get('/volumes?host=node@fake')) == ['c', 'b', 'a']
    assert names(api.get('/volumes?host=node@fake%23other')) == []
    assert names(api.get('/volumes?attach_status=detached')) == ['c', 'b', 'a']
    assert names(api.get('/volumes?no_such_filter=1')) == []


def test_unknown_filters_are_refused_from_3_31(member, three):
    assert len(names(member.get('/volumes?no_such_filter=1', mv='3.30'))) == 3
    assert 'no_such_filter' in member.get('/volumes?no_such_filter=1', mv='3.31').fault(400)
    member.get('/volumes?host=x').fault(400)
    assert len(names(member.get('/volumes?host=x', mv='3.0'))) == 3


def test_filters_before_their_version_are_dropped(member, three, nobody):
    for query, below in ((f'group_id={nobody}', '3.9'), ("glance_metadata={'a':'b'}", '3.3'),
                         ('created_at=lt:2000-01-01T00:00:00', '3.30'), ('name~=zz', '3.30')):
        assert len(names(member.get('/volumes?' + query, mv=below))) == 3, query
    assert names(member.get(f'/volumes?group_id={nobody}', mv='3.10')) == []


def test_bootable_takes_any_text_below_3_2(member, volume):
    volumes_db.update(ADMIN, volume['id'], {'bootable': True})
    assert names(member.get('/volumes?bootable=zz', mv='3.1')) == ['one']
    assert names(member.get('/volumes?bootable=0', mv='3.1')) == []
    member.get('/volumes?bootable=zz', mv='3.2').fault(400)


def test_all_tenants_is_for_administrators(api, daemons, three):
    theirs = api.as_roles('member,reader', project=OTHER)
    create(theirs, name='theirs')
    assert names(theirs.get('/volumes?all_tenants=1')) == ['theirs']
    assert len(names(api.get('/volumes'))) == 3
    assert len(names(api.get('/volumes?all_tenants=1'))) == 4
    assert names(api.get(f'/volumes?all_tenants=1&project_id={OTHER}')) == ['theirs']


def test_count_is_of_all_matches(api, three):
    answer = api.get('/volumes?with_count=true&limit=1', mv='3.45')
    assert answer.json['count'] == 3 and len(answer.json['volumes']) == 1
    assert api.get('/volumes?with_count=1&limit=0').json == {'volumes': [], 'count': 3}
    assert 'count' not in api.get('/volumes?with_count=false').json
    assert 'count' not in api.get('/volumes?with_count=true', mv='3.44').json


def test_targets_of_migrations_are_hidden(api, member, volume, nobody):
    volumes_db.update(ADMIN, volume['id'], {'migration_status': f'target:{nobody}'})
    assert names(member.get('/volumes')) == []
    assert names(api.get('/volumes')) == ['one']


@pytest.mark.parametrize('path', ['/volumes', '/volumes/detail', '/volumes/summary'])
def test_readers_may_list_and_the_roleless_may_not(reader, api, path):
    assert reader.get(path).status == 200
    api.as_roles('nobody').get(path).fault(403)


# -------------------------------------------------------------------------------------- summary
def test_summary(api, daemons, three):
    theirs = api.as_roles('member,reader', project=OTHER)
    create(theirs, size=5)
    api.get('/volumes/summary', mv='3.11').fault(404)
    assert api.get('/volumes/summary', mv='3.12').json == {
        'volume-summary': {'total_count': 3, 'total_size': 6}}
    assert api.get('/volumes/summary', mv='3.36').json['volume-summary']['metadata'] == {
        'n': ['a', 'b', 'c']}
    assert api.get('/volumes/summary?all_tenants=1').json['volume-summary']['total_size'] == 11
    assert theirs.get('/volumes/summary?all_tenants=1').json['volume-summary']['total_size'] == 5
    api.get('/volumes/summary?all_tenants=zz').fault(400)


# --------------------------------------------------------------------------------------- update
def test_update(api, volume):
    path = '/volumes/' + volume['id']
    answer = api.put(path, {'volume': {'name': ' two ', 'metadata': {'a': 'b'}}})
    assert answer.status == 200
    assert (answer.json['volume']['name'], answer.json['volume']['metadata']) == (
        'two', {'a': 'b'})
    api.put(path, {'volume': {'display_name': 'three', 'display_description': 'd'}})
    shown = api.get(path).json['volume']
    assert (shown['name'], shown['description'], shown['metadata']) == ('three', 'd', {'a': 'b'})
    assert shown['updated_at'] is not None
    api.put(path, {'volume': {'name': None}})
    assert api.get(path).json['volume']['name'] is None


def test_update_needs_something_from_3_53(api, volume):
    path = '/volumes/' + volume['id']
    assert api.put(path, {'volume': {}}, mv='3.52').status == 200
    api.put(path, {'volume': {}}, mv='3.53').fault(400)
    api.put(path, {'volume': {'size': 5}}, mv='3.0').fault(400)


def test_update_is_refused_in_maintenance_and_to_readers(api, reader, volume):
    path = '/volumes/' + volume['id']
    reader.put(path, {'volume': {'name': 'x'}}).fault(403)
    volumes_db.overwrite(ADMIN, volume['id'], {'status': 'maintenance'})
    assert 'maintenance' in api.put(path, {'volume': {'name': 'x'}}).fault(400)


# --------------------------------------------------------------------------------------- delete
def test_delete(api, volume, daemons):
    path = '/volumes/' + volume['id']
    daemons.busy = True
    answer = api.delete(path)
    assert (answer.status, answer.body) == (202, b'')
    assert api.get(path).json['volume']['status'] == 'deleting'
    api.delete(path).fault(400)


def test_delete_costs_few_statements(api, volume, daemons, statements):
    daemons.busy = True
    assert api.delete('/volumes/' + volume['id']).status == 202
    asked = [text for text in statements if 'volume_attachment' in text.partition('WHERE')[0]]
    assert len(asked) == 1, asked
    # One of them records the event.
    assert len(statements) <= 6, statements


def test_delete_ends_reservations_that_it_knows_of(api, volume):
    attachment = attachments_db.create(
        ADMIN, {'volume_id': volume['id'], 'attach_status': 'reserved'})
    loaded = volumes_db.get(ADMIN, volume['id'])
    assert loaded.attachments
    loaded.attachments = []
    with pytest.raises(exception.InvalidVolume, match=f'has attachments: {attachment.id}'):
        volumes_api.delete(ADMIN, loaded)
    assert api.delete('/volumes/' + volume['id']).status == 202
    assert attachments_db.for_volume(ADMIN, volume['id']) == []


def test_delete_with_snapshots_needs_cascade(api, volume, snapshot):
    path = '/volumes/' + volume['id']
    assert snapshot['id'] in api.delete(path).fault(400)
    api.delete(path + '?cascade=zz').fault(400)
    assert api.delete(path + '?cascade=true').status == 202
    api.get(path).fault(404)
    api.get('/snapshots/' + snapshot['id']).fault(404)
    assert snapshots_db.for_volume(ADMIN, volume['id']) == []


def test_force_delete_counts_from_3_23_and_for_administrators(api, member, volume):
    path = f"/volumes/{volume['id']}?force=true"
    volumes_db.overwrite(ADMIN, volume['id'], {'status': 'creating'})
    api.delete(path, mv='3.22').fault(400)
    assert 'volume:force_delete' in member.delete(path).fault(403)
    api.delete(f"/volumes/{volume['id']}?force=zz").fault(400)
    assert api.delete(path, mv='3.23').status == 202


def test_delete_of_the_unknown_checks_the_query_first(api, nobody):
    api.delete(f'/volumes/{nobody}?cascade=zz').fault(400)
    assert nobody in api.delete(f'/volumes/{nobody}').fault(404)


# ------------------------------------------------------------------------------------------- cost
@pytest.mark.parametrize('path', ['/volumes/{}', '/volumes/detail', '/volumes/detail?limit=2',
                                  '/volumes/detail?limit=1&marker={}'])
def test_reading_takes_three_statements(api, three, statements, path):
    assert api.get(path.format(three[2]['id'])).status == 200
    assert len(statements) == 3


def test_a_short_page_takes_one_statement(api, three, statements):
    assert api.get('/volumes').status == 200
    assert len(statements) == 1
