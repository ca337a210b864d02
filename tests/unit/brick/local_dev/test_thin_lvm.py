# SPDX-License-Identifier: Apache-2.0
"""Thin volumes: every command line, and what becomes of the pool."""
import pytest

from cinder.brick.local_dev import reports
from tests.fakes.volume_group import GIB
from tests.unit.brick.local_dev.conftest import FIELDS, lines


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


def test_the_command_lines_of_several_thin_snapshots_at_one_moment(thin, fake):
    thin.create_volume('a', GIB)
    fake.commands.clear()
    thin.create_snapshots({'s': 'a'})
    report = f'lvs --reportformat json --units b --nosuffix -o {FIELDS}'
    assert lines(fake) == [
        f'{report} vg/s vg/a', 'lvcreate -s -n s vg/a', f'{report} vg/s vg/a', 'suspend vg-a',
        'dmsetup message vg-vg--pool-tpool 0 delete 2',
        'dmsetup message vg-vg--pool-tpool 0 create_snap 2 1']
    fake.commands.clear()
    thin.hold_sources({'c': 'a'})
    thin.fill_volume('c', 2 * GIB, GIB)
    assert lines(fake)[1] == 'lvcreate -s -kn -an -n c vg/a'
    assert lines(fake)[-2:] == ['lvchange -y -ay -K vg/c', f'lvextend -L {2 * GIB}b vg/c']


def test_a_pool_that_is_gone_is_an_error(thin, fake):
    del fake.volumes['vg-pool']
    with pytest.raises(reports.LVNotFound, match='vg/vg-pool'):
        thin.capacity(thin.group())
