# SPDX-License-Identifier: Apache-2.0
"""manageable_volumes and manageable_snapshots, their old URLs, and os-unmanage."""
import pytest

from cinder.db import clusters as clusters_db
from cinder.db import services as services_db
from cinder.db import type_encryption
from cinder.db import types as types_db
from tests.fakes import daemons as fake_daemons
from tests.fakes.daemons import ADMIN

HOST = 'node@fake'
ENTRY = {'reference': {'source-name': 'lvol0'}, 'size': 1, 'safe_to_manage': True,
         'reason_not_safe': None, 'cinder_id': None, 'extra_info': None}
NEW_AND_OLD = pytest.mark.parametrize('face', [
    ('/manageable_volumes', '3.8'), ('/os-volume-manage', '3.0')])
LISTS = pytest.mark.parametrize(('path', 'method', 'key'), [
    ('/manageable_volumes', 'get_manageable_volumes', 'manageable-volumes'),
    ('/os-volume-manage', 'get_manageable_volumes', 'manageable-volumes'),
    ('/manageable_snapshots', 'get_manageable_snapshots', 'manageable-snapshots'),
    ('/os-snapshot-manage', 'get_manageable_snapshots', 'manageable-snapshots')])


@pytest.fixture
def backend(api):
    """A volume service that is up, in a cluster."""
    service = services_db.create(ADMIN, {
        'host': HOST, 'binary': 'cinder-volume', 'topic': 'cinder-volume',
        'availability_zone': 'nova', 'cluster_name': 'c@fake'})
    services_db.heartbeat(ADMIN, service.id)
    clusters_db.create(ADMIN, {'name': 'c@fake', 'binary': 'cinder-volume'})
    return service


@LISTS
class TestLists:
    @pytest.fixture
    def asked(self, api, backend, bus, method):
        """Arguments of the last question to the back end."""
        seen = {}

        def answer(**arguments):
            seen.update(arguments)
            return [{**ENTRY, 'source_reference': {'source-name': 'v'}}]

        bus.answers[method] = answer
        return seen

    def test_short_and_detailed(self, api, asked, path, method, key):
        short = api.get(f'{path}?host={HOST}')
        entry, = short.json[key]
        source = {'source_reference'} if 'snapshots' in method else set()
        assert entry.keys() == {'reference', 'size', 'safe_to_manage'} | source
        entry, = api.get(f'{path}/detail?host={HOST}').json[key]
        assert entry.keys() == ENTRY.keys() | source
        assert asked['sort'] == [('reference', 'desc')]

    def test_paging_and_sorting(self, api, asked, path, method, key):
        query = "limit=5&offset=2&sort=size:asc,reference&marker={'source-name': 'a'}"
        assert api.get(f'{path}?host={HOST}%23pool&{query}').status == 200
        assert asked == {'limit': 5, 'offset': 2, 'marker': {'source-name': 'a'},
                         'sort': [('size', 'asc'), ('reference', 'desc')]}

    def test_a_cluster(self, api, asked, path, method, key):
        assert api.get(f'{path}?cluster=c@fake').status == 200
        api.get(f'{path}?cluster=c@fake', mv='3.16').fault(400)

    @pytest.mark.parametrize('query', [
        '', 'host=node@fake&cluster=c@fake', 'host=node@fake&sort=name',
        'host=node@fake&sort=size:up', 'host=node@fake&limit=-1', 'host=node@fake&offset=x',
        'host=node@fake&marker=lvol0', 'host=node@fake&marker=[1]', 'host=node@fake&marker={{}}'])
    def test_bad_queries_are_400(self, api, asked, path, method, key, query):
        api.get(f'{path}?{query}').fault(400)

    def test_unknown_is_404_and_down_is_400(self, api, asked, backend, path, method, key):
        api.get(f'{path}?host=no@where').fault(404)
        api.get(f'{path}?cluster=no@where').fault(404)
        services_db.update(ADMIN, backend.id, {'disabled': True})
        api.get(f'{path}?host={HOST}').fault(400)

    def test_administrators_only(self, member, asked, path, method, key):
        member.get(f'{path}?host={HOST}').fault(403)

    def test_new_urls_have_a_version(self, api, asked, path, method, key):
        answer = api.get(f'{path}?host={HOST}', mv='3.7')
        assert answer.status == (404 if 'manageable' in path else 200)


