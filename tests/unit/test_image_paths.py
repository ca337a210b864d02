# SPDX-License-Identifier: Apache-2.0
"""The table of tests/image_paths is whole: what a row names exists, and no combination is missing.
"""
import itertools

import pytest

from tests.image_paths import readers, table, walk

ROWS = table.rows()


def test_every_format_is_on_every_storage_with_every_path():
    assert [(row.storage, row.kind) for row in ROWS] == list(
        itertools.product(table.STORAGES, table.FORMATS))
    assert all(row.paths == tuple(table.PATHS) for row in ROWS)
    for storage in table.STORAGES:
        used = {each for row in ROWS if row.storage == storage for each in row.disk_formats}
        assert used == set(table.DISK_FORMATS)


def test_each_change_of_the_format_is_made():
    for storage in table.STORAGES:
        made = {change for row in ROWS if row.storage == storage
                for change in itertools.pairwise((row.kind, *row.to_kinds))}
        assert made == set(itertools.permutations(table.FORMATS, 2))


@pytest.mark.parametrize('row', ROWS, ids=str)
def test_each_format_is_read_by_ours_and_by_a_stranger(row):
    for kind in table.FORMATS:
        # A logical volume that is not encrypted is what the device has.
        strangers = kind != table.PLAIN or row.storage in ('file', 'ceph')
        found = [each.name for each in row.readers(kind, whole=True)]
        assert 'ours' in found and (len(found) > 1 or not strangers or kind == table.LUKS2)
        names = [each.name for each in row.readers(kind, whole=False)]
        assert names == (['cryptsetup'] if kind in table.ENCRYPTED else [])


def test_what_the_table_names_exists():
    assert all(callable(getattr(walk.Walk, name)) for name in table.PATHS)
    assert all(callable(getattr(readers, each.name)) for each in table.READERS)
    assert all(callable(getattr(walk.Walk, each.request)) for each in table.REFUSALS)
    assert {each.before for each in table.REFUSALS} <= set(table.PATHS)


def test_a_short_run_is_a_part_of_a_row():
    for storage in ('file', 'ceph', 'thin'):
        row, = table.short(storage)
        assert set(row.paths) < set(table.PATHS) and {'create', 'delete'} <= set(row.paths)
        # What a path or a request needs was done before.
        assert 'restore' not in row.paths or 'backup' in row.paths
    assert table.short('thick') == []


def test_a_request_that_needs_what_was_not_done_is_left_out():
    row, = table.short('thin')
    sent = {each.request for each in table.REFUSALS if row.has(each)}
    assert 'reimage_with_other_key' not in sent and 'retype_with_snapshots' in sent
