# SPDX-License-Identifier: Apache-2.0
"""Quota sets, quota classes and limits, over HTTP."""
import pytest

from cinder import context
from cinder.db import volumes as volumes_db
from tests.api.client import PROJECT

URL = f'/os-quota-sets/{PROJECT}'
DEFAULTS = {'volumes': 10, 'snapshots': 10, 'gigabytes': 1000, 'backups': 10,
            'backup_gigabytes': 1000, 'groups': 10, 'per_volume_gigabytes': -1,
            'volumes___DEFAULT__': -1, 'gigabytes___DEFAULT__': -1, 'snapshots___DEFAULT__': -1}


@pytest.fixture
def two_volumes(api):
    ctxt = context.RequestContext(user_id='u', project_id=PROJECT, is_admin=True,
                                  overwrite=False)
    default = api.get('/types/default').json['volume_type']['id']
    for size in (1, 4):
        volumes_db.create(ctxt, {'size': size, 'status': 'available', 'project_id': PROJECT,
                                 'user_id': 'u', 'volume_type_id': default})


def test_defaults(api):
    assert api.get(URL).json == {'quota_set': {'id': PROJECT, **DEFAULTS}}
    assert api.get(f'{URL}/defaults').json == {'quota_set': {'id': PROJECT, **DEFAULTS}}


def test_usage_is_counted(api, two_volumes):
    shown = api.get(f'{URL}?usage=True').json['quota_set']
    assert shown['volumes'] == {'limit': 10, 'in_use': 2, 'reserved': 0}
    assert shown['gigabytes___DEFAULT__'] == {'limit': -1, 'in_use': 5, 'reserved': 0}
    api.get(f'{URL}?usage=zz').fault(400)


def test_update_and_delete(api):
    changed = api.put(URL, {'quota_set': {'volumes': 7, 'gigabytes': '-1', 'tenant_id': 'x'}})
    assert changed.json == {'quota_set': {**DEFAULTS, 'volumes': 7, 'gigabytes': -1}}
    assert api.get(URL).json['quota_set']['volumes'] == 7
    assert api.get(f'{URL}/defaults').json['quota_set']['volumes'] == 10
    gone = api.delete(URL)
    assert (gone.status, gone.body) == (200, b'')
    assert api.get(URL).json['quota_set']['volumes'] == 10


@pytest.mark.parametrize('bad', [
    {}, {'no_such': 1}, {'volumes': 'x'}, {'volumes': -2}, {'volumes': 2 ** 31},
    {'volumes': 1.5}, {'volumes': None}, {'volumes': True}, {'volumes': '9' * 400}])
def test_bad_limits(api, bad):
    api.put(URL, {'quota_set': bad}).fault(400)


def test_limit_below_use(api, two_volumes):
    assert 'volumes' in api.put(URL, {'quota_set': {'volumes': 1}}).fault(400)
    assert api.put(URL, {'quota_set': {'volumes': -1}}).status == 200


def test_only_own_project_and_only_reading(member):
    assert member.get(URL).status == 200
    member.get(f'/os-quota-sets/{"ab" * 16}').fault(403)
    member.put(URL, {'quota_set': {'volumes': 1}}).fault(403)
    member.delete(URL).fault(403)


def test_overlong_project(api):
    api.get(f'/os-quota-sets/{"a" * 256}').fault(400)


def test_default_class_is_everybodys_default(api):
    url = '/os-quota-class-sets/default'
    assert api.get(url).json['quota_class_set'] == {'id': 'default', **DEFAULTS}
    changed = api.put(url, {'quota_class_set': {'volumes': 3}})
    assert changed.json == {'quota_class_set': {**DEFAULTS, 'volumes': 3}}
    assert api.get(URL).json['quota_set']['volumes'] == 3
    assert api.get('/os-quota-class-sets/other').json['quota_class_set']['volumes'] == 10


