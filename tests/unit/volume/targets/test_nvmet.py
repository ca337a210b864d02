# SPDX-License-Identifier: Apache-2.0
"""NVMET on a folder that behaves as the kernel's tree: what is in it after each step."""
import pytest

from cinder import exception
from cinder.privsep import nvmet as privileged
from cinder.volume.targets import base, nvmet
from tests.fakes import volumes
from tests.fakes.nvmet import Tree

PATH = '/dev/vg/a'
NAME = 'nqn.2014-08.org.nvmexpress:uuid:one'
CONNECTOR = {'nqn': NAME, 'host': 'one'}
OTHER = {'nqn': 'nqn.2014-08.org.nvmexpress:uuid:two', 'host': 'two'}


@pytest.fixture
def tree(tmp_path, monkeypatch):
    made = Tree(tmp_path)
    for name, value in (('ROOT', str(tmp_path)), ('mkdir', made.mkdir), ('rmdir', made.rmdir),
                        ('symlink', made.symlink)):
        monkeypatch.setattr(privileged, name, value)
    return made


def exported(connector=CONNECTOR, **options):
    target = nvmet.NVMET(volumes.options(**{
        'target_helper': 'nvmet', 'target_protocol': 'nvmet_tcp', 'target_port': 4420,
        **options}), None)
    volume = volumes.volume()
    volumes.stored(volume, target.create_export(volume, PATH))
    info = target.initialize_connection(volume, PATH, connector) if connector else None
    return target, volume, info


def test_what_is_made_and_removed(tree):
    target, volume, _info = exported()
    nqn = f'nqn.2010-10.org.openstack:{volume.name}'
    subsystem, port = ('subsystems', nqn), ('ports', '1')
    assert tree.value(*subsystem, 'attr_allow_any_host') == '0'
    assert tree.names(*subsystem, 'allowed_hosts') == tree.names('hosts') == [NAME]
    unit = (*subsystem, 'namespaces', '10')
    assert [tree.value(*unit, name) for name in ('device_path', 'device_uuid', 'enable')] == [
        PATH, volume.id, '1']
    assert [tree.value(*port, f'addr_{name}') for name in (
        'trtype', 'adrfam', 'traddr', 'trsvcid')] == ['tcp', 'ipv4', '127.0.0.1', '4420']
    assert tree.names(*port, 'subsystems') == [nqn]
    for _attempt in range(2):
        volumes.stored(volume, target.remove_export(volume))
    assert tree.names('subsystems') == tree.names('hosts') == []
    assert tree.names(*port, 'subsystems') == []
    assert volume.provider_location is None


def test_what_an_initiator_is_told():
    kernel = Silent()
    target, volume = nvmet.NVMET(volumes.options(
        target_protocol='nvmet_rdma', target_port=4420, report_discard_supported=True,
        target_secondary_ip_addresses=['2001:db8::1']), None, kernel), volumes.volume()
    volumes.stored(volume, target.create_export(volume, PATH))
    common = {'volume_id': volume.id, 'access_mode': 'rw', 'discard': True, 'ns_id': 10}
    assert target.initialize_connection(volume, PATH, CONNECTOR) == {
        'driver_volume_type': 'nvmeof', 'data': {
            **common, 'nqn': target.nqn(volume), 'target_portal': '127.0.0.1',
            'target_port': 4420, 'transport_type': 'rdma'}}
    target.configuration.nvmeof_conn_info_version = 2
    assert target.initialize_connection(volume, PATH, CONNECTOR)['data'] == {
        **common, 'target_nqn': target.nqn(volume), 'vol_uuid': volume.id,
        'portals': [('127.0.0.1', 4420, 'rdma'), ('2001:db8::1', 4420, 'rdma')]}


class Silent:
    def __getattr__(self, _name):
        return lambda *_arguments: None


def test_an_export_that_is_there_stays_untouched(tree):
    target, volume, _info = exported()
    before = {path: path.stat().st_mtime_ns for path in tree.root.rglob('*')}
    volume.attachments = [volumes.attachment(attach_status='reserved')]
    assert target.ensure_export(volume, PATH)['provider_location'] == volume.provider_location
    assert {path: path.stat().st_mtime_ns for path in tree.root.rglob('*')} == before


