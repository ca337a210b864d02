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
    assert target.initialize_connection(volume, '/dev/vg/a', volumes.CONNECTOR) == {
        'driver_volume_type': 'iscsi', 'data': {
            'target_discovered': False, 'target_portal': '127.0.0.1:3260',
            'target_iqn': f'iqn.2010-10.org.openstack:{volume.name}', 'target_lun': 1,
            'volume_id': volume.id, 'discard': True, 'access_mode': 'rw'}}


def test_a_read_only_volume():
    target, volume = exported()
    volume.admin_metadata = {'readonly': 'True'}
    data = target.initialize_connection(volume, '', volumes.CONNECTOR)['data']
    assert data['access_mode'] == 'ro'


def test_chap_is_made_up_for_each_volume_and_kept():
    target, volume = exported(use_chap_auth=True)
    kind, name, secret = volume.provider_auth.split()
    assert (kind, len(name), len(secret)) == ('CHAP', 20, 16)
    data = target.initialize_connection(volume, '', volumes.CONNECTOR)['data']
    assert (data['auth_method'], data['auth_username'], data['auth_password']) == (
        'CHAP', name, secret)
    assert target.ensure_export(volume, '/dev/vg/a')['provider_auth'] == volume.provider_auth
    assert exported(use_chap_auth=True)[1].provider_auth != volume.provider_auth


def test_chap_from_the_configuration():
    _target, volume = exported(use_chap_auth=True, chap_username='me', chap_password='secret')
    assert volume.provider_auth == 'CHAP me secret'


@pytest.mark.parametrize('chap', [True, False])
def test_connection_data_holds_nothing_of_the_back_end(chap):
    """CVE-2020-10755."""
    target, volume = exported(use_chap_auth=chap, target_secondary_ip_addresses=['192.0.2.2'])
    told = target.initialize_connection(volume, '/dev/vg/a', volumes.CONNECTOR)
    assert told.keys() == {'driver_volume_type', 'data'}
    assert told['data'].keys() == {
        'volume_id', 'access_mode', 'discard', 'target_discovered', 'target_portal', 'target_iqn',
        'target_lun', 'target_portals', 'target_iqns', 'target_luns'} | (
        {'auth_method', 'auth_username', 'auth_password'} if chap else set())
    assert '/dev/vg' not in str(told)


def test_a_secret_does_not_show_in_a_trace():
    assert 'hidden' not in repr(iscsi.Chap('name', 'hidden'))


def test_more_portals_for_multipath():
    target, volume = exported(target_secondary_ip_addresses=['192.0.2.2', '2001:db8::1'])
    data = target.initialize_connection(volume, '', volumes.CONNECTOR)['data']
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
        target.initialize_connection(volume, '', volumes.CONNECTOR)


def test_who_is_let_in_and_may_write():
    target, volume = exported()
    iqn = target.iqn(volume)
    assert not target.allowed.get(iqn)
    reader = {'initiator': 'iqn.reader', 'mode': 'ro'}
    assert target.initialize_connection(volume, '', reader)['data']['access_mode'] == 'ro'
    target.initialize_connection(volume, '', volumes.CONNECTOR)
    assert target.allowed[iqn] == {'iqn.reader': True, volumes.CONNECTOR['initiator']: False}
    target.terminate_connection(volume, reader)
    assert target.allowed[iqn] == {volumes.CONNECTOR['initiator']: False}


def test_after_a_restart_those_get_in_that_are_attached():
    target, volume = exported()
    volume.attachments = [volumes.attachment('iqn.a'),
                          volumes.attachment('iqn.b', attach_mode='ro'),
                          volumes.attachment(attach_status='reserved')]
    target.ensure_export(volume, '/dev/vg/a')
    assert target.allowed[target.iqn(volume)] == {'iqn.a': False, 'iqn.b': True}


def test_after_a_restart_anybody_gets_in_where_somebody_attached_did_not_tell_his_name():
    target, volume = exported()
    volume.attachments = [volumes.attachment('iqn.a'), volumes.attachment()]
    target.ensure_export(volume, '/dev/vg/a')
    assert target.open_to_strangers[target.iqn(volume)]


def test_nobody_else_gets_in_where_all_that_attached_told_their_names():
    target, volume = exported()
    iqn = target.iqn(volume)
    target.open_to_strangers[iqn] = True
    volume.attachments = [volumes.attachment('iqn.a'), volumes.attachment()]
    target.create_export(volume, '/dev/vg/a')
    assert target.open_to_strangers[iqn]
    volume.attachments.pop()
    target.create_export(volume, '/dev/vg/a')
    assert not target.open_to_strangers[iqn]