@NEW_AND_OLD
class TestManageVolume:
    def test_the_answer_and_the_message(self, api, backend, bus, face):
        path, version = face
        answer = api.post(path, {'volume': {
            'host': f'{HOST}#pool', 'ref': {'source-name': 'lvol0', 'source-id': '7'},
            'name': ' New ', 'description': 'd', 'volume_type': None, 'bootable': 'true',
            'availability_zone': 'az2', 'metadata': {'k': 'v'}}}, mv=version)
        assert answer.status == 202
        volume = answer.json['volume']
        assert (volume['status'], volume['size'], volume['name']) == ('creating', 0, 'New')
        assert (volume['bootable'], volume['metadata']) == ('true', {'k': 'v'})
        assert volume['availability_zone'] == 'az2'
        message, = bus.sent
        assert message.method == 'manage_volume'
        assert message.args['operation'].arguments == {
            'reference': {'source-name': 'lvol0', 'source-id': '7'},
            'resource_backend': f'{HOST}#pool'}
        assert api.get(f'/volumes/{volume["id"]}').json['volume']['status'] == 'creating'

    def test_a_text_is_a_name_and_a_cluster_will_do(self, api, backend, bus, face):
        body = {'volume': {'host': None, 'cluster': 'c@fake', 'ref': 'lvol0'}}
        assert api.post(face[0], body, mv='3.16').status == 202
        arguments = bus.sent[0].args['operation'].arguments
        assert arguments == {'reference': {'source-name': 'lvol0'}, 'resource_backend': 'c@fake'}

    @pytest.mark.parametrize('change', [
        {'host': None}, {'cluster': 'c@fake'}, {'host': 'no@where'}, {'volume_type': 'nothing'},
        {'volume_type': 'locked'}, {'ref': None}, {'ref': 5}, {'host': 'a b'}, {'extra': 1}])
    def test_bad_bodies_are_400(self, api, backend, bus, face, change):
        locked = types_db.create(ADMIN, {'name': 'locked', 'is_public': True})
        type_encryption.create(ADMIN, locked.id, {'provider': 'luks', 'control_location': 'x'})
        api.post(face[0], {'volume': {'host': HOST, 'ref': {}, **change}}).fault(400)
        assert bus.sent == []

    def test_what_is_managed_already_is_400(self, api, backend, volume, face):
        name = f'volume-{volume["id"]}'
        api.post(face[0], {'volume': {'host': HOST, 'ref': {'source-name': name}}}).fault(400)

    def test_administrators_only(self, member, backend, face):
        member.post(face[0], {'volume': {'host': HOST, 'ref': {}}}).fault(403)


class TestManageSnapshot:
    @pytest.mark.parametrize(('path', 'version'), [
        ('/manageable_snapshots', '3.8'), ('/os-snapshot-manage', '3.0')])
    def test_the_answer_and_the_message(self, api, volume, daemons, path, version):
        daemons.busy = True
        answer = api.post(path, {'snapshot': {
            'volume_id': volume['id'].upper(), 'ref': {'source-name': 'lvol0'}, 'name': 'New',
            'description': None, 'metadata': None}}, mv=version)
        assert answer.status == 202
        snapshot = answer.json['snapshot']
        assert (snapshot['status'], snapshot['size']) == ('creating', 1)
        assert (snapshot['volume_id'], snapshot['metadata']) == (volume['id'], {})
        assert daemons.messages == ['manage_snapshot']

    def test_refusals(self, api, member, volume, snapshot, nobody):
        def manage(who=api, **change):
            return who.post('/manageable_snapshots', {'snapshot': {
                'volume_id': volume['id'], 'ref': {'source-name': 'x'}, **change}})

        manage(volume_id=nobody).fault(404)
        manage(ref=None).fault(400)
        manage(ref={'source-name': f'_snapshot-{snapshot["id"]}'}).fault(400)
        manage(who=member).fault(403)


class TestUnmanage:
    def test_a_volume(self, api, volume, daemons):
        daemons.busy = True
        action = f'/volumes/{volume["id"]}/action'
        assert api.post(action, {'os-unmanage': None}).status == 202
        assert daemons.messages == ['unmanage_volume']
        assert api.get(f'/volumes/{volume["id"]}').json['volume']['status'] == 'unmanaging'
        api.post(action, {'os-unmanage': {}}).fault(400)

    def test_a_volume_with_snapshots_stays(self, api, volume, snapshot):
        text = api.post(f'/volumes/{volume["id"]}/action', {'os-unmanage': {}}).fault(400)
        assert snapshot['id'] in text

    def test_a_snapshot(self, api, snapshot, daemons):
        daemons.busy = True
        action = f'/snapshots/{snapshot["id"]}/action'
        assert api.post(action, {'os-unmanage': None}).status == 202
        assert daemons.messages == ['unmanage_snapshot']
        api.post(action, {'os-unmanage': {}}).fault(400)

    def test_administrators_only(self, member, volume, snapshot, nobody):
        for kind, ident in (('volumes', volume['id']), ('snapshots', snapshot['id'])):
            member.post(f'/{kind}/{ident}/action', {'os-unmanage': {}}).fault(403)
            member.post(f'/{kind}/{nobody}/action', {'os-unmanage': {}}).fault(404)

    def test_deleting_what_could_not_be_managed_forgets_it(self, api, volume, daemons):
        fake_daemons.volumes_db.overwrite(ADMIN, volume['id'], {'status': 'error_managing'})
        assert api.get(f'/volumes/{volume["id"]}').json['volume']['status'] == 'error'
        daemons.busy = True
        assert api.delete(f'/volumes/{volume["id"]}').status == 202
        assert daemons.messages == ['forget_volume']
        assert api.get(f'/volumes/{volume["id"]}').json['volume']['status'] == 'deleting'
