# SPDX-License-Identifier: Apache-2.0
"""Rows against storage on a fake volume group: what is found, what is healed, and that nothing else
is ever touched."""
import copy
import dataclasses

import pytest

from cinder import exception
from cinder.volume import driver as driver_api
from cinder.volume.drivers import lvm
from tests.fakes import volumes
from tests.fakes.volume_group import GIB, FakeVolumeGroup, Volume


@pytest.fixture
def group():
    return FakeVolumeGroup()


@pytest.fixture
def driver(group):
    return made(group, 'thin')


def made(group, kind):
    driver = lvm.LVMVolumeDriver(volumes.options(lvm_type=kind), executor=group, host='node@lvm')
    driver.first_written = lambda path, size: None
    driver.check_for_setup_error()
    return driver


@pytest.fixture
def row(driver):
    """A volume with its storage; the fixture `rows` has it."""
    volume = volumes.volume(status='available')
    driver.create_volume(volume)
    return volume


def rows(*volumes_, snapshots=(), busy=(), connected=(), places=None):
    return driver_api.Rows(list(volumes_), list(snapshots), set(busy), set(connected),
                           (places or {}).get)


def state(group):
    return copy.deepcopy(group.volumes)


def kinds(found):
    return [(finding.kind, finding.name, finding.healed) for finding in found]


def test_what_fits_together_is_nothing_to_tell(driver, row):
    snapshot = volumes.snapshot(row)
    snapshot.status = 'available'
    driver.create_snapshot(snapshot)
    assert driver.audit(rows(row, snapshots=[snapshot]), heal=True) == []


def test_a_row_without_its_logical_volume_is_told(driver, group, row):
    del group.volumes[row.name]
    before = state(group)
    found, = driver.audit(rows(row), heal=True)
    assert kinds([found]) == [('missing', row.name, False)]
    assert row.id in found.what
    assert state(group) == before
    assert driver.audit(rows(row, busy=[row.id])) == []
    row.status = 'error'
    assert driver.audit(rows(row)) == []


def test_a_logical_volume_without_a_row_is_told_and_kept(driver, group, row):
    places = {row.name: ''}
    before = state(group)
    assert kinds(driver.audit(rows(places=places), heal=True)) == [('orphan', row.name, False)]
    places[row.name] = 'other@lvm'
    found, = driver.audit(rows(places=places), heal=True)
    assert found.kind == 'elsewhere' and 'other@lvm' in found.what
    assert 'lvremove' not in found.advice
    # A name that is none of ours is no business of ours.
    assert driver.audit(rows(), heal=True) == []
    assert state(group) == before


def test_a_volume_that_is_not_active_is_activated(driver, group, row):
    group.volumes[row.name].active = False
    assert kinds(driver.audit(rows(row))) == [('inactive', row.name, False)]
    assert not group.volumes[row.name].active
    assert kinds(driver.audit(rows(row), heal=True)) == [('inactive', row.name, True)]
    assert group.volumes[row.name].active
    assert driver.audit(rows(row)) == []


def test_a_suspended_volume_is_resumed(driver, group, row):
    group.volumes[row.name].suspended = True
    assert kinds(driver.audit(rows(row), heal=True)) == [('suspended', row.name, True)]
    assert not group.volumes[row.name].suspended


def test_lvm_may_refuse_to_heal(driver, group, row):
    group.volumes[row.name].active = False
    group.fail('lvchange', stderr='  device-mapper: no')
    found, = driver.audit(rows(row), heal=True)
    assert not found.healed and 'device-mapper: no' in found.what


def test_a_volume_that_is_too_small_is_told(driver, group, row):
    row.size = 2
    found, = driver.audit(rows(row), heal=True)
    assert kinds([found]) == [('size', row.name, False)]
    assert group.volumes[row.name].size == GIB
    assert driver.audit(rows(row, busy=[row.id])) == []


def test_a_volume_that_is_too_large_is_told(driver, group, row):
    group.volumes[row.name].size += 4 * 2 ** 20
    assert driver.audit(rows(row)) == []  # LVM gives whole extents
    group.volumes[row.name].size = 3 * GIB
    found, = driver.audit(rows(row), heal=True)
    assert kinds([found]) == [('size', row.name, False)]
    assert f'--size 3 {row.id}' in found.advice
    assert driver.audit(rows(row, busy=[row.id])) == []


@pytest.mark.parametrize('interrupted_late', [False, True])
def test_a_half_reverted_volume_is_put_right(driver, group, row, interrupted_late):
    fresh = f'revert-{row.name}'
    group.volumes[fresh] = dataclasses.replace(group.volumes[row.name], name=fresh, thin_id=9,
                                               data=b'reverted')
    if interrupted_late:
        del group.volumes[row.name]
    assert driver.audit(rows(row, busy=[row.id]), heal=True) == []
    found, = driver.audit(rows(row), heal=True)
    assert found.kind == 'half-made' and found.healed
    assert set(group.volumes) == {row.name, 'vg-pool'}
    assert (group.volumes[row.name].data == b'reverted') is interrupted_late


def test_what_a_dead_clone_left_is_removed(group):
    driver = made(group, 'default')
    row = volumes.volume(status='error')
    group.volumes[f'clone-{row.name}'] = Volume(f'clone-{row.name}', GIB, 's', origin='volume-1')
    assert kinds(driver.audit(rows(row), heal=True)) == [
        ('half-made', f'clone-{row.name}', True)]
    assert group.volumes == {}


