# SPDX-License-Identifier: Apache-2.0
"""Groups over HTTP, with the two faces of those of the old kind."""
import pytest

from cinder.db import groups as groups_db
from cinder.db import journal
from cinder.db import quotas as quotas_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from tests.api.client import PROJECT
from tests.fakes.daemons import ADMIN
from tests.fakes.daemons import volume as make_volume


@pytest.fixture
def kind(api):
    return api.post('/group_types', {'group_type': {'name': 'kind'}}).json['group_type']['id']


@pytest.fixture
def default_type(database):
    return types_db.default(ADMIN)


@pytest.fixture
def make(api, daemons, kind, default_type):
    """Make groups that take the default type; their ids."""
    def make(name='one', **values):
        answer = api.post('/groups', {'group': {
            'name': name, 'group_type': kind, 'volume_types': [default_type.id], **values}})
        assert answer.status == 202, answer.body
        return answer.json['group']['id']
    return make


@pytest.fixture
def make_old(api, daemons, default_type):
    """The same for consistency groups."""
    def make(name='old'):
        answer = api.post('/consistencygroups', {'consistencygroup': {
            'name': name, 'volume_types': f'{default_type.name},'}}, mv='3.0')
        assert answer.status == 202, answer.body
        return answer.json['consistencygroup']['id']
    return make


@pytest.fixture
def add_volume(api, default_type):
    """Make a volume in a group; its id."""
    def add(group_id, key='group_id'):
        answer = api.post('/volumes', {'volume': {
            'size': 1, 'volume_type': default_type.id, key: group_id}})
        assert answer.status == 202, answer.body
        return answer.json['volume']['id']
    return add


def _act(api, group_id, mv='latest', **action):
    (key, value), = action.items()
    return api.post(f'/groups/{group_id}/action', {key.replace('__', '-'): value}, mv=mv)


def _names(answer, key='groups'):
    assert answer.status == 200, answer.body
    return [each['name'] for each in answer.json[key]]


class TestBase:
    """3.13"""

    def test_create_and_show(self, api, make, kind, default_type):
        ident = make(description='d')
        shown = api.get(f'/groups/{ident}', mv='3.13').json['group']
        assert shown.pop('created_at')
        assert shown == {
            'id': ident, 'name': 'one', 'description': 'd', 'status': 'available',
            'availability_zone': 'nova', 'group_type': kind, 'volume_types': [default_type.id]}

    def test_create_answers_with_id_and_name(self, api, daemons, kind):
        answer = api.post('/groups', {'group': {
            'name': ' n ', 'group_type': 'kind', 'volume_types': ['__DEFAULT__']}})
        assert answer.json == {'group': {'id': answer.json['group']['id'], 'name': 'n'}}

    @pytest.mark.parametrize('change', [
        {'group_type': ''}, {'group_type': None}, {'volume_types': []}, {'volume_types': 'zz'},
        {'volume_types': ['a', 'a']}, {'volume_types': [5]}, {'name': 'x' * 256}, {'name': 5},
        {'description': 'a\nb'}, {'availability_zone': ''}, {'availability_zone': 'nowhere'},
        {'zz': 1}, {'group_type': 'default_cgsnapshot_type'}])
    def test_bad_bodies(self, api, kind, default_type, make_old, change):
        make_old()
        api.post('/groups', {'group': {'group_type': kind, 'volume_types': [default_type.id],
                                       **change}}).fault(400)

    @pytest.mark.parametrize('change', [{'group_type': 'zz'}, {'volume_types': ['zz']}])
    def test_unknown_types(self, api, kind, default_type, change):
        body = {'group_type': kind, 'volume_types': [default_type.id], **change}
        assert 'zz' in api.post('/groups', {'group': body}).fault(404)

    def test_quota(self, api, make, kind, default_type):
        quotas_db.set_limits(ADMIN, PROJECT, {'groups': 1})
        make()
        answer = api.post('/groups', {'group': {'group_type': kind,
                                                'volume_types': [default_type.id]}})
        assert answer.fault(413).startswith('GroupLimitExceeded: ')
        assert answer.headers['Retry-After'] == '0'

    def test_lists(self, api, make):
        first, second = make('a'), make('b')
        assert api.get('/groups', mv='3.13').json == {'groups': [
            {'id': second, 'name': 'b'}, {'id': first, 'name': 'a'}]}
        assert _names(api.get('/groups/detail?sort=name:asc')) == ['a', 'b']
        page = api.get('/groups/detail?limit=1')
        assert _names(page) == ['b'] and page.json['group_links'][0]['rel'] == 'next'
        assert _names(api.get(f'/groups?marker={second}')) == ['a']
        for query in ('limit=-1', 'sort=zz', 'sort=name:up', 'offset=zz'):
            api.get(f'/groups?{query}').fault(400)

    def test_hidden_below(self, api, make):
        ident = make()
        for answer in (api.get('/groups', mv='3.12'), api.get(f'/groups/{ident}', mv='3.12'),
                       _act(api, ident, mv='3.12', delete={}),
                       _act(api, ident, mv='3.19', reset_status={'status': 'error'}),
                       api.post('/groups/action', {'create-from-src': {}}, mv='3.13')):
            answer.fault(404)

    def test_other_projects_see_nothing(self, api, make):
        ident = make()
        stranger = api.as_roles('member,reader', project='f' * 32)
        assert stranger.get('/groups').json == {'groups': []}
        for answer in (stranger.get(f'/groups/{ident}'), _act(stranger, ident, delete={}),
                       stranger.put(f'/groups/{ident}', {'group': {'name': 'n'}})):
            answer.fault(404)

    def test_rights(self, api, reader, member, make):
        ident = make()
        assert reader.get(f'/groups/{ident}').status == 200
        reader.put(f'/groups/{ident}', {'group': {'name': 'n'}}).fault(403)
        _act(reader, ident, delete={}).fault(403)
        _act(member, ident, reset_status={'status': 'error'}).fault(403)
        assert _act(member, ident, delete={}).status == 202


