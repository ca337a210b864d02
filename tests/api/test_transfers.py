# SPDX-License-Identifier: Apache-2.0
"""Volume transfers, over HTTP, by both URLs."""
import pytest

from cinder import context
from cinder.db import quotas as quotas_db
from cinder.db import snapshots as snapshots_db
from cinder.db import volumes as volumes_db
from tests.api.client import PROJECT, Api
from tests.fakes import daemons as fake_daemons

ADMIN = context.get_admin_context()
OTHER = 'f' * 32
NEW, OLD = '/volume-transfers', '/os-volume-transfer'
both = pytest.mark.parametrize('url', [NEW, OLD])


@pytest.fixture
def make(api, volume):
    def make(url=NEW, volume_id=None, mv='latest', **values):
        answer = api.post(url, {'transfer': {'volume_id': volume_id or volume['id'], **values}},
                          mv=mv)
        assert answer.status == 202, answer.body
        return answer.json['transfer']
    return make


@pytest.fixture
def other(api):
    """A member of another project."""
    return Api(api.app, 'member,reader', OTHER)


def _accept(api, made, key=None, url=NEW):
    body = {'accept': {'auth_key': made['auth_key'] if key is None else key}}
    return api.post(f'{url}/{made["id"]}/accept', body)


def _status(volume):
    return volumes_db.get(ADMIN, volume['id']).status


def _names(answer):
    assert answer.status == 200, answer.body
    return [each['name'] for each in answer.json['transfers']]


class TestOffer:
    @both
    def test_create_tells_the_key_once(self, api, make, volume, url):
        made = make(url, mv='3.0', name=' n ')
        assert len(made['auth_key']) == 16
        assert {key: made[key] for key in ('name', 'volume_id')} == {
            'name': 'n', 'volume_id': volume['id']}
        assert all(f'/os-volume-transfer/{made["id"]}' in link['href'] for link in made['links'])
        assert _status(volume) == 'awaiting-transfer'
        del made['auth_key']
        assert api.get(f'{url}/{made["id"]}', mv='3.0').json == {'transfer': made}
        assert api.get(f'{url}/detail', mv='3.0').json == {'transfers': [made]}
        assert api.get(url, mv='3.0').json == {'transfers': [
            {key: made[key] for key in ('id', 'volume_id', 'name', 'links')}]}

    @both
    def test_fields_of_versions(self, api, make, url):
        shown = f'{url}/{make(url)["id"]}'
        assert 'no_snapshots' not in api.get(shown, mv='3.54').json['transfer']
        middle = api.get(shown, mv='3.56').json['transfer']
        assert middle['no_snapshots'] is False and 'accepted' not in middle
        newest = api.get(shown, mv='3.57').json['transfer']
        assert (newest['source_project_id'], newest['destination_project_id'],
                newest['accepted']) == (PROJECT, None, False)

    @both
    def test_one_offer_at_a_time(self, api, make, volume, url):
        make()
        assert 'awaiting-transfer' in api.post(
            url, {'transfer': {'volume_id': volume['id']}}).fault(400)

    @pytest.mark.parametrize('status', ['in-use', 'error', 'creating', 'maintenance'])
    def test_only_of_available_volumes(self, api, volume, status):
        volumes_db.overwrite(ADMIN, volume['id'], {'status': status})
        assert status in api.post(NEW, {'transfer': {'volume_id': volume['id']}}).fault(400)

    def test_snapshots_must_be_at_rest_unless_they_stay(self, api, make, volume, snapshot):
        """3.55"""
        snapshots_db.overwrite(ADMIN, snapshot['id'], {'status': 'deleting'})
        for url in (NEW, OLD):
            assert snapshot['id'] in api.post(
                url, {'transfer': {'volume_id': volume['id']}}).fault(400)
        assert make(no_snapshots='true')['no_snapshots'] is True

    def test_groups_and_migrations_forbid_it(self, api, volume):
        for values in ({'group_id': 'g'}, {'group_id': None, 'migration_status': 'migrating'}):
            volumes_db.update(ADMIN, volume['id'], values)
            api.post(NEW, {'transfer': {'volume_id': volume['id']}}).fault(400)

    def test_encrypted_volumes(self, api, make, volume):
        """3.70"""
        volumes_db.update(ADMIN, volume['id'], {'encryption_key_id': 'k'})
        body = {'transfer': {'volume_id': volume['id']}}
        api.post(OLD, body).fault(400)
        api.post(NEW, body, mv='3.69').fault(400)
        api.post(NEW, {'transfer': {**body['transfer'], 'no_snapshots': True}}).fault(400)
        assert _status(volume) == 'available'
        make()

    @pytest.mark.parametrize('body', [
        {}, {'volume_id': 'x'}, {'volume_id': None}, {'name': 'n'}, {'name': ''}, {'name': '  '},
        {'name': 'n' * 256}, {'name': 5}, {'zz': 1}, {'no_snapshots': 'zz'}])
    def test_bad_bodies(self, api, volume, body):
        if 'name' in body or 'zz' in body or 'no_snapshots' in body:
            body = {'volume_id': volume['id'], **body} if body != {'name': 'n'} else body
        for url in (NEW, OLD):
            api.post(url, {'transfer': body}).fault(400)
        assert _status(volume) == 'available'

    def test_no_name_and_no_snapshots_have_their_place(self, api, make, volume):
        body = {'transfer': {'volume_id': volume['id'], 'no_snapshots': False}}
        api.post(NEW, body, mv='3.54').fault(400)
        api.post(OLD, body).fault(400)
        assert make(name=None)['name'] is None

    def test_unknown_volume(self, api, nobody):
        assert nobody in api.post(NEW, {'transfer': {'volume_id': nobody}}).fault(404)

    @both
    def test_withdraw(self, api, make, volume, url):
        shown = f'{url}/{make()["id"]}'
        assert api.delete(shown).status == 202
        assert _status(volume) == 'available'
        api.delete(shown).fault(404)
        api.get(shown).fault(404)

    def test_withdraw_leaves_a_forced_status_alone(self, api, make, volume):
        made = make()
        volumes_db.overwrite(ADMIN, volume['id'], {'status': 'error'})
        assert api.delete(f'{NEW}/{made["id"]}').status == 202
        assert _status(volume) == 'error'

    def test_a_forced_delete_ends_the_offer(self, api, make, volume):
        shown = f'{NEW}/{make()["id"]}'
        assert api.post(f'/volumes/{volume["id"]}/action', {'os-force_delete': {}}).status == 202
        api.get(shown).fault(404)


