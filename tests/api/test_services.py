# SPDX-License-Identifier: Apache-2.0
"""Services, zones and pools, over HTTP."""
import logging

import pytest

from cinder import context, exception
from cinder.conf import CONF
from cinder.db import clusters as clusters_db
from cinder.db import models, session
from cinder.db import services as services_db

VOLUME = {'host': 'n1@lvm', 'binary': 'cinder-volume'}
ACTIONS = ('enable', 'disable', 'disable-log-reason', 'get-log', 'set-log', 'freeze', 'thaw',
           'failover_host')


@pytest.fixture
def services(api):
    ctxt = context.get_admin_context()
    made = [services_db.create(ctxt, {
        'host': host, 'binary': binary, 'topic': binary, 'availability_zone': zone,
        'cluster_name': cluster}) for host, binary, zone, cluster in (
            ('n1', 'cinder-scheduler', 'nova', None),
            ('n1@lvm', 'cinder-volume', 'nova', None),
            ('n2@lvm', 'cinder-volume', 'east', 'c@lvm'))]
    for service in made:
        services_db.heartbeat(ctxt, service.id)
    clusters_db.create(ctxt, {'name': 'c@lvm', 'binary': 'cinder-volume'})
    return made


def _listed(api, query='', **kwargs):
    answer = api.get('/os-services' + query, **kwargs)
    assert answer.status == 200, answer.body
    return answer.json['services']


class TestList:
    def test_fields(self, api, services):
        """3.0"""
        scheduler, volume, _other = _listed(api, mv='3.0')
        assert scheduler.pop('updated_at')
        assert scheduler == {'binary': 'cinder-scheduler', 'host': 'n1', 'zone': 'nova',
                             'status': 'enabled', 'state': 'up', 'disabled_reason': None}
        assert {'replication_status': 'disabled', 'active_backend_id': None,
                'frozen': False}.items() < volume.items()

    def test_cluster(self, api, services):
        """3.7"""
        assert 'cluster' not in _listed(api, mv='3.6')[2]
        assert [each['cluster'] for each in _listed(api, mv='3.7')] == [None, None, 'c@lvm']

    def test_backend_state(self, api, services):
        """3.49"""
        assert 'backend_state' not in _listed(api, mv='3.48')[1]
        assert [each.get('backend_state') for each in _listed(api, mv='3.49')] == [
            None, 'up', 'up']

    def test_down(self, api, services):
        with session.writer(context.get_admin_context()) as conn:
            conn.execute(models.Service.__table__.update().values(
                updated_at=session.in_seconds(-CONF.service_down_time - 1)))
        assert {each['state'] for each in _listed(api)} == {'down'}

    def test_filters(self, api, services):
        assert [each['host'] for each in _listed(api, '?host=n1')] == ['n1', 'n1@lvm']
        assert len(_listed(api, '?host=n1@lvm')) == 1
        assert len(_listed(api, '?binary=cinder-volume')) == 2

    def test_admin_only(self, member, services):
        member.get('/os-services').fault(403)
        for name in ACTIONS:
            member.put(f'/os-services/{name}', {'host': 'n1@lvm'} if name in ACTIONS[5:] else
                       {} if name in ACTIONS[3:5] else VOLUME).fault(403)


class TestDisable:
    def test_takes_effect_and_can_be_undone(self, api, services):
        off = api.put('/os-services/disable-log-reason', {**VOLUME, 'disabled_reason': ' r '})
        assert off.json == {**VOLUME, 'service': '', 'status': 'disabled', 'disabled': True,
                            'disabled_reason': 'r'}
        shown, = _listed(api, '?host=n1@lvm')
        assert (shown['status'], shown['disabled_reason']) == ('disabled', 'r')
        on = api.put('/os-services/enable', VOLUME)
        assert on.json == {**VOLUME, 'service': '', 'status': 'enabled', 'disabled': False}
        shown, = _listed(api, '?host=n1@lvm')
        assert (shown['status'], shown['disabled_reason']) == ('enabled', None)
        assert api.put('/os-services/disable', {
            'host': 'n1@lvm', 'service': 'cinder-volume'}).json['disabled'] is True
        assert _listed(api, '?host=n1@lvm')[0]['status'] == 'disabled'

    @pytest.mark.parametrize('bad', [
        {}, {'host': 'n1@lvm'}, {'binary': 'cinder-volume'}, {**VOLUME, 'zz': 1},
        {**VOLUME, 'host': 'a b'}, {**VOLUME, 'host': ''}, {**VOLUME, 'binary': 5}])
    def test_bad_bodies(self, api, bad):
        for name in ACTIONS[:3]:
            api.put(f'/os-services/{name}', bad).fault(400)

    def test_overlong_reason(self, api, services):
        api.put('/os-services/disable-log-reason',
                {**VOLUME, 'disabled_reason': 'r' * 256}).fault(400)

    def test_unknown_service(self, api):
        assert 'n9' in api.put('/os-services/disable', {**VOLUME, 'host': 'n9'}).fault(404)


