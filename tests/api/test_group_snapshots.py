# SPDX-License-Identifier: Apache-2.0
"""Group snapshots over HTTP, with the face of those of consistency groups."""
import pytest

from cinder.db import group_types as group_types_db
from cinder.db import groups as groups_db
from cinder.db import quotas as quotas_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from tests.api.client import PROJECT
from tests.fakes import daemons as fake_daemons
from tests.fakes.daemons import ADMIN


@pytest.fixture
def group(daemons):
    """Make groups with one volume, of a plain or of the old kind; their ids."""
    def make(old=False):
        kind = (group_types_db.of_consistency_groups(ADMIN) if old else
                group_types_db.create(ADMIN, {'name': 'kind', 'is_public': True}))
        made = groups_db.create(ADMIN, {
            'project_id': PROJECT, 'status': 'available', 'host': fake_daemons.HOST},
            [types_db.default(ADMIN).id], kind)
        volume = fake_daemons.volume(PROJECT)
        volumes_db.update(ADMIN, volume['id'], {'group_id': made.id})
        return made.id
    return make


@pytest.fixture
def make(api):
    def make(group_id, name='one', **values):
        answer = api.post('/group_snapshots', {'group_snapshot': {
            'group_id': group_id, 'name': name, **values}})
        assert answer.status == 202, answer.body
        return answer.json['group_snapshot']
    return make


@pytest.fixture
def make_old(api):
    def make(group_id, name='old'):
        answer = api.post('/cgsnapshots', {'cgsnapshot': {
            'consistencygroup_id': group_id, 'name': name, 'status': 'creating'}}, mv='3.0')
        assert answer.status == 202, answer.body
        return answer.json['cgsnapshot']
    return make


def _names(answer, key='group_snapshots'):
    assert answer.status == 200, answer.body
    return [each['name'] for each in answer.json[key]]


class TestBase:
    """3.14"""

    def test_create_and_show(self, api, group, make):
        ident = group()
        made = make(ident, description='d')
        kind = groups_db.get(ADMIN, ident).group_type_id
        assert made == {'id': made['id'], 'name': 'one', 'group_type_id': kind}
        shown = api.get(f'/group_snapshots/{made["id"]}', mv='3.14').json['group_snapshot']
        assert shown.pop('created_at')
        assert shown == {**made, 'description': 'd', 'status': 'available', 'group_id': ident}
        snapshot, = api.get('/snapshots/detail').json['snapshots']
        assert api.get(f'/snapshots/{snapshot["id"]}').json['snapshot'][
            'group_snapshot_id'] == made['id']
        assert made['id'] in api.delete(f'/snapshots/{snapshot["id"]}').fault(400)

    @pytest.mark.parametrize('body', [
        {}, {'group_id': 'zz'}, {'group_id': None}, {'name': 'x' * 256}, {'description': 'a\nb'},
        {'zz': 1}])
    def test_bad_bodies(self, api, group, body):
        if set(body) - {'group_id'}:
            body = {'group_id': group(), **body}
        api.post('/group_snapshots', {'group_snapshot': body}).fault(400)

    def test_a_group_without_volumes(self, api, group):
        ident = group()
        volumes_db.update(ADMIN, groups_db.volume_ids(ADMIN, ident)[0], {'group_id': None})
        assert 'no volumes' in api.post('/group_snapshots', {
            'group_snapshot': {'group_id': ident}}).fault(400)

    def test_quota(self, api, group):
        quotas_db.set_limits(ADMIN, PROJECT, {'snapshots': 0})
        answer = api.post('/group_snapshots', {'group_snapshot': {'group_id': group()}})
        assert answer.fault(413).startswith('SnapshotLimitExceeded')

    def test_delete(self, api, group, make, nobody):
        path = f'/group_snapshots/{make(group())["id"]}'
        assert api.delete(path).status == 202
        api.get(path).fault(404)
        assert api.get('/snapshots').json == {'snapshots': []}
        api.delete(f'/group_snapshots/{nobody}').fault(404)

    def test_hidden_below(self, api, group, make):
        path = f'/group_snapshots/{make(group())["id"]}'
        for answer in (api.get(path, mv='3.13'), api.get('/group_snapshots', mv='3.13'),
                       api.post(f'{path}/action', {'reset_status': {'status': 'error'}},
                                mv='3.18')):
            answer.fault(404)

    def test_a_group_from_it(self, api, group, make):
        made = make(group())['id']
        answer = api.post('/groups/action', {'create-from-src': {'group_snapshot_id': made}})
        copy = api.get(f'/groups/{answer.json["group"]["id"]}?list_volume=1').json['group']
        assert (copy['group_snapshot_id'], len(copy['volumes'])) == (made, 1)

    def test_rights(self, api, reader, member, group, make):
        ident = group()
        path = f'/group_snapshots/{make(ident)["id"]}'
        assert reader.get(path).status == 200
        reader.delete(path).fault(403)
        reader.post('/group_snapshots', {'group_snapshot': {'group_id': ident}}).fault(403)
        member.post(f'{path}/action', {'reset_status': {'status': 'error'}}).fault(403)
        api.as_roles('member,reader', project='f' * 32).get(path).fault(404)


