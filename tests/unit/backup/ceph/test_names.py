# SPDX-License-Identifier: Apache-2.0
"""Names in the pool of backups, which are those of the original."""
import types

import pytest

from cinder import exception
from cinder.backup.ceph import names
from cinder.volume import driver

ID, VOLUME = '0a1b2c3d-0000-4000-8000-000000000001', '0a1b2c3d-0000-4000-8000-000000000002'


def backup(service_metadata=None):
    return types.SimpleNamespace(id=ID, volume_id=VOLUME, service_metadata=service_metadata)


def test_a_new_backup():
    row = backup()
    assert names.own_image(row) == f'volume-{VOLUME}.backup.{ID}'
    assert names.metadata(row) == f'backup.{ID}.meta'
    snapshot = names.new_snapshot(row, 1796018938.184505)
    assert snapshot == f'backup.{ID}.snap.1796018938.184505'
    assert names.owner(snapshot) == driver.backup_of(snapshot) == ID


@pytest.mark.parametrize('name', ['snapshot-1', f'backup.{ID}', f'backup.{ID}.meta',
                                  f'x-backup.{ID}.snap.1', 'backup.1.snap.2'])
def test_other_snapshots_are_of_no_backup(name):
    assert names.owner(name) is driver.backup_of(name) is None


def test_where_a_backup_may_be():
    """Old releases of the original do not record it."""
    assert names.images(backup()) == (f'volume-{VOLUME}.backup.{ID}',
                                      f'volume-{VOLUME}.backup.base')
    other = f'volume-{VOLUME}.backup.{VOLUME}'
    assert names.images(backup(names.place(other))) == (other,)


@pytest.mark.parametrize('text', ['x', '[]', '{}', '{"base": 1}', '{"base": "volume-x.backup.y"}',
                                  f'{{"base": "snapshot-{VOLUME}.backup.base"}}'])
def test_a_record_names_no_image_of_another_volume(text):
    with pytest.raises(exception.InvalidBackup, match='service_metadata'):
        names.images(backup(text))