def test_after_a_boot_those_get_in_that_are_attached(tree):
    target, volume, _info = exported()
    target.remove_export(volume)
    volume.attachments = [volumes.attachment()]
    volume.attachments[0].connector = CONNECTOR
    target.ensure_export(volume, PATH)
    subsystem = ('subsystems', target.nqn(volume))
    assert tree.names(*subsystem, 'allowed_hosts') == [NAME]
    assert tree.value(*subsystem, 'attr_allow_any_host') == '0'
    volume.attachments.append(volumes.attachment())
    target.ensure_export(volume, PATH)
    assert tree.value(*subsystem, 'attr_allow_any_host') == '1'
    # The kernel wants no names then.
    assert tree.names(*subsystem, 'allowed_hosts') == tree.names('hosts') == []
    target.initialize_connection(volume, PATH, OTHER)
    assert tree.names(*subsystem, 'allowed_hosts') == []


def test_another_device_takes_the_place(tree):
    target, volume, _info = exported()
    target.ensure_export(volume, '/dev/vg/moved')
    unit = ('subsystems', target.nqn(volume), 'namespaces', '10')
    assert (tree.value(*unit, 'device_path'), tree.value(*unit, 'enable')) == (
        '/dev/vg/moved', '1')


def test_a_host_leaves_and_others_stay(tree):
    target, volume, _info = exported()
    other_target, other, _info = exported()
    target.initialize_connection(volume, PATH, OTHER)
    for _attempt in range(2):
        target.terminate_connection(volume, CONNECTOR)
    assert tree.names('subsystems', target.nqn(volume), 'allowed_hosts') == [OTHER['nqn']]
    # The other volume still knows the host.
    assert tree.names('hosts') == [NAME, OTHER['nqn']]
    other_target.remove_export(other)
    assert tree.names('hosts') == [OTHER['nqn']]


def test_volumes_share_ports(tree):
    _target, one, _info = exported(target_secondary_ip_addresses=['2001:db8::1'])
    _target, two, _info = exported(target_secondary_ip_addresses=['2001:db8::1'])
    assert tree.names('ports') == ['1', '2']
    assert len(tree.names('ports', '2', 'subsystems')) == 2
    assert tree.value('ports', '2', 'addr_adrfam') == 'ipv6'


def test_a_port_of_others_is_not_taken_from_them(tree):
    exported()
    with pytest.raises(base.KernelError, match='listens on 127.0.0.1:4420 already.*nvmet_port_id'):
        exported(target_ip_address='192.0.2.9')


def test_growing_is_told_to_the_kernel(tree):
    target, volume, _info = exported()
    target.extend(volume, PATH)
    unit = tree.root / 'subsystems' / target.nqn(volume) / 'namespaces' / '10'
    (unit / 'revalidate_size').chmod(0o600)
    assert (unit / 'revalidate_size').read_text() == '1'


@pytest.mark.parametrize('connector', [{}, {'nqn': ''}, {'nqn': 'nqn.a/b'}, {'nqn': 7},
                                       {'initiator': 'iqn.x'}])
def test_a_connector_without_its_name(connector):
    target = nvmet.NVMET(volumes.options(target_protocol='nvmet_tcp'), None, Silent())
    with pytest.raises(exception.InvalidInput, match='nqn'):
        target.validate_connector(connector)


def test_a_kernel_without_targets_says_what_to_load(tree, monkeypatch):
    monkeypatch.setattr(privileged, 'ROOT', '/nonexistent')
    with pytest.raises(base.KernelError, match='load nvmet'):
        exported()


def test_another_protocol_is_refused():
    with pytest.raises(exception.InvalidConfigurationValue, match='target_protocol'):
        nvmet.NVMET(volumes.options(target_protocol='iscsi'), None, Silent())


def test_exports_that_the_kernel_has_lost(tree):
    target, volume, _info = exported()
    other = volumes.volume()
    assert target.lost_exports([volume, other]) == [other]


def test_what_is_not_exported_can_be_neither_connected_to_nor_told_to_have_grown(tree):
    target, volume = exported(None)[0], volumes.volume()
    target.extend(volume, PATH)
    with pytest.raises(exception.VolumeBackendAPIException, match='is not exported'):
        target.initialize_connection(volume, PATH, CONNECTOR)


def test_a_host_that_does_not_tell_its_name_is_turned_away_with_the_export(tree):
    target, volume, _info = exported()
    target.terminate_connection(volume, None)
    assert tree.names('hosts') == [NAME]


NQN = 'nqn.iqn.2010-10.org.openstack:-10000000-0000-0000-0000-000000000001'
NGUID = 'aea4367a-7f59-41a4-a471-34d4c46bbdca'
# What the original stored, and what of it is kept.
ORIGINAL = [
    (f'192.0.2.1:4420 tcp {NQN} 10', ('192.0.2.1',), 10, ''),
    (f'192.0.2.1,192.0.2.2:4420 tcp {NQN} 11', ('192.0.2.1', '192.0.2.2'), 11, ''),
    (f'2001:db8::1:4420 rdma {NQN} 10', ('2001:db8::1',), 10, ''),
    (f'192.0.2.1:4420 tcp {NQN} {NGUID}', ('192.0.2.1',), 7, NGUID),
    (f'192.0.2.1,192.0.2.2 4420 tcp {NQN} 11', ('192.0.2.1', '192.0.2.2'), 11, ''),
    (f'192.0.2.1 4420 tcp {NQN} 11 {NGUID}', ('192.0.2.1',), 11, NGUID),
]


