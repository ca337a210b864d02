# SPDX-License-Identifier: Apache-2.0
"""What a list may be filtered by."""
import pytest

from cinder import exception
from cinder.db import filters, volumes


@pytest.fixture
def found(make_volume, ctxt):
    make_volume(display_name='First_one', bootable=True, host='n1@lvm#pool', size=2,
                metadata={'k': 'v', 'l': 'w'})
    make_volume(display_name='second', host='n1@lvm2#pool', metadata={'k': 'v'},
                migration_status='error')

    def find(**wanted):
        rows = volumes.list_rows(ctxt, filters=wanted, sort=[('created_at', 'asc')]).rows
        return [row['display_name'] for row in rows]
    return find


@pytest.mark.parametrize(('wanted', 'expected'), [
    ({'name': 'second'}, ['second']),
    ({'name': 'Second'}, []),
    ({'name~': 'FIRST_'}, ['First_one']),
    ({'name~': 'irst%'}, []),
    ({'name~': 't_o'}, ['First_one']),
    ({'size': '2'}, ['First_one']),
    ({'size': 'two'}, []),
    ({'size': 2 ** 40}, []),
    ({'bootable': 'true'}, ['First_one']),
    ({'bootable': False}, ['second']),
    ({'bootable': 'perhaps'}, []),
    ({'metadata': {'k': 'v'}}, ['First_one', 'second']),
    ({'metadata': "{'k': 'v', 'l': 'w'}"}, ['First_one']),
    ({'metadata': 'text'}, []),
    ({'metadata': '{'}, []),
    ({'glance_metadata': {'k': 'v'}}, []),
    ({'migration_status': None}, ['First_one']),
    ({'host': 'n1@lvm'}, ['First_one']),
    ({'host': 'n1@lvm#pool'}, ['First_one']),
    ({'host': 'n1@lv%'}, []),
    ({'status': ['available', 'error']}, ['First_one', 'second']),
    ({'created_at': 'gt:2020-01-01T00:00:00,lt:2999-01-01T00:00:00Z'}, ['First_one', 'second']),
    ({'created_at': 'lte:2020-01-01T00:00:00'}, []),
    ({'updated_at': 'gt:2020-01-01T00:00:00'}, []),
    ({'nonsense': 'x'}, []),
    ({'name': 'nul\0'}, []),
])
def test_filter(found, wanted, expected):
    assert found(**wanted) == expected


@pytest.mark.parametrize('text', ['gt:yesterday', 'over:2020-01-01T00:00:00', 'gt:'])
def test_bad_time_filter(text):
    with pytest.raises(exception.InvalidInput):
        filters.time_filter(text)


def test_a_deep_dictionary_is_no_match():
    with pytest.raises(filters.NoMatch):
        filters.as_pairs('{' * 3000)