class TestLogs:
    """3.32"""

    def test_gate(self, api):
        api.put('/os-services/get-log', {}, mv='3.31').fault(404)
        api.put('/os-services/set-log', {}, mv='3.31').fault(404)

    def test_get(self, api, services, bus):
        bus.answers['get_log_levels'] = {'cinder.volume': 'DEBUG'}
        shown = api.put('/os-services/get-log', {'binary': 'cinder-volume', 'prefix': 'cinder.v'})
        assert shown.json == {'log_levels': [
            {'binary': 'cinder-volume', 'host': host, 'levels': {'cinder.volume': 'DEBUG'}}
            for host in ('n1@lvm', 'n2@lvm')]}
        assert bus.sent[0].args == {'prefix': 'cinder.v'}

    def test_a_silent_service_is_left_out(self, api, services, bus):
        bus.answers['get_log_levels'] = exception.RPCTimeout()
        shown = api.put('/os-services/get-log', {'binary': '*'})
        assert [each['binary'] for each in shown.json['log_levels']] == ['cinder-api']

    def test_set_here(self, api):
        logger = logging.getLogger('cinder.test_services')
        body = {'binary': 'cinder-api', 'prefix': logger.name, 'level': 'error'}
        assert api.put('/os-services/set-log', body).status == 202
        shown = api.put('/os-services/get-log', {'binary': 'cinder-api', 'prefix': logger.name})
        assert shown.json['log_levels'][0]['levels'] == {logger.name: 'ERROR'}

    def test_set_elsewhere(self, api, services, bus):
        body = {'server': 'n2@lvm', 'level': 'DEBUG'}
        assert api.put('/os-services/set-log', body).status == 202
        message, = bus.sent
        assert (message.kind, message.host, message.args) == (
            'cast', 'n2@lvm', {'prefix': '', 'level': 'DEBUG'})
        assert api.put('/os-services/set-log', {'level': ''}).status == 202
        assert len(bus.sent) == 1

    def test_bad_bodies(self, api):
        for bad in ({'level': 'zz'}, {'binary': 'zz'}, {'zz': 1}, {'prefix': 5}):
            api.put('/os-services/set-log', bad).fault(400)


class TestFreeze:
    def test_host(self, api, services):
        done = api.put('/os-services/freeze', {'host': 'n1@lvm'})
        assert (done.status, done.body) == (200, b'')
        assert [each.get('frozen') for each in _listed(api)] == [None, True, False]
        assert 'already' in api.put('/os-services/freeze', {'host': 'n1@lvm'}).fault(400)
        assert api.put('/os-services/thaw', {'host': 'n1@lvm'}).status == 200
        assert 'not frozen' in api.put('/os-services/thaw', {'host': 'n1@lvm'}).fault(400)
        assert [each.get('frozen') for each in _listed(api)] == [None, False, False]

    def test_cluster(self, api, services):
        """3.26"""
        api.put('/os-services/freeze', {'cluster': 'c@lvm'}, mv='3.25').fault(400)
        assert api.put('/os-services/freeze', {'cluster': 'c@lvm'}, mv='3.26').status == 200
        assert clusters_db.get(context.get_admin_context(), 'c@lvm', 'cinder-volume').frozen
        assert [each.get('frozen') for each in _listed(api)] == [None, False, True]

    @pytest.mark.parametrize('name', ACTIONS[5:])
    def test_bad_bodies(self, api, services, name):
        for bad in ({}, {'host': 'n9@lvm'}, {'host': 'n1@lvm', 'cluster': 'c@lvm'},
                    {'host': 'n1'}, {'host': 5}, {'zz': 1}):
            api.put(f'/os-services/{name}', bad).fault(400)

    def test_failover_needs_replication(self, api, services):
        assert 'replication' in api.put('/os-services/failover_host',
                                        {'host': 'n1@lvm'}).fault(400)

    def test_failover_has_a_second_address(self, api, services):
        def change(mv):
            return api.put('/os-services/failover', {'host': 'n1@lvm'}, mv=mv)
        change('3.25').fault(404)
        assert 'replication' in change('3.26').fault(400)


class TestZones:
    def test_list(self, api, services):
        services_db.update(context.get_admin_context(), services[2].id, {'disabled': True})
        assert api.get('/os-availability-zone').json == {'availabilityZoneInfo': [
            {'zoneName': 'east', 'zoneState': {'available': False}},
            {'zoneName': 'nova', 'zoneState': {'available': True}}]}

    def test_is_remembered(self, api, services):
        before = api.get('/os-availability-zone').json
        services_db.update(context.get_admin_context(), services[2].id, {'disabled': True})
        assert api.get('/os-availability-zone').json == before


class TestPools:
    URL = '/scheduler-stats/get_pools'

    @pytest.fixture
    def pools(self, bus):
        bus.answers['get_pools'] = [{'name': 'n1@lvm#p', 'capabilities': {'free': 1}}]
        return bus

    def test_detail(self, api, pools):
        assert api.get(self.URL).json == {'pools': [{'name': 'n1@lvm#p'}]}
        assert api.get(self.URL + '?detail=true').json == {
            'pools': [{'name': 'n1@lvm#p', 'capabilities': {'free': 1}}]}
        api.get(self.URL + '?detail=zz').fault(400)

    @pytest.mark.parametrize(('mv', 'filters'), [
        ('3.27', {}), ('3.28', {'name': 'p'}), ('3.34', {'name': 'p'}),
        ('3.35', {'name': 'p', 'volume_type': 't'})])
    def test_filters(self, api, pools, mv, filters):
        assert api.get(self.URL + '?name=p&volume_type=t', mv=mv).status == 200
        assert pools.sent[0].args == {'filters': filters}

    def test_unknown_filter(self, api, pools):
        """3.31"""
        api.get(self.URL + '?zz=1', mv='3.31').fault(400)
        assert api.get(self.URL + '?zz=1', mv='3.30').status == 200

    def test_no_scheduler(self, api, bus):
        bus.answers['get_pools'] = exception.RPCTimeout()
        api.get(self.URL).fault(503)

    def test_admin_only(self, member):
        member.get(self.URL).fault(403)
