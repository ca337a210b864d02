# SPDX-License-Identifier: Apache-2.0
"""LVM: what both kinds of groups do, and what is read of a group."""
import pytest

from cinder.brick.local_dev import lvm, reports
from tests.fakes.volume_group import GIB, FakeVolumeGroup
from tests.unit.brick.local_dev.conftest import FIELDS, lines


def test_the_command_lines_of_reports(thick, fake):
    thick.group()
    thick.find('a', 'b')
    report = '--reportformat json --units b --nosuffix -o'
    group = 'vg_size,vg_free,vg_extent_size'
    assert lines(fake) == [f'lvs {report} {FIELDS},{group} vg', f'vgs {report} {group} vg',
                           f'lvs {report} {FIELDS} vg/a vg/b']
    assert all(call['run_as_root'] and call['root_helper'] == 'sudo helper'
               for call in fake.calls)


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


@pytest.mark.parametrize(('words', 'able'), [
    ('2.03.16(2) (2022-05-18)', True), ('2.02.95(2) (2012)', True), ('2.02.94(2)', False),
    ('odd', False)])
def test_which_lvm_has_thin_volumes(words, able):
    assert lvm.LVM('vg', executor=FakeVolumeGroup(version=words)).supports_thin() is able


def test_names_in_device_mappers_table():
    group = lvm.LVM('a-b.c+d', executor=FakeVolumeGroup())
    assert group.mapped_name('vol-1_x') == 'a--b.c+d-vol--1_x'


def test_a_health_check_asks_only_where_no_answer_is_fresh(thin, fake):
    thin.check_health(8.0)
    thin.check_health(8.0)
    assert fake.programs() == ['lvs']
    thin.check_health(0.0)
    assert fake.programs() == ['lvs']
    assert fake.calls[-1]['timeout'] == 0.0
