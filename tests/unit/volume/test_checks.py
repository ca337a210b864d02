# SPDX-License-Identifier: Apache-2.0
"""Back ends that cannot be started as they are configured, and those that would meet on the storage
or the network."""

import pytest
from oslo_config import cfg

from cinder import conf as cinder_conf
from cinder.volume import checks, driver

FILE = 'volume_driver = cinder.volume.drivers.file.FileVolumeDriver\n'


@pytest.fixture
def parse(tmp_path):
    def parse(text):
        path = tmp_path / 'cinder.conf'
        path.write_text(text)
        conf = cfg.ConfigOpts()
        cinder_conf.register(conf)
        cinder_conf.configure(['cinder-volume', '--config-file', str(path)], '1', conf)
        return conf
    return parse


@pytest.mark.parametrize(('enabled', 'sections', 'words'), [
    ('', (), 'No back end is enabled'), (',,', (), 'No back end is enabled'),
    ('a,b,a', ('a', 'b'), 'names a more than once'),
    ('a,b', ('a',), 'names b, but no file has a section [b]'),
    ('DEFAULT', (), 'does not configure a back end'),
    ('default', ('default',), 'does not configure a back end'),
    ('database', ('database',), '[database] is a section with another purpose'),
    ('nova', ('Nova',), '[nova] is a section with another purpose'),
    ('backend_defaults', ('backend_defaults',), 'another purpose'),
    ('Fast', ('fast',), 'the section is spelled [fast]'),
    ('fast', ('fast', 'FAST'), 'which are the same, because case is ignored'),
    ('fast,Fast', ('fast', 'Fast'), 'which are the same section'),
    ('a@b', ('a@b',), 'contains "@"'), ('a#b', ('a#b',), 'contains "#"'),
    ('a/b', ('a/b',), 'contains "/"'),
    ('a\n  b', ('a',), 'line break'), ('a b', ('a',), 'no file has a section [a b]'),
])
def test_what_enabled_backends_must_not_hold(parse, enabled, sections, words):
    conf = parse(f'[DEFAULT]\nenabled_backends = {enabled}\n'
                 + ''.join(f'[{section}]\n' for section in sections))
    found = list(checks.check_enabled(conf))
    assert found and all(problem.fatal and '\n' not in problem.text for problem in found)
    assert any(words in problem.text for problem in found), found


@pytest.mark.parametrize(('options', 'words'), [
    (FILE + 'replication_device = backend_id:second\n',
     '[one] replication_device is set, but FileVolumeDriver does not replicate volumes'),
    ('volume_driver = cinder.volume.drivers.rbd.RBDDriver\nreplication_device = backend_id:x\n',
     '[one] replication_device = backend_id:x: the file /etc/ceph/x.conf cannot be read')])
def test_other_storages_that_no_driver_can_use(parse, options, words):
    [problem] = checks.check_replication(parse(
        f'[DEFAULT]\nenabled_backends = one\n[one]\n{options}'))
    assert problem.fatal and words in problem.text


class WithoutTrash(driver.VolumeDriver):
    """Removes at once what is deleted."""


@pytest.mark.parametrize(('name', 'words'), [
    ('cinder.volume.drivers.file.FileVolumeDriver', None), ('no.such.Driver', None),
    (f'{__name__}.WithoutTrash', 'WithoutTrash has no trash: set it to 0')])
@pytest.mark.parametrize('hours', [0, 24])
def test_what_is_kept_needs_a_trash(parse, name, words, hours):
    found = list(checks.check_trash(parse(
        f'[DEFAULT]\nenabled_backends = one\n[one]\nvolume_driver = {name}\n'
        f'delete_to_trash_hours = {hours}\n')))
    assert len(found) == bool(hours and words)
    for problem in found:
        assert problem.fatal and '\n' not in problem.text
        assert '[one] delete_to_trash_hours = 24' in problem.text and words in problem.text


@pytest.mark.parametrize(('options', 'words'), [
    ('', 'set [DEFAULT] cinder_internal_tenant_project_id and cinder_internal_tenant_user_id'),
    ('cinder_internal_tenant_project_id = p\n', 'set [DEFAULT] cinder_internal_tenant_user_id'),
    ('cinder_internal_tenant_project_id = p\ncinder_internal_tenant_user_id = u\n', None)])
@pytest.mark.parametrize('what', ['image_volume_cache_enabled', 'image_upload_use_internal_tenant'])
def test_volumes_of_images_have_an_owner(parse, options, words, what):
    found = list(checks.check_image_cache(parse(
        f'[DEFAULT]\nenabled_backends = one\n{options}[one]\n{FILE}{what} = true\n')))
    assert [problem.fatal for problem in found] == ([False] if words else [])
    assert all(words in problem.text for problem in found)


def test_schemes_of_which_nothing_is_known(parse):
    found, = checks.check_image_cache(parse(
        '[DEFAULT]\nenabled_backends =\nallowed_direct_url_schemes = cinder, nfs, file\n'))
    assert 'has nfs, which is ignored' in found.text and not found.fatal