def test_a_volume_that_moved_here_is_busy_under_its_id(driver, group, row):
    row.id = 'another'
    del group.volumes[row.name]
    assert driver.audit(rows(row, busy=['another'])) == []


def test_a_device_without_a_logical_volume_is_told(driver, group, row):
    group.stray_devices = {'vg-volume--gone', 'vg--x-volume', 'else-where'}
    assert kinds(driver.audit(rows(row), heal=True)) == [('device', 'vg-volume--gone', False)]


def test_ids_in_the_thin_pool_are_compared(driver, group, row):
    group.stray_thin_ids = {77}
    found, = driver.audit(rows(row), heal=True)
    assert kinds([found]) == [('thin-id', '77', False)]
    assert '"delete 77"' in found.advice and 'vg-vg--pool-tpool' in found.advice
    group.stray_thin_ids = set()
    ids = group._thin_ids
    group._thin_ids = lambda: ids() - {group.volumes[row.name].thin_id}
    assert kinds(driver.audit(rows(row), heal=True)) == [('no-thin-id', row.name, False)]


def test_the_look_into_the_pool_is_always_ended(driver, group, row):
    group.commands.clear()
    group.fail('thin_ls', 127, 'thin_ls: No such file or directory')
    found, = driver.audit(rows(row))
    assert found.kind == 'unchecked' and 'thin-provisioning-tools' in found.advice
    messages = [argv[-1] for argv in group.commands if argv[:2] == ('dmsetup', 'message')]
    assert messages == ['reserve_metadata_snap', 'release_metadata_snap']


def test_commands_are_as_many_whatever_the_number_of_volumes(driver, group, row):
    others = [volumes.volume(status='available') for _number in range(10)]
    for each in others:
        driver.create_volume(each)
    group.commands.clear()
    assert driver.audit(rows(row, *others)) == []
    assert group.programs() == ['lvs', 'dmsetup', 'dmsetup', 'thin_ls', 'dmsetup']


def test_exports_without_an_attachment(driver, row):
    volumes.stored(row, driver.create_export(None, row, volumes.CONNECTOR))
    assert driver.audit(rows(row, connected=[row.id]), heal=True) == []
    assert kinds(driver.audit(rows(row))) == [('export', row.name, False)]
    found, = driver.audit(rows(row), heal=True)
    assert found.healed and found.volume_id == row.id
    assert found.fields == {'provider_location': None, 'provider_auth': None}
    assert driver.audit(rows(row)) == []
    assert kinds(driver.audit(rows(row, connected=[row.id]))) == [('no-export', row.name, False)]


def test_an_export_is_wanted_where_volumes_are_always_exported(driver, row):
    driver.configuration.target_export = 'always'
    driver.create_export(None, row, volumes.CONNECTOR)
    assert driver.audit(rows(row), heal=True) == []


def test_an_export_that_is_in_use_or_of_others_is_not_removed(driver, row):
    driver.create_export(None, row, volumes.CONNECTOR)
    driver.target.exports = lambda: {driver.target.iqn(row): ['iqn.2000:somebody']}
    found, = driver.audit(rows(row), heal=True)
    assert not found.healed and 'iqn.2000:somebody' in found.what
    places = {row.name: 'node@other'}
    assert [each.kind for each in driver.audit(rows(places=places))] == ['elsewhere']
    places[row.name] = ''
    assert [each.kind for each in driver.audit(rows(places=places))] == ['orphan', 'export']


class TestAfterACreate:
    def test_the_device_is_looked_at(self, driver, group):
        seen = []
        driver.first_written = lambda path, size: seen.append((path, size))
        volume = volumes.volume(2)
        driver.create_volume(volume)
        assert seen == [(f'/dev/vg/{volume.name}', 2 * GIB)]

    def test_a_thin_volume_with_bytes_in_it_is_given_to_nobody(self, driver, group):
        driver.first_written = lambda path, size: 4096
        with pytest.raises(exception.VolumeBackendAPIException, match='doctor'):
            driver.create_volume(volumes.volume())
        assert set(group.volumes) == {'vg-pool'}

    def test_a_thick_volume_with_bytes_in_it_is_cleared(self, group):
        driver, volume = made(group, 'default'), volumes.volume()
        driver.first_written = lambda path, size: 4096
        driver.create_volume(volume)
        assert 'if=/dev/zero' in group.commands[-1]
        assert f'of=/dev/vg/{volume.name}' in group.commands[-1]

    @pytest.mark.parametrize('kind', ['thin', 'default'])
    def test_a_volume_that_was_there_keeps_its_bytes(self, group, kind, caplog):
        driver, volume = made(group, kind), volumes.volume()
        driver.create_volume(volume)
        group.volumes[volume.name].data = b'mine'
        driver.first_written = lambda path, size: 0
        driver.create_volume(volume)
        assert group.volumes[volume.name].data == b'mine'
        assert 'existed already' in caplog.text

    def test_a_device_that_has_not_appeared_is_told(self, driver, caplog):
        del driver.first_written
        driver.create_volume(volumes.volume())
        assert 'has not appeared' in caplog.text


def test_a_pool_that_is_not_active_is_not_looked_into(group, driver, row):
    group.volumes['vg-pool'].active = False
    assert driver.audit(rows(row)) == []
    assert 'thin_ls' not in group.programs()


def test_a_target_that_cannot_tell_what_it_exports_is_believed(driver, row):
    driver.target.exports = lambda: None
    assert driver.audit(rows(row, connected=[row.id])) == []
