# SPDX-License-Identifier: Apache-2.0
"""Rows against the files of a folder."""
import os

import pytest

from cinder.volume import driver as driver_api
from cinder.volume.drivers import file
from tests.fakes import volumes

GIB = 2 ** 30


@pytest.fixture
def driver(tmp_path):
    made = file.FileVolumeDriver(volumes.options(file_volume_dir=str(tmp_path)), host='node@files')
    made.do_setup(None)
    made.check_for_setup_error()
    return made


@pytest.fixture
def row(driver):
    """A volume with its file."""
    volume = volumes.volume(status='available')
    driver.create_volume(volume)
    return volume


def found(driver, *rows, snapshots=(), busy=(), connected=(), places=None, heal=False):
    return driver.audit(driver_api.Rows(list(rows), list(snapshots), set(busy), set(connected),
                                        (places or {}).get), heal=heal)


def kinds(findings):
    return [(finding.kind, finding.name, finding.healed) for finding in findings]


def test_what_fits_together_is_nothing_to_tell(driver, row, tmp_path):
    snapshot = volumes.snapshot(row)
    snapshot.status = 'available'
    driver.create_snapshot(snapshot)
    (tmp_path / 'home').write_text('of an operator')
    assert found(driver, row, snapshots=[snapshot], heal=True) == []


@pytest.mark.parametrize(('size', 'advice'), [(GIB // 2, 'truncate -s 1G'), (5 * GIB, '--size 5')])
def test_another_size_is_told_in_both_directions(driver, row, tmp_path, size, advice):
    os.truncate(tmp_path / row.name, size)
    one, = found(driver, row, heal=True)
    assert kinds([one]) == [('size', row.name, False)] and advice in one.advice
    assert (tmp_path / row.name).stat().st_size == size
    assert found(driver, row, busy=[row.id]) == []


def test_a_row_without_its_file_and_a_file_without_its_row_are_told(driver, row, tmp_path):
    lost = volumes.volume(status='in-use')
    assert kinds(found(driver, row, lost)) == [('missing', lost.name, False)]
    lost.status = 'error'
    assert found(driver, row, lost) == []
    places = {row.name: ''}
    assert kinds(found(driver, places=places, heal=True)) == [('orphan', row.name, False)]
    assert found(driver, places=places, busy=[row.id]) == []
    places[row.name] = 'other@files'
    assert kinds(found(driver, places=places)) == [('elsewhere', row.name, False)]
    assert (tmp_path / row.name).exists()


def test_an_export_that_nobody_asks_for_is_taken_back(driver, row):
    driver.create_export(None, row, None)
    assert kinds(found(driver, row, heal=True)) == [('export', row.name, True)]
    assert driver.target.exported == {}
