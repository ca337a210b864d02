# SPDX-License-Identifier: Apache-2.0
"""User messages, resource filters and extensions, over HTTP."""
import uuid

import pytest

from cinder import context
from cinder.db import messages as messages_db
from tests.api.client import PROJECT


@pytest.fixture
def make(api):
    def make(project=PROJECT, **values):
        return messages_db.create(context.get_admin_context(), {
            'project_id': project, 'event_id': 'VOLUME_1_2', 'message_level': 'ERROR',
            'user_message': 'why', 'request_id': 'req-1', **values})['id']
    return make


def _ids(answer):
    assert answer.status == 200, answer.body
    return [each['id'] for each in answer.json['messages']]


class TestMessages:
    def test_gate(self, api, make):
        """3.3"""
        url = f'/messages/{make()}'
        for answer in (api.get('/messages', mv='3.2'), api.get(url, mv='3.2'),
                       api.delete(url, mv='3.2')):
            answer.fault(404)

    def test_show(self, reader, make):
        volume = str(uuid.uuid4())
        ident = make(resource_type='VOLUME', resource_uuid=volume)
        shown = reader.get(f'/messages/{ident}', mv='3.3').json['message']
        assert shown.pop('created_at') < shown.pop('guaranteed_until')
        assert [link['href'] for link in shown.pop('links')] == [
            f'http://localhost:80/v3/{PROJECT}/messages/{ident}',
            f'http://localhost:80/{PROJECT}/messages/{ident}']
        assert shown == {'id': ident, 'event_id': 'VOLUME_1_2', 'user_message': 'why',
                         'message_level': 'ERROR', 'request_id': 'req-1',
                         'resource_type': 'VOLUME', 'resource_uuid': volume}

    def test_operators_see_more(self, api, member, make):
        ident = make(operator_detail='n1@b#p: CapacityFilter: no')
        for client, seen in ((api, True), (member, False)):
            for url in (f'/messages/{ident}', '/messages'):
                assert b'CapacityFilter' not in client.get(url).body
            for shown in (
                    client.get(f'/messages/{ident}?operator_detail=true').json['message'],
                    *client.get('/messages?operator_detail=true').json['messages']):
                assert shown.get('operator_detail') == (
                    'n1@b#p: CapacityFilter: no' if seen else None)
                assert ('operator_detail' in shown) is seen

    def test_without_resource(self, api, make):
        assert 'resource_uuid' not in api.get(f'/messages/{make()}').json['message']

    def test_other_projects(self, api, member, make):
        ident = make('ab' * 16)
        assert ident in member.get(f'/messages/{ident}').fault(404)
        member.delete(f'/messages/{ident}').fault(404)
        assert _ids(member.get('/messages?all_tenants=1')) == []
        assert _ids(api.get('/messages')) == []
        assert _ids(api.get('/messages?all_tenants=1')) == [ident]

    def test_delete(self, member, reader, make):
        url = f'/messages/{make()}'
        reader.delete(url).fault(403)
        assert member.delete(url).status == 204
        member.get(url).fault(404)

    def test_paging_and_filters(self, member, make):
        """3.5"""
        one, two = make(event_id='A'), make(event_id='B')
        assert _ids(member.get('/messages')) == [two, one]
        assert _ids(member.get('/messages?event_id=A')) == [one]
        page = member.get('/messages?limit=1&sort=event_id:asc')
        assert _ids(page) == [one]
        assert f'marker={one}' in page.json['messages_links'][0]['href']
        assert _ids(member.get(f'/messages?sort=event_id:asc&marker={one}')) == [two]
        assert _ids(member.get('/messages?limit=1&event_id=A', mv='3.4')) == [two, one]

    def test_bad_queries(self, member, nobody):
        for query in ('limit=-1', 'limit=x', 'limit=' + '9' * 5000, 'offset=-1', 'offset=x',
                      'offset=2147483648', 'sort=zz', 'sort=created_at:up', 'sort_key=zz',
                      'sort_dir=up', 'sort=id&sort_key=id', 'all_tenants=zz', 'zz=1'):
            member.get('/messages?' + query).fault(400)
        assert nobody in member.get(f'/messages?marker={nobody}').fault(404)


class TestResourceFilters:
    """3.33"""

    def test_list(self, api):
        shown = {each['resource']: each['filters']
                 for each in api.get('/resource_filters').json['resource_filters']}
        assert 'status' in shown['volume']
        assert shown['group_snapshot'] == ['name', 'status', 'group_id']

    def test_one(self, api):
        one, = api.get('/resource_filters?resource=pool').json['resource_filters']
        assert one == {'resource': 'pool', 'filters': ['name', 'volume_type']}
        assert api.get('/resource_filters?resource=zz').json == {'resource_filters': []}

    def test_gate(self, api):
        api.get('/resource_filters', mv='3.32').fault(404)


class TestExtensions:
    def test_list_and_show(self, api):
        first = api.get('/extensions').json['extensions'][0]
        assert set(first) == {'alias', 'name', 'description', 'updated', 'links'}
        assert api.get(f'/extensions/{first["alias"]}').json == {'extension': first}

    def test_those_that_clients_ask_for(self, api):
        """As the API reference has them: a client does without what is not in the list."""
        assert {row['alias']: row['name'] for row in api.get('/extensions').json['extensions']} == {
            'OS-SCH-HNT': 'SchedulerHints', 'backups': 'Backups', 'capabilities': 'Capabilities',
            'cgsnapshots': 'Cgsnapshots', 'consistencygroups': 'Consistencygroups',
            'encryption': 'VolumeTypeEncryption', 'os-admin-actions': 'AdminActions',
            'os-availability-zone': 'AvailabilityZones', 'os-extended-services': 'ExtendedServices',
            'os-extended-snapshot-attributes': 'ExtendedSnapshotAttributes', 'os-hosts': 'Hosts',
            'os-quota-class-sets': 'QuotaClasses', 'os-quota-sets': 'Quotas',
            'os-services': 'Services', 'os-snapshot-actions': 'SnapshotActions',
            'os-snapshot-manage': 'SnapshotManage', 'os-snapshot-unmanage': 'SnapshotUnmanage',
            'os-types-extra-specs': 'TypesExtraSpecs', 'os-types-manage': 'TypesManage',
            'os-used-limits': 'UsedLimits', 'os-vol-host-attr': 'VolumeHostAttribute',
            'os-vol-image-meta': 'VolumeImageMetadata',
            'os-vol-mig-status-attr': 'VolumeMigStatusAttribute',
            'os-vol-tenant-attr': 'VolumeTenantAttribute', 'os-volume-actions': 'VolumeActions',
            'os-volume-encryption-metadata': 'VolumeEncryptionMetadata',
            'os-volume-manage': 'VolumeManage', 'os-volume-transfer': 'VolumeTransfer',
            'os-volume-type-access': 'VolumeTypeAccess', 'os-volume-unmanage': 'VolumeUnmanage',
            'qos-specs': 'Qos_specs_manage', 'scheduler-stats': 'Scheduler_stats'}

    def test_unknown(self, api):
        assert 'zz' in api.get('/extensions/zz').fault(404)