# What the original's targets store, and the names, units and serial numbers in it.
ORIGINAL = [
    ('192.0.2.1:3260,5 iqn.2010-10.org.openstack:volume-a 1',
     iscsi.Location(('192.0.2.1:3260',), '5', 'iqn.2010-10.org.openstack:volume-a', 1)),
    # By LIO of Cinder 29.0.0.
    ('192.0.2.1:3260,iqn.old:volume-a iqn.old:volume-a 0',
     iscsi.Location(('192.0.2.1:3260',), 'iqn.old:volume-a', 'iqn.old:volume-a', 0)),
    ('192.0.2.1:3260,1 iqn.old:volume-a 0',
     iscsi.Location(('192.0.2.1:3260',), '1', 'iqn.old:volume-a', 0)),
    ('192.0.2.1:3260;[2001:db8::1]:3260,1 iqn.a 0',
     iscsi.Location(('192.0.2.1:3260', '[2001:db8::1]:3260'), '1', 'iqn.a', 0)),
    ('192.0.2.1:3260,1 iqn.a 0 0d604647-5be7-4c5f-86ab-ae9768611ac8',
     iscsi.Location(('192.0.2.1:3260',), '1', 'iqn.a', 0, '0d604647-5be7-4c5f-86ab-ae9768611ac8')),
]


@pytest.mark.parametrize(('text', 'location'), ORIGINAL)
def test_an_export_that_the_row_describes_keeps_its_name_and_unit_until_it_is_removed(
        text, location):
    assert iscsi.Location.parse(text) == location
    assert str(location) == text
    target, volume = exported(target_secondary_ip_addresses=['2001:db8::1'])
    ours = target.iqn(volume)
    target.remove_export(volume)
    volume.provider_location, volume.provider_auth = text, 'CHAP user secret'
    again = volumes.stored(volume, target.ensure_export(volume, '/dev/vg/a'))
    assert target.exported == {location.iqn: ('/dev/vg/a', iscsi.Chap('user', 'secret'))}
    assert target.export_name(volume) == location.iqn
    assert again.provider_location == (
        f'127.0.0.1:3260;[2001:db8::1]:3260,1 {text.split(" ", 1)[1]}')
    data = target.initialize_connection(volume, '/dev/vg/a', volumes.CONNECTOR)['data']
    assert (data['target_iqn'], data['target_lun'], data['auth_username']) == (
        location.iqn, location.lun, 'user')
    volumes.stored(volume, target.remove_export(volume))
    assert target.exported == {}
    volumes.stored(volume, target.create_export(volume, '/dev/vg/a'))
    assert target.exported.keys() == {ours}
    assert volume.provider_location.endswith(f' {ours} 1')


@pytest.mark.parametrize('text', [
    '192.0.2.1 4420 tcp nqn.a 10', '192.0.2.1:4420 tcp nqn.a 10', '/dev/vg/volume-a', 'x', ' ',
    '192.0.2.1:3260,1 iqn.a', '192.0.2.1:3260 iqn.a 1', '192.0.2.1:3260,1 iqn.a x'])
def test_what_another_target_exported_is_neither_exported_again_nor_removed(text, caplog):
    target, volume = exported()
    volume.provider_location = text
    for export in (target.create_export, target.ensure_export):
        with pytest.raises(exception.VolumeBackendAPIException, match='until it is detached'):
            export(volume, '/dev/vg/a')
    with pytest.raises(exception.VolumeBackendAPIException, match='is not exported'):
        target.initialize_connection(volume, '', volumes.CONNECTOR)
    assert target.remove_export(volume)['provider_location'] is None
    assert 'it is not removed' in caplog.text


@pytest.mark.parametrize('connector', [volumes.CONNECTOR, None])
def test_a_session_that_is_alive_at_a_detachment(connector, caplog):
    target, volume = exported(target_live_sessions='refuse')
    iqn, name = target.iqn(volume), volumes.CONNECTOR['initiator']
    target.initialize_connection(volume, '', volumes.CONNECTOR)
    target.sessions[iqn] = {name}
    with pytest.raises(exception.ConflictingVolumeState, match=name):
        target.terminate_connection(volume, connector)
    assert name in target.allowed[iqn]
    target.terminate_connection(volume, connector, force=True)
    assert f'{name} is still connected to {iqn}' in caplog.text


def test_the_session_of_another_host_keeps_nobody_from_leaving():
    target, volume = exported(target_live_sessions='refuse')
    target.sessions[target.iqn(volume)] = {'iqn.other'}
    target.terminate_connection(volume, volumes.CONNECTOR)
    assert target.sessions[target.iqn(volume)] == {'iqn.other'}


@pytest.mark.parametrize('connector', [
    {}, {'initiator': ''}, {'ip': '192.0.2.1'}, {'initiator': '../iqn'}, {'initiator': '-x'},
    {'initiator': 'iqn.a b'}, {'initiator': ['iqn.a']}])
def test_a_connector_without_its_name(connector):
    with pytest.raises(exception.InvalidInput, match='initiator'):
        exported()[0].validate_connector(connector)
