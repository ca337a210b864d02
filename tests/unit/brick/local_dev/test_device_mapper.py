# SPDX-License-Identifier: Apache-2.0
"""What is below a group: the command lines, and a pool that cannot be looked into."""
import pytest

from cinder.brick.local_dev import device_mapper, reports
from tests.fakes.volume_group import GIB


def lines(fake):
    return [' '.join(argv) for argv in fake.commands]


def test_the_command_lines_of_a_look_into_the_pool(thin, fake):
    thin.create_volume('a', GIB)
    fake.commands.clear()
    assert device_mapper.thin_ids(thin, device_mapper.devices(thin)) == {1}
    message = 'dmsetup message vg-vg--pool-tpool 0'
    assert lines(fake) == [
        'dmsetup info -c --noheadings -o name', f'{message} reserve_metadata_snap',
        'thin_ls -m --no-headers -o DEV /dev/mapper/vg-vg--pool_tmeta',
        f'{message} release_metadata_snap']


def test_a_pool_that_is_not_active_cannot_be_looked_into(thin, fake):
    fake.volumes['vg-pool'].active = False
    fake.commands.clear()
    assert device_mapper.thin_ids(thin, device_mapper.devices(thin)) is None
    assert fake.programs() == ['dmsetup']


def test_a_look_into_the_pool_that_fails_leaves_no_metadata_snapshot(thin, fake):
    fake.fail('thin_ls', 127, 'thin_ls: No such file or directory')
    with pytest.raises(reports.LVMError, match='No such file'):
        device_mapper.thin_ids(thin, device_mapper.devices(thin))
    assert lines(fake)[-1].endswith('release_metadata_snap')


def test_one_process_at_a_time_reads_the_metadata(thin, tmp_path, monkeypatch):
    monkeypatch.setattr(device_mapper, 'TURN_PAUSE', 0)
    with device_mapper.metadata_turn(thin, str(tmp_path)) as left:
        assert left is False
        with pytest.raises(reports.LVMError, match='is being read by another process'), \
                device_mapper.metadata_turn(thin, str(tmp_path), seconds=0):
            pytest.fail('two have the turn')
    with pytest.raises(ZeroDivisionError), device_mapper.metadata_turn(thin, str(tmp_path)) as left:
        1 / 0  # noqa: B018
    with device_mapper.metadata_turn(thin, str(tmp_path)) as left:
        assert left is False


def test_what_a_killed_process_left_reserved_is_known(thin, tmp_path):
    (tmp_path / 'thin-metadata-vg-vg--pool').write_bytes(b'reserved')
    with device_mapper.metadata_turn(thin, str(tmp_path)) as left:
        assert left is True
    with device_mapper.metadata_turn(thin, str(tmp_path)) as left:
        assert left is False