@pytest.mark.parametrize('enabled', ['one', 'one,,two.2', 'one,\n  two.2,', 'größe x', 'a:b'])
def test_what_enabled_backends_may_hold(parse, enabled):
    names = [name.strip() for name in enabled.split(',') if name.strip()]
    conf = parse(f'[DEFAULT]\nenabled_backends = {enabled}\n'
                 + ''.join(f'[{name}]\n' for name in names))
    assert conf.enabled_backends == names
    assert list(checks.check_enabled(conf)) == list(checks.check_names(conf)) == []


@pytest.mark.parametrize(('line', 'words'), [
    ('backend_host = a@b', '[one] backend_host'), ('volume_backend_name = a#b', '"#"'),
    ('backend_availability_zone = a,b', '[one] backend_availability_zone'),
    (f'backend_host = {"a" * 220}', 'at most 200'),
    (f'volume_backend_name = {"a" * 250}', 'at most 255')])
def test_names_of_a_back_end(parse, line, words):
    conf = parse(f'[DEFAULT]\nhost = h\nenabled_backends = one\n[one]\n{line}\n')
    problem, = checks.check_names(conf)
    assert problem.fatal and words in problem.text


@pytest.mark.parametrize(('one', 'two', 'word'), [
    (FILE, FILE, 'file_volume_dir'), ('', '', 'volume_group = cinder-volumes'),
    ('volume_group = a\n', 'volume_group = a\nlvm_type = thin\n', 'volume_group = a'),
    (FILE + 'file_volume_dir = /srv/x\n', FILE + 'file_volume_dir = /srv/./x/\n', '/srv/x'),
    (FILE, '', None), ('volume_group = a\n', '', None),
    (FILE + 'file_volume_dir = /srv/x\n', FILE, None)])
def test_storage_is_for_one_back_end(parse, one, two, word):
    conf = parse(f'[DEFAULT]\nenabled_backends = one,two\n[one]\n{one}[two]\n{two}')
    found = list(checks.check_storage(conf))
    assert len(found) == (word is not None)
    for problem in found:
        assert problem.fatal and word in problem.text and '[one] and [two]' in problem.text


TCP = 'target_helper = nvmet\ntarget_protocol = nvmet_tcp\n'
RDMA = 'target_helper = nvmet\ntarget_protocol = nvmet_rdma\n'
LIO = 'target_helper = lioadm\n'


@pytest.mark.parametrize(('one', 'two', 'collide'), [
    ('', '', False), (LIO, LIO, False), (TCP, TCP, False), (LIO, RDMA, False),
    ('', LIO, True), (LIO, TCP, True), ('', TCP, True),
    (LIO, TCP + 'target_port = 4420\n', False),
    (LIO + 'target_ip_address = 192.0.2.1\n', TCP + 'target_ip_address = 192.0.2.2\n', False),
    (LIO + 'target_ip_address = 0.0.0.0\n', TCP + 'target_ip_address = 192.0.2.2\n', True),
    (TCP, TCP + 'target_port = 4420\n', True), (TCP, TCP + 'nvmet_port_id = 2\n', True),
    (TCP, TCP + 'nvmet_port_id = 2\ntarget_port = 4420\n', False), (TCP, RDMA, True),
    (LIO, 'target_helper = local\n', False)])
def test_exports_do_not_meet(parse, one, two, collide):
    conf = parse(f'[DEFAULT]\nenabled_backends = one,two\n[one]\n{one}[two]\n{two}')
    found = list(checks.check_exports(conf))
    assert len(found) == collide
    assert all(problem.fatal and '[one] and [two]' in problem.text for problem in found)


SHARED = FILE + 'file_shared_storage = true\n'


@pytest.mark.parametrize(('section', 'words'), [
    ('', 'LVMVolumeDriver supports one host only'),
    (FILE, 'is a directory of one host'),
    (SHARED, 'target_helper = tgtadm exports volumes from one host'),
    (SHARED + 'target_helper = lioadm\n', 'target_helper = lioadm exports'),
    (SHARED + 'target_helper = local\n', None),
    ('volume_driver = tests.unit.volume.test_checks.Remote\n', None),
    ('volume_driver = no.such.Driver\n', None), ('volume_driver = os.path.join\n', None)])
def test_storage_of_a_cluster_is_that_of_all_its_hosts(parse, section, words):
    text = f'enabled_backends = one,two\n[one]\n{section}[two]\n{SHARED}target_helper = local\n'
    assert list(checks.check_cluster(parse(f'[DEFAULT]\n{text}'))) == []
    found = list(checks.check_cluster(parse(f'[DEFAULT]\ncluster = c\n{text}')))
    assert len(found) == (words is not None)
    for problem in found:
        assert problem.fatal and '\n' not in problem.text
        assert '[one]' in problem.text and words in problem.text and 'cluster = c' in problem.text


class Remote(driver.VolumeDriver):
    """Storage on the network, which each host reaches alike."""

    SUPPORTS_ACTIVE_ACTIVE = True
