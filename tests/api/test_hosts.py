# SPDX-License-Identifier: Apache-2.0
"""Hosts and what back ends can do, over HTTP."""
import pytest

from cinder import context, exception
from cinder.db import services as services_db
from cinder.db import volumes as volumes_db
from cinder.volume.host import capabilities
from tests.api.client import PROJECT
from tests.fakes import daemons as fake_daemons

ADMIN = context.get_admin_context()


@pytest.fixture
def services(api):
    for host, binary, zone in (('node', 'cinder-scheduler', 'nova'),
                               ('node@fake', 'cinder-volume', 'nova'),
                               ('other@fake', 'cinder-volume', 'east')):
        made = services_db.create(ADMIN, {'host': host, 'binary': binary, 'topic': binary,
                                          'availability_zone': zone})
        services_db.heartbeat(ADMIN, made.id)


def _numbers(project, *numbers):
    names = ('volume_count', 'total_volume_gb', 'snapshot_count', 'total_snapshot_gb')
    return {'project': project, **dict(zip(names, numbers, strict=True))}


class TestHosts:
    def test_list(self, api, services):
        first, *others = api.get('/os-hosts').json['hosts']
        assert first.pop('last-update')
        assert first == {'host_name': 'node', 'service': 'cinder-scheduler', 'zone': 'nova',
                         'service-status': 'available', 'service-state': 'enabled'}
        assert [each['host_name'] for each in others] == ['node@fake', 'other@fake']
        assert [each['host_name'] for each in api.get('/os-hosts?zone=east').json['hosts']] == [
            'other@fake']

    @pytest.mark.parametrize('host', ['node', 'node@fake'])
    def test_show_counts_by_project(self, api, services, host):
        mine = fake_daemons.volume(PROJECT, size=3)
        fake_daemons.snapshot(PROJECT, mine['id'])
        fake_daemons.volume('other', size=4)
        volumes_db.update(ADMIN, fake_daemons.volume(PROJECT)['id'], {'host': 'node_@fake#p'})
        shown = [each['resource'] for each in api.get(f'/os-hosts/{host}').json['host']]
        assert shown == [{'host': host, **each} for each in (
            _numbers('(total)', '2', '7', '1', '1'), _numbers(PROJECT, '1', '3', '1', '1'),
            _numbers('other', '1', '4', '0', '0'))]

    def test_show_an_empty_one(self, api, services):
        shown, = api.get('/os-hosts/other@fake').json['host']
        assert shown['resource'] == {'host': 'other@fake',
                                     **_numbers('(total)', '0', '0', '0', '0')}

    def test_update(self, api, services):
        answer = api.put('/os-hosts/node', {'status': 'disable'})
        assert answer.json == {'host': 'node', 'status': 'disabled'}

        def states():
            return [each['service-state'] for each in api.get('/os-hosts').json['hosts']]
        assert states() == ['disabled', 'disabled', 'enabled']
        assert api.put('/os-hosts/node@fake', {'status': 'enable'}).json['status'] == 'enabled'
        assert states() == ['disabled', 'enabled', 'enabled']
        for bad in ({}, {'status': 'zz'}, {'status': 5}):
            api.put('/os-hosts/node', bad).fault(400)

    def test_unknown(self, api, services):
        assert 'nod' in api.get('/os-hosts/nod').fault(404)
        assert 'nod' in api.put('/os-hosts/nod', {'status': 'enable'}).fault(404)

    def test_admin_only(self, member, services):
        member.get('/os-hosts').fault(403)
        member.get('/os-hosts/node').fault(403)
        member.put('/os-hosts/node', {'status': 'enable'}).fault(403)


class TestCapabilities:
    def test_asks_the_service(self, api, services, bus):
        answer = capabilities.describe('node@fake', {'vendor_name': 'v'})
        bus.answers['get_capabilities'] = answer
        assert api.get('/capabilities/node@fake#pool').json == answer
        message, = bus.sent
        assert (message.host, message.args) == ('node@fake', {'discover': False})

    def test_unknown(self, api, services):
        assert 'nod' in api.get('/capabilities/nod').fault(404)

    @pytest.mark.parametrize('trouble', [exception.RPCTimeout(),
                                         exception.DriverNotInitialized()])
    def test_a_silent_service(self, api, services, bus, trouble):
        bus.answers['get_capabilities'] = trouble
        assert 'node@fake' in api.get('/capabilities/node@fake').fault(502)

    def test_admin_only(self, member, services):
        member.get('/capabilities/node@fake').fault(403)