class TestMembers:
    """3.13"""

    def test_a_volume_in_a_group(self, api, make, add_volume):
        ident = make()
        volume = add_volume(ident)
        shown = api.get(f'/volumes/{volume}').json['volume']
        assert (shown['group_id'], shown['consistencygroup_id']) == (ident, None)
        assert [each['id'] for each in api.get(f'/volumes?group_id={ident}').json['volumes']] == [
            volume]
        assert ident in api.delete(f'/volumes/{volume}').fault(400)

    def test_group_of_a_new_volume(self, api, make, make_old, default_type, nobody):
        ident, old = make(), make_old()
        for values, status in (({'group_id': nobody}, 404), ({'group_id': old}, 404),
                               ({'consistencygroup_id': ident}, 404)):
            api.post('/volumes', {'volume': {'size': 1, 'volume_type': default_type.id,
                                             **values}}).fault(status)
        assert default_type.id in api.post('/volumes', {'volume': {
            'size': 1, 'group_id': ident}}).fault(400)

    def test_add_and_remove(self, api, make, add_volume):
        ident = make()
        old, new = add_volume(ident), make_volume(PROJECT)['id']
        answer = api.put(f'/groups/{ident}', {'group': {
            'name': 'n', 'add_volumes': f'{new}, ', 'remove_volumes': old}})
        assert (answer.status, answer.body) == (202, b'')
        shown = api.get(f'/groups/{ident}?list_volume=1').json['group']
        assert (shown['name'], shown['volumes']) == ('n', [new])
        assert api.delete(f'/volumes/{old}').status == 202

    @pytest.mark.parametrize('body', [
        {}, {'name': None}, {'add_volumes': ''}, {'add_volumes': ' ,'}, {'name': 5}, {'zz': 1},
        {'add_volumes': 'zz'}, {'remove_volumes': 'zz'},
        {'add_volumes': 'zz', 'remove_volumes': 'zz'}])
    def test_bad_updates(self, api, make, body):
        api.put(f'/groups/{make()}', {'group': body}).fault(400)

    def test_names_may_become_empty(self, api, make):
        ident = make()
        assert api.put(f'/groups/{ident}', {'group': {'name': ''}}).status == 202
        assert api.get(f'/groups/{ident}').json['group']['name'] == ''

    def test_delete(self, api, make, add_volume):
        ident = make()
        volume = add_volume(ident)
        assert volume in _act(api, ident, delete={'delete-volumes': 'false'}).fault(400)
        _act(api, ident, delete={'delete-volumes': 'zz'}).fault(400)
        answer = _act(api, ident, delete={'delete-volumes': True})
        assert (answer.status, answer.body) == (202, b'')
        api.get(f'/groups/{ident}').fault(404)
        api.get(f'/volumes/{volume}').fault(404)