class TestAccept:
    @both
    def test_the_volume_changes_hands_with_its_snapshots(self, make, volume, snapshot, other, url):
        made = make(name='n')
        taken = _accept(other, made, url=url)
        assert (taken.status, taken.json) == (202, {'transfer': {
            'id': made['id'], 'name': 'n', 'volume_id': volume['id'],
            'links': taken.json['transfer']['links']}})
        after = volumes_db.get(ADMIN, volume['id'])
        assert (after.project_id, after.user_id, after.status) == (OTHER, 'user', 'available')
        assert snapshots_db.get(ADMIN, snapshot['id']).project_id == OTHER
        assert other.get(f'/snapshots/{snapshot["id"]}').status == 200
        assert _accept(other, made).status == 404

    def test_snapshots_may_stay(self, make, volume, snapshot, other):
        assert _accept(other, make(no_snapshots=True)).status == 202
        assert volumes_db.get(ADMIN, volume['id']).project_id == OTHER
        assert snapshots_db.get(ADMIN, snapshot['id']).project_id == PROJECT

    @pytest.mark.parametrize('key', ['wrong', '', 5])
    def test_wrong_key(self, api, member, make, volume, other, nobody, key):
        made = make()
        # Who offers it knows that it is there; for others it is as if there were none.
        for one in (api, member):
            _accept(one, made, key).fault(400)
        told = _accept(other, made, key).fault(404)
        assert told.replace(made['id'], nobody) == _accept(
            other, {'id': nobody}, key).fault(404)
        assert _status(volume) == 'awaiting-transfer'

    def test_unknown(self, other, nobody):
        assert nobody in _accept(other, {'id': nobody, 'auth_key': 'k'}).fault(404)

    @pytest.mark.parametrize('body', [{}, {'auth_key': None}, {'auth_key': 'k', 'zz': 1}])
    def test_bad_bodies(self, api, make, body):
        api.post(f'{NEW}/{make()["id"]}/accept', {'accept': body}).fault(400)

    @pytest.mark.parametrize(('limits', 'needle'), [
        ({'volumes': 0}, 'Maximum number of volumes'), ({'gigabytes': 1}, 'quota'),
        ({'snapshots': 0}, 'Maximum number of snapshots'),
        ({'volumes___DEFAULT__': 0}, 'volumes___DEFAULT__'),
        ({'per_volume_gigabytes': 0}, 'Requested volume size')])
    def test_quota_of_the_taker(self, api, make, volume, snapshot, other, limits, needle):
        made = make()
        quotas_db.set_limits(ADMIN, OTHER, limits)
        refused = _accept(other, made)
        assert refused.fault(413).startswith(('Maximum', 'Requested'))
        assert needle in refused.fault(413)
        assert refused.json['overLimit']['retryAfter'] == '0'
        assert volumes_db.get(ADMIN, volume['id']).project_id == PROJECT
        assert api.get(f'{NEW}/{made["id"]}').status == 200

    def test_quota_moves(self, make, snapshot, other):
        _accept(other, make())
        usage = {project: quotas_db.limits_and_usage(ADMIN, project).usage
                 for project in (PROJECT, OTHER)}
        assert not any(usage[PROJECT].values())
        assert (usage[OTHER]['volumes'], usage[OTHER]['snapshots'],
                usage[OTHER]['gigabytes']) == (1, 1, 2)

    def test_what_consumes_no_quota_consumes_none_there(self, make, volume, other):
        volumes_db.update(ADMIN, volume['id'], {'use_quota': False})
        quotas_db.set_limits(ADMIN, OTHER, {'volumes': 0, 'gigabytes': 0})
        assert _accept(other, make()).status == 202

    def test_ones_own_needs_no_second_place(self, api, make):
        quotas_db.set_limits(ADMIN, PROJECT, {'volumes': 1, 'gigabytes': 1})
        assert _accept(api, make()).status == 202

    def test_a_snapshot_that_is_deleted_meanwhile_is_waited_for(self, make, snapshot, other):
        made = make()
        snapshots_db.overwrite(ADMIN, snapshot['id'], {'status': 'deleting'})
        assert snapshot['id'] in _accept(other, made).fault(400)


