# SPDX-License-Identifier: Apache-2.0
"""Pages: order, markers, NULLs, counts, who sees what."""
import pytest

from cinder import exception
from cinder.db import volumes


def names(page):
    return [row['display_name'] for row in page.rows]


@pytest.fixture
def five(make_volume):
    return [make_volume(display_name=name, size=size)
            for name, size in (('a', 3), (None, 1), ('b', 3), (None, 2), ('c', 1))]


def test_newest_first_and_pages_join_without_gap(five, ctxt):
    seen, marker = [], None
    while True:
        page = volumes.list_rows(ctxt, limit=2, marker=marker)
        if not page.rows:
            break
        seen += [row['id'] for row in page.rows]
        marker = seen[-1]
    assert seen == [volume.id for volume in reversed(five)]


@pytest.mark.parametrize(('sort', 'expected'), [
    ([('display_name', 'asc'), ('created_at', 'asc')], [None, None, 'a', 'b', 'c']),
    ([('display_name', 'desc')], ['c', 'b', 'a', None, None]),
    ([('size', 'desc'), ('name', 'asc')], ['a', 'b', None, None, 'c']),
    ([('id', 'asc')], None),
])
def test_sorted_pages_of_one_follow_each_other(five, ctxt, sort, expected):
    whole = volumes.list_rows(ctxt, sort=sort)
    seen, marker = [], None
    for _ in five:
        row, = volumes.list_rows(ctxt, sort=sort, limit=1, marker=marker).rows
        seen.append(row)
        marker = row['id']
    assert seen == whole.rows
    assert volumes.list_rows(ctxt, sort=sort, limit=1, marker=marker).rows == []
    assert expected is None or names(whole) == expected


def test_offset_counts_from_the_marker(five, ctxt):
    page = volumes.list_rows(ctxt, limit=1, offset=1, marker=five[-1].id)
    assert page.rows[0]['id'] == five[2].id
    assert len(volumes.list_rows(ctxt, offset=3)) == 2


def test_empty_page_of_limit_zero_still_counts(five, ctxt):
    page = volumes.list_rows(ctxt, limit=0, with_count=True)
    assert (page.rows, page.count) == ([], 5)


def test_count_is_of_all_matches(five, ctxt):
    page = volumes.list_rows(ctxt, limit=1, with_count=True, filters={'size': '3'})
    assert (len(page), page.count) == (1, 2)


def test_unknown_marker(five, ctxt):
    with pytest.raises(exception.MarkerNotFound):
        volumes.list_rows(ctxt, marker='nothing')


def test_marker_of_another_project_is_unknown(five, stranger, make_volume):
    make_volume(project_id='p2')
    with pytest.raises(exception.MarkerNotFound):
        volumes.list_rows(stranger, marker=five[0].id)


def test_marker_deleted_meanwhile_still_serves(five, ctxt):
    volumes.destroy(ctxt, five[3].id)
    page = volumes.list_rows(ctxt, marker=five[3].id)
    assert [row['id'] for row in page.rows] == [volume.id for volume in five[2::-1]]


def test_unknown_sort_key(five, ctxt):
    with pytest.raises(exception.InvalidInput):
        volumes.list_rows(ctxt, sort=[('nonsense', 'asc')])


def test_who_sees_what(five, make_volume, ctxt, tenant, stranger):
    make_volume(project_id='p2')
    assert len(volumes.list_rows(ctxt, all_tenants=True)) == 6
    assert len(volumes.list_rows(ctxt)) == 5
    assert len(volumes.list_rows(tenant, all_tenants=True)) == 5
    assert len(volumes.list_rows(stranger)) == 1


def test_records_are_the_rows_as_tuples(five, ctxt):
    page = volumes.list_rows(ctxt)
    assert page.ids == [row['id'] for row in page.rows]
    assert [dict(zip(page.names, record, strict=True)) for record in page.records] == page.rows