class TestLater:
    def test_create_from_src(self, api, make, add_volume):
        """3.14"""
        ident = make()
        add_volume(ident)
        answer = api.post('/groups/action', {'create-from-src': {
            'name': 'copy', 'source_group_id': ident, 'group_snapshot_id': None}}, mv='3.14')
        assert answer.status == 202
        copy = answer.json['group']['id']
        assert answer.json == {'group': {'id': copy, 'name': 'copy'}}
        shown = api.get(f'/groups/{copy}?list_volume=true').json['group']
        assert (shown['source_group_id'], len(shown['volumes'])) == (ident, 1)

    def test_create_from_src_needs_one_source(self, api, make, nobody):
        ident = make()
        for body, status in (({}, 400), ({'source_group_id': 'zz'}, 400),
                             ({'source_group_id': ident, 'group_snapshot_id': nobody}, 400),
                             ({'source_group_id': ident}, 400),  # it has no volumes
                             ({'source_group_id': nobody}, 404),
                             ({'group_snapshot_id': nobody}, 404)):
            api.post('/groups/action', {'create-from-src': body}).fault(status)

    def test_reset_status(self, api, make):
        """3.20"""
        ident = make()
        assert _act(api, ident, mv='3.20', reset_status={'status': 'Error'}).status == 202
        assert api.get(f'/groups/{ident}').json['group']['status'] == 'error'
        for status in ('zz', '', None, 5):
            _act(api, ident, reset_status={'status': status}).fault(400)

    def test_list_volume(self, api, member, make, add_volume):
        """3.25"""
        ident = make()
        volume = add_volume(ident)
        for path, pick in ((f'/groups/{ident}', lambda found: found['group']),
                           ('/groups/detail', lambda found: found['groups'][0])):
            assert pick(member.get(f'{path}?list_volume=true').json)['volumes'] == [volume]
            assert 'volumes' not in pick(api.get(path).json)
            assert 'volumes' not in pick(api.get(f'{path}?list_volume=true', mv='3.24').json)
            api.get(f'{path}?list_volume=zz').fault(400)

    def test_filters(self, api, member, make):
        """3.31, 3.34"""
        make('one')
        make('two')
        assert _names(member.get('/groups?name=one')) == ['one']
        assert _names(api.get('/groups?name~=w')) == ['two']
        member.get('/groups?status=available').fault(400)
        assert _names(member.get('/groups?all_tenants=1')) == ['two', 'one']

    def test_replication_of_a_plain_group(self, api, make):
        """3.38"""
        ident = make()
        assert api.get(f'/groups/{ident}').json['group']['replication_status'] == 'disabled'
        for verb in ('enable_replication', 'disable_replication', 'failover_replication',
                     'list_replication_targets'):
            assert 'does not enable replication' in _act(api, ident, **{verb: {}}).fault(400)
            _act(api, ident, mv='3.37', **{verb: {}}).fault(404)
        _act(api, ident, failover_replication={'allow_attached_volume': 'zz'}).fault(400)

    def test_project(self, api, member, make):
        """3.58"""
        ident = make()
        assert api.get(f'/groups/{ident}').json['group']['project_id'] == PROJECT
        assert 'project_id' not in api.get(f'/groups/{ident}', mv='3.57').json['group']
        assert 'project_id' not in member.get(f'/groups/{ident}').json['group']


def test_reads_cost_few_statements(api, make, add_volume, statements):
    for name in 'abc':
        add_volume(make(name))
    for path, most in (('/groups', 1), ('/groups/detail', 2),
                       ('/groups/detail?list_volume=1', 3)):
        statements.clear()
        assert len(_names(api.get(path))) == 3
        assert len(statements) <= most, statements
    statements.clear()
    assert len(api.get('/volumes/detail').json['volumes']) == 3
    assert len(statements) <= 3, statements