class TestLists:
    @pytest.fixture
    def three(self, make):
        """Of PROJECT: a, b, and of another project: c."""
        for name, project in (('a', PROJECT), ('b', PROJECT), ('c', OTHER)):
            make(volume_id=fake_daemons.volume(project)['id'], name=name)

    def test_order(self, api, three):
        for url, mv, names in ((NEW, '3.59', ['b', 'a']), (NEW, '3.58', ['a', 'b']),
                               (NEW, '3.0', ['a', 'b']), (OLD, '3.71', ['a', 'b'])):
            assert _names(api.get(url, mv=mv)) == names

    @both
    def test_whose(self, api, member, other, three, url):
        assert sorted(_names(api.get(f'{url}?all_tenants=1'))) == ['a', 'b', 'c']
        assert sorted(_names(member.get(f'{url}?all_tenants=1'))) == ['a', 'b']
        assert _names(other.get(url)) == ['c']
        api.get(f'{url}?all_tenants=zz').fault(400)

    @both
    def test_filter(self, member, three, url):
        for mv in ('3.0', 'latest'):
            assert _names(member.get(f'{url}/detail?name=a', mv=mv)) == ['a']

    def test_slices(self, api, three):
        for url, mv, names in ((NEW, '3.58', ['a', 'b']), (OLD, '3.71', ['a', 'b'])):
            page = api.get(f'{url}?limit=1&sort=zz&marker=zz', mv=mv)
            assert _names(page) == names[:1] and 'transfers_links' not in page.json
            assert _names(api.get(f'{url}?limit=1&offset=1', mv=mv)) == names[1:]
            api.get(f'{url}?limit=-1', mv=mv).fault(400)
            api.get(f'{url}?offset=x', mv=mv).fault(400)

    def test_pages(self, api, three, nobody):
        """3.59"""
        page = api.get(f'{NEW}?limit=1&sort=name:asc')
        assert _names(page) == ['a'] and page.json['transfers_links'][0]['rel'] == 'next'
        marker = page.json['transfers'][0]['id']
        assert _names(api.get(f'{NEW}?sort_key=name&sort_dir=asc&marker={marker}')) == ['b']
        assert api.get(f'{NEW}?limit=0').json == {'transfers': []}
        assert nobody in api.get(f'{NEW}?marker={nobody}').fault(404)
        api.get(f'{NEW}?sort=zz').fault(400)

    def test_a_page_costs_one_statement(self, api, three, statements):
        statements.clear()
        api.get(f'{NEW}/detail')
        assert len(statements) == 1


class TestRights:
    def test_others_see_nothing(self, make, other):
        made = make()
        other.get(f'{NEW}/{made["id"]}').fault(404)
        other.delete(f'{NEW}/{made["id"]}').fault(404)

    @both
    def test_readers_read(self, make, reader, volume, url):
        made = make()
        assert reader.get(url).status == reader.get(f'{url}/{made["id"]}').status == 200
        reader.delete(f'{url}/{made["id"]}').fault(403)
        reader.post(url, {'transfer': {'volume_id': volume['id']}}).fault(403)
        _accept(reader, made, url=url).fault(403)