def test_bad_classes(api, member):
    url = '/os-quota-class-sets/c'
    for bad in ({'no_such': 1}, {'volumes': 'x'}, {'tenant_id': 1}, {'a/b': 1}):
        api.put(url, {'quota_class_set': bad}).fault(400)
    api.put(f'/os-quota-class-sets/{"c" * 256}', {'quota_class_set': {'volumes': 1}}).fault(400)
    member.get(url).fault(403)
    member.put(url, {'quota_class_set': {'volumes': 1}}).fault(403)


@pytest.mark.parametrize('query', ['', '?usage=true', '/defaults'])
def test_a_set_as_it_was_read_can_be_written_back(api, two_volumes, query):
    read = api.get(URL + query).json
    assert read['quota_set']['id'] == PROJECT
    before = api.get(URL).json['quota_set']
    assert {'id': PROJECT, **api.put(URL, read).json['quota_set']} == before
    assert api.get(URL).json['quota_set'] == before


def test_a_limit_below_the_use_can_be_written_back(api, two_volumes):
    api.put('/os-quota-class-sets/default', {'quota_class_set': {'volumes': 1}})
    read = api.get(URL).json
    assert read['quota_set']['volumes'] == 1
    assert api.put(URL, read).status == 200
    assert 'volumes' in api.put(URL, {'quota_set': {'volumes': 0}}).fault(400)


def test_a_class_as_it_was_read_can_be_written_back(api):
    for name in ('default', 'gold'):
        url = f'/os-quota-class-sets/{name}'
        read = api.get(url).json
        assert {'id': name, **api.put(url, read).json['quota_class_set']} == read['quota_class_set']


@pytest.mark.parametrize('value', [1, 'x', None, {}, []])
@pytest.mark.parametrize(('url', 'key'), [
    (URL, 'quota_set'), ('/os-quota-class-sets/default', 'quota_class_set')])
def test_an_unknown_name_is_called_unknown_whatever_its_value(api, url, key, value):
    text = api.put(url, {key: {'no_such': value, 'volumes': 'x'}}).fault(400)
    assert text == 'Invalid input: unknown quota: no_such'


@pytest.mark.parametrize(('value', 'text'), [
    ('x', "'x' does not match"), (-2, '-2 is less than the minimum of -1'),
    (1.5, '1.5 is not of type'), (None, 'None is not of type')])
@pytest.mark.parametrize(('url', 'key'), [
    (URL, 'quota_set'), ('/os-quota-class-sets/default', 'quota_class_set')])
def test_the_words_of_bad_limits(api, url, key, value, text):
    told = api.put(url, {key: {'volumes': value}}).fault(400)
    assert told.startswith(f'Invalid input for field/attribute volumes. Value: {value}. {text}')


class TestLimits:
    def test_limits_and_use(self, api, two_volumes):
        shown = api.get('/limits', mv=None).json['limits']
        assert shown['rate'] == []
        assert shown['absolute'] == {
            'maxTotalVolumes': 10, 'maxTotalSnapshots': 10, 'maxTotalVolumeGigabytes': 1000,
            'maxTotalBackups': 10, 'maxTotalBackupGigabytes': 1000, 'totalVolumesUsed': 2,
            'totalGigabytesUsed': 5, 'totalSnapshotsUsed': 0, 'totalBackupsUsed': 0,
            'totalBackupGigabytesUsed': 0}

    def test_use_needs_a_role(self, api):
        absolute = api.as_roles('stranger').get('/limits').json['limits']['absolute']
        assert 'maxTotalVolumes' in absolute
        assert 'totalVolumesUsed' not in absolute

    def test_other_project(self, api, member, two_volumes):
        """3.39"""
        other = f'/limits?project_id={"ab" * 16}'

        def used(client, **kwargs):
            return client.get(other, **kwargs).json['limits']['absolute']['totalVolumesUsed']
        assert used(api, mv='3.39') == 0
        assert used(api, mv='3.38') == 2
        assert used(member, mv='3.39') == 2

    def test_wrong_method_is_an_unknown_thing(self, api):
        api.post('/limits', {}).fault(404)