class TestConsistencyGroups:
    """3.0"""

    def test_create_and_show(self, api, make_old, default_type):
        ident = make_old()
        shown = api.get(f'/consistencygroups/{ident}', mv='3.0').json['consistencygroup']
        assert shown.pop('created_at')
        assert shown == {'id': ident, 'name': 'old', 'description': None, 'status': 'available',
                         'availability_zone': 'nova', 'volume_types': [default_type.id]}

    @pytest.mark.parametrize('body', [{}, {'volume_types': ''}, {'volume_types': ' , '},
                                      {'volume_types': ['a']}, {'volume_types': None}])
    def test_bad_bodies(self, api, body):
        api.post('/consistencygroups', {'consistencygroup': body}, mv='3.0').fault(400)

    def test_each_face_has_its_own(self, api, make, make_old):
        new, old = make(), make_old()
        for path in ('/consistencygroups', '/consistencygroups/detail'):
            assert _names(api.get(path), 'consistencygroups') == ['old']
        api.get(f'/consistencygroups/{new}').fault(404)
        api.get(f'/groups/{old}').fault(400)
        _act(api, old, delete={}).fault(400)
        page = api.get('/consistencygroups?limit=1')
        assert page.json['consistencygroup_links'][0]['rel'] == 'next'

    def test_a_volume_in_it(self, api, make_old, add_volume):
        ident = make_old()
        volume = add_volume(ident, key='consistencygroup_id')
        for path, pick in ((f'/volumes/{volume}', lambda found: found['volume']),
                           ('/volumes/detail', lambda found: found['volumes'][0])):
            assert pick(api.get(path).json)['consistencygroup_id'] == ident

    @pytest.mark.parametrize(('path', 'mv', 'status'), [
        ('', '3.5', 400), ('', '3.6', 202), ('/update', '3.6', 400)])
    def test_blanks(self, api, make_old, path, mv, status):
        """3.6"""
        url = f'/consistencygroups/{make_old()}{path}'
        answer = api.put(url, {'consistencygroup': {'name': ''}}, mv=mv)
        assert answer.status == status, answer.body
        assert api.put(url, {'consistencygroup': {'name': 'n'}}, mv=mv).status == 202

    def test_members(self, api, make_old, add_volume):
        ident = make_old()
        old, new = add_volume(ident, 'consistencygroup_id'), make_volume(PROJECT)['id']
        assert api.put(f'/consistencygroups/{ident}/update', {'consistencygroup': {
            'add_volumes': new, 'remove_volumes': old}}, mv='3.0').status == 202
        shown = {each['id']: each['consistencygroup_id']
                 for each in api.get('/volumes/detail').json['volumes']}
        assert shown == {old: None, new: ident}

    def test_create_from_src(self, api, make, make_old, add_volume):
        ident = make_old()
        add_volume(ident, 'consistencygroup_id')
        path = '/consistencygroups/create_from_src'
        answer = api.post(path, {'consistencygroup-from-src': {
            'source_cgid': ident, 'status': 'creating'}}, mv='3.0')
        assert answer.status == 202 and answer.json['consistencygroup']['id'] != ident
        for body, status in (({}, 400), ({'source_cgid': make()}, 404),
                             ({'source_cgid': ident, 'cgsnapshot_id': ident}, 400)):
            api.post(path, {'consistencygroup-from-src': body}, mv='3.0').fault(status)

    def test_delete(self, api, make_old, add_volume):
        with_volume = make_old()
        add_volume(with_volume, 'consistencygroup_id')
        path = f'/consistencygroups/{with_volume}'
        api.post(f'{path}/delete', {'consistencygroup': {'force': False}}).fault(400)
        api.delete(path).fault(400)
        api.post(f'{path}/delete', {'consistencygroup': {'force': 'zz'}}).fault(400)
        assert api.post(f'{path}/delete', {'consistencygroup': {'force': True}}).status == 202
        for call in (lambda url: api.delete(url), lambda url: api.post(f'{url}/delete')):
            assert call(f'/consistencygroups/{make_old()}').status == 202
        assert api.get('/consistencygroups').json == {'consistencygroups': []}


class TestBeforeItIsMade:
    """A group in the making has a name to change and takes volumes; a failed one goes."""

    @pytest.fixture
    def group(self, make, daemons):
        daemons.busy = True
        return make()

    def _put_in(self, group, status):
        groups_db.overwrite(ADMIN, group, {'status': status})

    @pytest.mark.parametrize('status', ['creating', 'error'])
    def test_rename(self, api, group, status):
        self._put_in(group, status)
        answer = api.put(f'/groups/{group}', {'group': {'name': 'new', 'description': 'd'}})
        assert answer.status == 202, answer.body
        shown = api.get(f'/groups/{group}').json['group']
        assert (shown['name'], shown['description'], shown['status']) == ('new', 'd', status)
        # Its members are another matter: they are changed on storage.
        api.put(f'/groups/{group}', {'group': {'add_volumes': group}}).fault(400)

    @pytest.mark.parametrize('status', ['deleting', 'updating', 'error_deleting', 'deleted'])
    def test_rename_no_more(self, api, group, status):
        self._put_in(group, status)
        assert status in api.put(f'/groups/{group}', {'group': {'name': 'new'}}).fault(400)

    def test_a_volume_waits_for_it(self, api, group, add_volume):
        ident = add_volume(group)
        volume = volumes_db.get(ADMIN, ident)
        assert (volume.status, volume.host, volume.group_id) == ('creating', None, group)
        operation, = journal.unfinished_for(ADMIN, ident)
        assert operation.arguments['group_id'] == group
        assert 'resource_backend' not in operation.arguments

    def test_a_failed_one_takes_no_volume(self, api, group, default_type):
        self._put_in(group, 'error')
        assert 'error' in api.post('/volumes', {'volume': {
            'size': 1, 'volume_type': default_type.id, 'group_id': group}}).fault(400)

    @pytest.mark.parametrize('status', ['creating', 'error'])
    def test_delete_with_the_volumes_that_wait(self, api, group, add_volume, status):
        ident = add_volume(group)
        self._put_in(group, status)
        assert _act(api, group, delete={'delete-volumes': True}).status == 202
        api.get(f'/groups/{group}').fault(404)
        api.get(f'/volumes/{ident}').fault(404)
        assert api.get(f'/os-quota-sets/{PROJECT}?usage=true').json['quota_set']['volumes'][
            'in_use'] == 0

    def test_delete_a_failed_one(self, api, group):
        self._put_in(group, 'error')
        assert _act(api, group, delete={}).status == 202
        api.get(f'/groups/{group}').fault(404)