class TestLater:
    def test_reset_status(self, api, group, make):
        """3.19"""
        path = f'/group_snapshots/{make(group())["id"]}'
        assert api.post(f'{path}/action', {'reset_status': {'status': 'ERROR'}},
                        mv='3.19').status == 202
        assert api.get(path).json['group_snapshot']['status'] == 'error'
        for status in ('zz', 'in-use', '', None):
            api.post(f'{path}/action', {'reset_status': {'status': status}}).fault(400)

    def test_pages_and_filters(self, api, member, group, make):
        """3.29"""
        ident = group()
        for name in 'ab':
            make(ident, name)
        assert _names(api.get('/group_snapshots?sort=name:asc')) == ['a', 'b']
        assert _names(api.get('/group_snapshots/detail?name=a')) == ['a']
        assert _names(member.get(f'/group_snapshots?group_id={ident}&limit=1')) == ['b']
        assert _names(api.get('/group_snapshots?limit=1&name=a', mv='3.28')) == ['b', 'a']
        assert api.get('/group_snapshots?limit=1').json['group_snapshot_links']
        member.get('/group_snapshots?zz=1').fault(400)
        api.get('/group_snapshots?limit=zz').fault(400)

    def test_project(self, api, group, make):
        """3.58"""
        path = f'/group_snapshots/{make(group())["id"]}'
        assert api.get(path).json['group_snapshot']['project_id'] == PROJECT
        assert 'project_id' not in api.get(path, mv='3.57').json['group_snapshot']


class TestCgsnapshots:
    """3.0"""

    def test_create_and_show(self, api, group, make_old):
        ident = group(old=True)
        made = make_old(ident)
        assert set(made) == {'id', 'name'}
        shown = api.get(f'/cgsnapshots/{made["id"]}', mv='3.0').json['cgsnapshot']
        assert shown.pop('created_at')
        assert shown == {**made, 'description': None, 'status': 'available',
                         'consistencygroup_id': ident}
        assert api.delete(f'/cgsnapshots/{made["id"]}').status == 202
        api.get(f'/cgsnapshots/{made["id"]}').fault(404)

    def test_each_face_has_its_own(self, api, group, make, make_old):
        new, old = make(group())['id'], make_old(group(old=True))['id']
        for path in ('/cgsnapshots', '/cgsnapshots/detail'):
            assert _names(api.get(path), 'cgsnapshots') == ['old']
        assert set(api.get('/cgsnapshots?limit=1').json) == {'cgsnapshots'}
        api.get(f'/cgsnapshots/{new}').fault(404)
        api.get(f'/group_snapshots/{old}').fault(400)
        api.post('/cgsnapshots', {'cgsnapshot': {'consistencygroup_id': new}}).fault(404)

    def test_a_group_from_it(self, api, group, make, make_old):
        made = make_old(group(old=True))['id']
        path = '/consistencygroups/create_from_src'
        answer = api.post(path, {'consistencygroup-from-src': {'cgsnapshot_id': made}}, mv='3.0')
        assert answer.status == 202
        other = make(group())['id']
        api.post(path, {'consistencygroup-from-src': {'cgsnapshot_id': other}}).fault(404)

    @pytest.mark.parametrize('body', [{}, {'consistencygroup_id': None},
                                      {'consistencygroup_id': 5}])
    def test_bad_bodies(self, api, body):
        api.post('/cgsnapshots', {'cgsnapshot': body}, mv='3.0').fault(400)
