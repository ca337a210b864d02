# SPDX-License-Identifier: Apache-2.0
"""iSCSI: what is stored of an export, and what an initiator is told."""
import pytest

from cinder import exception
from cinder.volume.targets import fake, iscsi
from tests.fakes import volumes


def exported(**options):
    target = fake.FakeTarget(volumes.options(**options), None)
    volume = volumes.volume()
    volumes.stored(volume, target.create_export(volume, '/dev/vg/a'))
    return target, volume


def test_what_is_stored():
    _target, volume = exported()
    assert volume.provider_location == (
        f'127.0.0.1:3260,1 iqn.2010-10.org.openstack:{volume.name} 1')
    assert volume.provider_auth is None


def test_what_an_initiator_is_told():
    target, volume = exported(report_discard_supported=True)
    assert target.initialize_connection(volume, '/dev/vg/a') == {
        'driver_volume_type': 'iscsi', 'data': {
            'target_discovered': False, 'target_portal': '127.0.0.1:3260',
            'target_iqn': f'iqn.2010-10.org.openstack:{volume.name}', 'target_lun': 1,
            'volume_id': volume.id, 'discard': True, 'access_mode': 'rw'}}


def test_a_read_only_volume():
    target, volume = exported()
    volume.admin_metadata = {'readonly': 'True'}
    assert target.initialize_connection(volume, '')['data']['access_mode'] == 'ro'


def test_chap_is_made_up_for_each_volume_and_kept():
    target, volume = exported(use_chap_auth=True)
    kind, name, secret = volume.provider_auth.split()
    assert (kind, len(name), len(secret)) == ('CHAP', 20, 16)
    data = target.initialize_connection(volume, '')['data']
    assert (data['auth_method'], data['auth_username'], data['auth_password']) == (
        'CHAP', name, secret)
    assert target.ensure_export(volume, '/dev/vg/a')['provider_auth'] == volume.provider_auth
    assert exported(use_chap_auth=True)[1].provider_auth != volume.provider_auth


def test_chap_from_the_configuration():
    _target, volume = exported(use_chap_auth=True, chap_username='me', chap_password='secret')
    assert volume.provider_auth == 'CHAP me secret'


def test_a_secret_does_not_show_in_a_trace():
    assert 'hidden' not in repr(iscsi.Chap('name', 'hidden'))


def test_more_portals_for_multipath():
    target, volume = exported(target_secondary_ip_addresses=['192.0.2.2', '2001:db8::1'])
    data = target.initialize_connection(volume, '')['data']
    assert data['target_portal'] == '127.0.0.1:3260'
    assert data['target_portals'] == ['127.0.0.1:3260', '192.0.2.2:3260', '[2001:db8::1]:3260']
    assert data['target_iqns'] == [data['target_iqn']] * 3
    assert data['target_luns'] == [1, 1, 1]


def test_removing_forgets_the_secret():
    target, volume = exported(use_chap_auth=True)
    volumes.stored(volume, target.remove_export(volume))
    assert (volume.provider_location, volume.provider_auth) == (None, None)
    assert target.exported == {}
    with pytest.raises(exception.VolumeBackendAPIException, match='is not exported'):
        target.initialize_connection(volume, '')


@pytest.mark.parametrize('connector', [{}, {'initiator': ''}, {'ip': '192.0.2.1'}])
def test_a_connector_without_its_name(connector):
    with pytest.raises(exception.InvalidInput, match='initiator'):
        exported()[0].validate_connector(connector)
