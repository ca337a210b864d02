# SPDX-License-Identifier: Apache-2.0
"""Thick volumes: every command line, and what becomes of the bytes."""
import pytest

from cinder import exception
from cinder.brick.local_dev import reports, thick_lvm
from tests.fakes.volume_group import EXTENT, GIB, MIB
from tests.unit.brick.local_dev.conftest import FIELDS, SNAPSHOT, lines


def test_the_command_lines_of_thick(thick, fake):
    dd = ('setpriv --pdeathsig KILL dd if={} of=/dev/vg/{} bs=1M count={} iflag=count_bytes{} '
          'oflag=direct conv=fdatasync,notrunc')
    report = f'lvs --reportformat json --units b --nosuffix -o {FIELDS}'
    thick.create_volume('a', GIB)
    thick.create_snapshot('s', 'a')
    thick.clone('c', 's', 2 * GIB, GIB)
    thick.revert('a', 's', GIB)
    thick.delete('s')
    assert lines(fake) == [
        f'lvcreate -y -Wy -Zy -L {GIB}b -n a vg',
        f'{report} vg/a', f'lvcreate -s -y -L {SNAPSHOT}b -n s vg/a',
        f'lvcreate -y -Wy -Zy -L {2 * GIB}b -n c vg',
        dd.format('/dev/vg/s', 'c', GIB, ',fullblock,direct'),
        f'{report} vg/a', 'lvconvert -y -b -i 3 --merge vg/s', f'{report} vg/a',
        f'{report} vg/a', f'lvcreate -s -y -L {SNAPSHOT}b -n s vg/a',
        f'{report} vg/s vg/clone-s', 'lvconvert -y --splitsnapshot vg/s',
        dd.format('/dev/zero', 's', GIB + 8 * MIB, ''), 'lvremove -f vg/s']


def test_the_options_of_a_group_are_in_its_command_lines(fake):
    group = thick_lvm.ThickLVM('vg', executor=fake, mirrors=2, discard=True,
                               lvm_conf='/etc/cinder/lvm.conf', suppress_fd_warn=True)
    group.create_volume('a', GIB)
    group.remove('a')
    assert lines(fake) == [
        f'lvcreate -y -Wy -Zy -m 2 -L {GIB}b -n a vg',
        'lvremove -f --config devices/issue_discards=1 vg/a']
    assert fake.calls[0]['env_variables'] == {'LVM_SYSTEM_DIR': '/etc/cinder',
                                              'LVM_SUPPRESS_FD_WARNINGS': '1'}


def test_a_clone_of_a_thick_volume_in_use_is_a_copy_of_a_snapshot(thick, fake):
    thick.create_volume('a', GIB)
    fake.commands.clear()
    thick.clone('c', 'a', GIB, GIB, live=True)
    assert fake.programs() == ['lvs', 'lvcreate', 'lvs', 'lvcreate', 'setpriv', 'lvs',
                               'lvconvert', 'setpriv', 'lvremove']
    assert sorted(fake.volumes) == ['a', 'c']


def test_the_remnant_of_a_split_snapshot_is_not_copied_over_the_clone(thick, fake):
    thick.create_volume('a', GIB)
    fake.fail('lvremove', 137, 'killed')
    with pytest.raises(reports.LVMError):
        thick.clone('c', 'a', GIB, GIB, live=True)
    assert not fake.volumes['clone-c'].origin
    fake.commands.clear()
    thick.clone('c', 'a', GIB, GIB, live=True)
    assert not [line for line in lines(fake) if 'of=/dev/vg/c ' in line]
    assert sorted(fake.volumes) == ['a', 'c']


TAKE_A_SNAPSHOT = {
    'snapshot': lambda group: group.create_snapshot('s', 'a'),
    'clone': lambda group: group.clone('c', 'a', MIB, GIB, live=True),
    'group snapshot': lambda group: group.create_snapshots({'s': 'a'}),
    'copy of a group': lambda group: group.hold_sources({'c': 'a'})}


@pytest.mark.parametrize('way', TAKE_A_SNAPSHOT)
@pytest.mark.parametrize('free', [GIB // 2, GIB + EXTENT])
def test_there_is_no_snapshot_that_could_become_full(thick, fake, way, free):
    """LVM makes a smaller one of a size in percent."""
    thick.create_volume('a', GIB)
    thick.create_volume('b', fake.free - free)
    with pytest.raises(reports.NoSpace):
        TAKE_A_SNAPSHOT[way](thick)
    assert sorted(fake.volumes) == ['a', 'b']
    fake.size += thick.snapshot_size(GIB) - free
    thick.create_snapshot('s', 'a')
    assert not fake.free


def test_a_snapshot_of_a_volume_that_is_gone_says_so(thick, fake):
    with pytest.raises(reports.LVNotFound):
        thick.create_snapshot('s', 'a')


def test_a_snapshot_that_was_split_off_already_is_cleared_and_removed(thick, fake):
    thick.create_volume('a', GIB)
    thick.create_snapshot('s', 'a')
    fake.fail('dd', 137, 'killed')
    with pytest.raises(exception.ProcessExecutionError):
        thick.delete('s')
    thick.delete('s')
    assert list(fake.volumes) == ['a']


def test_an_inactive_thick_volume_is_activated_to_be_cleared(thick, fake):
    thick.create_volume('a', GIB)
    fake.volumes['a'].active = False
    fake.commands.clear()
    thick.delete('a')
    assert fake.programs() == ['lvs', 'lvchange', 'setpriv', 'lvremove']


def test_an_existing_volume_of_another_size_is_not_taken_for_the_new_one(thick):
    thick.create_volume('a', 2 * GIB)
    with pytest.raises(reports.LVExists):
        thick.create_volume('a', GIB)
