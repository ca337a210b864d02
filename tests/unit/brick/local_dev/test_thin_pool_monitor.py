# SPDX-License-Identifier: Apache-2.0
"""ThinPoolMonitor: what it does, says and refuses at each fill and state of a pool (faults F18,
F19)."""
import logging

import pytest

from cinder.brick.local_dev import reports
from cinder.brick.local_dev.thin_pool_monitor import Limits, ThinPoolMonitor
from tests.fakes.volume_group import EXTENT, GIB, MIB

LIMITS = Limits(soft=80, hard=95, growth=20)


class Pool:
    """A monitor, and the extensions that it asks for."""

    def __init__(self, limits=LIMITS, error=None):
        self.extended, self.error = [], error
        self.monitor = ThinPoolMonitor('vg/vg-pool', limits, self.extend)

    def extend(self, option, size):
        if self.error:
            raise self.error
        self.extended.append((option, size))

    def heal(self, free=100 * GIB, **fields):
        return self.monitor.extend_if_needed(reports.Group(200 * GIB, free, EXTENT, {}),
                                             row(**fields))


def row(data=10.0, metadata=10.0, health='', needs_check=False):
    return reports.LogicalVolume('vg-pool', 10 * GIB, 'twi-aotz--', data_percent=data,
                                 metadata_percent=metadata, metadata_size=100 * MIB,
                                 health=health, needs_check=needs_check)


@pytest.mark.parametrize(('fill', 'free', 'extended'), [
    ({'data': 79.9, 'metadata': 79.9}, 100 * GIB, []),
    ({'data': 80.0}, 100 * GIB, [('-L', 2 * GIB)]),
    ({'metadata': 80.0}, 100 * GIB, [('--poolmetadatasize', 20 * MIB)]),
    ({'data': 99.0, 'metadata': 99.0}, 100 * GIB,
     [('--poolmetadatasize', 20 * MIB), ('-L', 2 * GIB)]),
    # As much as there is, in whole extents; metadata need it twice.
    ({'data': 90.0}, GIB + 1, [('-L', GIB)]),
    ({'data': 90.0, 'metadata': 90.0}, 18 * MIB,
     [('--poolmetadatasize', 8 * MIB)]),
    ({'data': 90.0}, EXTENT - 1, []),
    ({'data': 100.0, 'health': 'out_of_data'}, 100 * GIB, [('-L', 2 * GIB)]),
    # What is broken is for a person to mend.
    ({'metadata': 99.0, 'health': 'metadata_read_only'}, 100 * GIB, []),
    ({'data': 90.0, 'needs_check': True}, 100 * GIB, []),
])
def test_a_pool_is_extended_at_the_soft_limit(fill, free, extended):
    pool = Pool()
    assert pool.heal(free, **fill) is bool(extended)
    assert pool.extended == extended


def test_a_pool_that_must_not_grow_stays():
    pool = Pool(Limits(growth=0))
    assert not pool.heal(data=99.0)
    assert pool.extended == []


def test_an_extension_that_fails_is_logged_and_is_no_error(caplog):
    pool = Pool(error=reports.NoSpace(data='lvextend: exit code 5: no'))
    assert not pool.heal(data=90.0)
    assert 'could not be extended' in caplog.text and 'exit code 5' in caplog.text


def test_extending_is_logged_with_how_full_it_was(caplog):
    Pool().heal(data=90.0)
    record, = caplog.records
    assert record.levelno == logging.WARNING
    assert record.message == ('The data of thin pool vg/vg-pool was 90.0 % full and was extended '
                              'by 2048 MiB.')


@pytest.mark.parametrize(('fill', 'refusal'), [
    ({'data': 94.9, 'metadata': 94.9}, ''),
    ({'data': 95.0}, 'its data is 95.0 % full; the limit is 95 %'),
    ({'metadata': 97.25}, 'its metadata is 97.2 % full; the limit is 95 %'),
    ({'data': 96.0, 'metadata': 97.0}, 'its data is 96.0 % full; the limit is 95 %; '
                                       'its metadata is 97.0 % full; the limit is 95 %'),
    ({'data': 100.0, 'health': 'out_of_data'}, 'it has no free data space'),
    ({'health': 'metadata_read_only'}, 'its metadata is read-only'),
    ({'health': 'failed'}, 'it has failed'),
    ({'needs_check': True}, 'its metadata must be checked'),
])
def test_what_is_refused_and_why(fill, refusal):
    monitor = Pool().monitor
    monitor.check(row(**fill))
    assert monitor.refusal == refusal
    monitor.check(row())
    assert monitor.refusal == '' and not monitor.broken


@pytest.mark.parametrize(('fill', 'level', 'words'), [
    ({'data': 81.0}, logging.WARNING, ['getting full', 'data 81.0 %, metadata 10.0 %']),
    ({'data': 96.0}, logging.ERROR, ['vgextend', 'lvextend -L +SIZE vg/vg-pool']),
    ({'health': 'metadata_read_only'}, logging.ERROR,
     ['metadata is read-only', 'lvextend --poolmetadatasize +1g vg/vg-pool', 'thin_check',
      'lvconvert --repair vg/vg-pool']),
    ({'needs_check': True}, logging.ERROR, ['must be checked', 'lvchange -an vg/vg-pool']),
    ({'health': 'failed'}, logging.ERROR, ['has failed', 'kernel log']),
])
def test_each_change_is_told_once_with_what_helps(caplog, fill, level, words):
    caplog.set_level(logging.INFO)
    monitor = Pool().monitor
    for _period in range(3):
        monitor.check(row(**fill))
    record, = caplog.records
    assert record.levelno == level
    assert all(word in record.message for word in words), record.message
    caplog.clear()
    for _period in range(2):
        monitor.check(row())
    assert [record.message for record in caplog.records] == [
        'Thin pool vg/vg-pool has enough free space again.']


def test_only_what_is_broken_takes_the_back_end_down():
    monitor = Pool().monitor
    monitor.check(row(data=100.0, health='out_of_data'))
    assert not monitor.broken
    monitor.check(row(health='failed'))
    assert monitor.broken