@pytest.mark.parametrize(('text', 'addresses', 'namespace', 'nguid'), ORIGINAL)
def test_what_is_read_of_both_forms(text, addresses, namespace, nguid):
    found = nvmet.Location.parse(text, 7)
    assert (found.nqn, found.namespace, found.nguid, found.port) == (NQN, namespace, nguid, 4420)
    assert found.addresses == addresses
    assert nvmet.Location.parse(str(found)) == found


def of_the_original(tree):
    """A subsystem as the original makes it, for any host, and its volume with one attachment."""
    volume = volumes.volume()
    nqn = f'nqn.iqn.2010-10.org.openstack:-{volume.id}'
    privileged.export(nqn, PATH, volume.id, NGUID, 10, [(1, 'tcp', 'ipv4', '127.0.0.1', 4420)])
    privileged.allow(nqn, None, False)
    volume.provider_location = f'127.0.0.1:4420 tcp {nqn} 10'
    volume.attachments = [volumes.attachment()]
    volume.attachments[0].connector = CONNECTOR
    target = nvmet.NVMET(volumes.options(target_protocol='nvmet_tcp', target_port=4420), None)
    return target, volume, nqn


def test_a_subsystem_of_the_original_is_closed_to_others_and_otherwise_untouched(tree):
    target, volume, nqn = of_the_original(tree)
    before = {path: path.read_text() for path in tree.root.rglob('*')
              if path.is_file() and path.stat().st_mode & 0o400}
    volumes.stored(volume, target.ensure_export(volume, PATH))
    assert volume.provider_location == f'127.0.0.1 4420 tcp {nqn} 10 {NGUID}'
    assert target.lost_exports([volume]) == []
    assert tree.names('subsystems') == [nqn]
    assert tree.names('subsystems', nqn, 'allowed_hosts') == [NAME]
    changed = {path.name for path, text in before.items() if path.read_text() != text}
    assert changed == {'attr_allow_any_host'}
    info = target.initialize_connection(volume, PATH, OTHER)['data']
    assert (info['nqn'], info['ns_id']) == (nqn, 10)
    target.terminate_connection(volume, OTHER)
    assert tree.names('subsystems', nqn, 'allowed_hosts') == [NAME]


def test_a_subsystem_of_the_original_comes_back_after_a_boot_with_its_identifiers(tree):
    target, volume, nqn = of_the_original(tree)
    volumes.stored(volume, target.ensure_export(volume, PATH))
    privileged.remove(nqn)
    assert target.lost_exports([volume]) == [volume]
    volumes.stored(volume, target.ensure_export(volume, PATH))
    unit = ('subsystems', nqn, 'namespaces', '10')
    assert [tree.value(*unit, name) for name in (
        'device_path', 'device_uuid', 'device_nguid', 'enable')] == [PATH, volume.id, NGUID, '1']
    assert tree.names('subsystems', nqn, 'allowed_hosts') == [NAME]
    volumes.stored(volume, target.remove_export(volume))
    assert tree.names('subsystems') == tree.names('hosts') == []
    volume.attachments = []
    volumes.stored(volume, target.create_export(volume, PATH))
    assert tree.names('subsystems') == [f'nqn.2010-10.org.openstack:{volume.name}']
    assert volume.provider_location.count(' ') == 4


def test_a_subsystem_of_the_original_stays_open_while_a_host_is_unknown(tree):
    target, volume, nqn = of_the_original(tree)
    volume.attachments.append(volumes.attachment())
    for export in (target.create_export, target.ensure_export):
        volumes.stored(volume, export(volume, PATH))
        assert tree.value('subsystems', nqn, 'attr_allow_any_host') == '1'


@pytest.mark.parametrize('text', ['/dev/vg/volume-a', '192.0.2.1:3260,1 iqn.a 1', 'a b c'])
def test_what_is_no_subsystem_of_one_volume_is_not_taken_over(tree, text, caplog):
    """With lvm_share_target the original stores a path."""
    target, volume, _info = exported()
    volume.provider_location = text
    for export in (target.create_export, target.ensure_export):
        with pytest.raises(exception.VolumeBackendAPIException, match='until it is detached'):
            export(volume, PATH)
    target.remove_export(volume)
    assert 'it is not removed' in caplog.text
