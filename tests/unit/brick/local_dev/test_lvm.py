# SPDX-License-Identifier: Apache-2.0
"""LVM: every command line, and what becomes of the group."""
import pytest

from cinder import exception
from cinder.brick.local_dev import lvm, reports, thick_lvm
from tests.fakes.volume_group import GIB, FakeVolumeGroup

FIELDS = ('lv_name,lv_size,lv_attr,pool_lv,origin,data_percent,metadata_percent,'
          'lv_metadata_size,lv_health_status,lv_check_needed,thin_id')


def lines(fake):
    return [' '.join(argv) for argv in fake.commands]


def test_the_command_lines_of_reports(thick, fake):
    thick.group()
    thick.find('a', 'b')
    report = '--reportformat json --units b --nosuffix -o'
    group = 'vg_size,vg_free,vg_extent_size'
    assert lines(fake) == [f'lvs {report} {FIELDS},{group} vg', f'vgs {report} {group} vg',
                           f'lvs {report} {FIELDS} vg/a vg/b']
    assert all(call['run_as_root'] and call['root_helper'] == 'sudo helper'
               for call in fake.calls)


def test_the_command_lines_of_thin(thin, fake):
    thin.create_pool()
    thin.create_volume('a', GIB)
    thin.create_snapshot('s', 'a')
    thin.clone('c', 's', 2 * GIB, GIB)
    thin.extend('a', 2 * GIB)
    thin.revert('a', 's', GIB)
    thin.activate('a')
    thin.delete('s')
    assert lines(fake) == [
        'lvcreate -T -Zy -l 95%FREE -n vg-pool vg',
        f'lvcreate -T vg/vg-pool -V {GIB}b -n a',
        'lvcreate -s -n s vg/a',
        'lvcreate -s -kn -n c vg/s', f'lvextend -L {2 * GIB}b vg/c',
        f'lvextend -L {2 * GIB}b vg/a',
        'lvcreate -s -kn -n revert-a vg/s', 'lvremove -f vg/a', 'lvrename vg revert-a a',
        f'lvextend -L {GIB}b vg/a',
        'lvchange -y -ay -K vg/a',
        'lvremove -f vg/revert-s', 'lvremove -f vg/s']


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
        'lvcreate -s -y -l 100%ORIGIN -n s vg/a',
        f'lvcreate -y -Wy -Zy -L {2 * GIB}b -n c vg',
        dd.format('/dev/vg/s', 'c', GIB, ',fullblock,direct'),
        f'{report} vg/a', 'lvconvert -y --merge vg/s', 'lvcreate -s -y -l 100%ORIGIN -n s vg/a',
        f'{report} vg/s vg/clone-s', 'lvconvert -y --splitsnapshot vg/s',
        dd.format('/dev/zero', 's', GIB + 4 * 1024 ** 2, ''), 'lvremove -f vg/s']


def test_the_command_lines_of_what_both_kinds_do(thin, fake):
    thin.create_volume('a', GIB)
    thin.create_snapshot('s', 'a')
    fake.commands.clear()
    thin.supports_thin()
    thin.extend_pool('-L', 4 * 1024 ** 2)
    thin.extend_pool('--poolmetadatasize', 4 * 1024 ** 2)
    thin.rename('a', 'b')
    thin.activate('s')
    assert thin.protect('s') == '/dev/vg/s'
    thin.protect('s', False)
    thin.deactivate('s')
    assert lines(fake) == [
        'lvs --version', 'lvextend -L +4194304b vg/vg-pool',
        'lvextend --poolmetadatasize +4194304b vg/vg-pool', 'lvrename vg a b',
        'lvchange -y -ay -K vg/s', 'blockdev --setro /dev/vg/s', 'blockdev --setrw /dev/vg/s',
        'lvchange -an vg/s']


