# SPDX-License-Identifier: Apache-2.0
"""The database of the tests: what is written is noted, and each test begins with the same rows."""
from cinder.db import types


def _names(database, ctxt):
    return {row['name'] for row in types.list_rows(ctxt).rows}


def test_what_is_written_is_noted_and_put_back(only_database, database, ctxt):
    made, rows = only_database
    assert made.written() == set()
    gold = types.create(ctxt, {'name': 'gold', 'is_public': True})
    assert made.written() == {'volume_types'}
    made.forget()
    assert made.written() == set()
    assert _names(database, ctxt) == {'__DEFAULT__', 'gold'}
    types.update(ctxt, gold.id, {'name': 'silver'})
    assert made.written() == {'volume_types'}
    with_silver = made.rows()
    made.restore(rows)
    assert made.rows() == rows
    made.restore(with_silver)
    assert _names(database, ctxt) == {'__DEFAULT__', 'silver'}
    assert made.written() == set()


def test_the_next_test_begins_with_the_same_rows(only_database, database, ctxt):
    assert _names(database, ctxt) == {'__DEFAULT__'}