def test_the_command_lines_of_several_thin_snapshots_at_one_moment(thin, fake):
    thin.create_volume('a', GIB)
    fake.commands.clear()
    thin.snapshot_together({'s': 'a'})
    report = f'lvs --reportformat json --units b --nosuffix -o {FIELDS}'
    assert lines(fake) == [
        f'{report} vg/s vg/a', 'lvcreate -s -n s vg/a', f'{report} vg/s vg/a', 'suspend vg-a',
        'dmsetup message vg-vg--pool-tpool 0 delete 2',
        'dmsetup message vg-vg--pool-tpool 0 create_snap 2 1']
    fake.commands.clear()
    thin.hold_together({'c': 'a'})
    thin.fill_held('c', 2 * GIB, GIB)
    assert lines(fake)[1] == 'lvcreate -s -kn -an -n c vg/a'
    assert lines(fake)[-2:] == ['lvchange -y -ay -K vg/c', f'lvextend -L {2 * GIB}b vg/c']


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
    assert fake.programs() == ['lvcreate', 'lvs', 'lvcreate', 'setpriv', 'lvs', 'lvconvert',
                               'setpriv', 'lvremove']
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


def test_the_state_is_read_once_and_again_after_a_change(thick, fake):
    thick.group()
    assert thick.group().volumes == {}
    # An empty group has no volume whose row could tell of it.
    assert fake.programs() == ['lvs', 'vgs']
    thick.create_volume('a', GIB)
    assert thick.group().volumes['a'].size == GIB
    assert thick.group().free == 99 * GIB
    assert fake.programs() == ['lvcreate', 'lvs']


def test_the_state_is_read_again_after_a_change_that_failed_too(thick, fake):
    thick.group()
    fake.fail('lvcreate', None, 'lvcreate did not end', after=True)
    with pytest.raises(reports.Overdue, match='did not end'):
        thick.create_volume('a', GIB)
    assert 'a' in thick.group().volumes


def test_a_report_without_the_group(thick, fake):
    fake.fail('vgs', 0, stdout='{"report": [{"vg": []}]}')
    with pytest.raises(reports.GroupNotFound):
        thick.group()


def test_deleting_what_is_not_there_is_well_but_not_without_the_group(thin, thick, fake):
    thin.delete('x')
    thick.delete('x')
    fake.missing = True
    for group in (thin, thick):
        with pytest.raises(reports.GroupNotFound):
            group.delete('x')


def test_finding_some_of_the_names(thick, fake):
    thick.create_volume('b', GIB)
    assert list(thick.find('a', 'b')) == ['b']
    assert thick.find('a') == {}


def test_a_pool_that_is_gone_is_an_error(thin, fake):
    del fake.volumes['vg-pool']
    with pytest.raises(reports.LVNotFound, match='vg/vg-pool'):
        thin.capacity(thin.group())


def test_an_existing_volume_of_another_size_is_not_taken_for_the_new_one(thick):
    thick.create_volume('a', 2 * GIB)
    with pytest.raises(reports.LVExists):
        thick.create_volume('a', GIB)


@pytest.mark.parametrize(('words', 'able'), [
    ('2.03.16(2) (2022-05-18)', True), ('2.02.95(2) (2012)', True), ('2.02.94(2)', False),
    ('odd', False)])
def test_which_lvm_has_thin_volumes(words, able):
    assert lvm.LVM('vg', executor=FakeVolumeGroup(version=words)).supports_thin() is able


def test_names_in_device_mappers_table():
    group = lvm.LVM('a-b.c+d', executor=FakeVolumeGroup())
    assert group.mapped('vol-1_x') == 'a--b.c+d-vol--1_x'


def test_a_health_check_asks_only_where_no_answer_is_fresh(thin, fake):
    thin.check_health(8.0)
    thin.check_health(8.0)
    assert fake.programs() == ['lvs']
    thin.check_health(0.0)
    assert fake.programs() == ['lvs']
    assert fake.calls[-1]['timeout'] == 0.0
