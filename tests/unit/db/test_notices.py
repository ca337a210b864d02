# SPDX-License-Identifier: Apache-2.0
"""The rows of notifications that wait, and the lease of who sends them."""
import pytest

from cinder.db import notices, session


def row(number):
    return {'message_id': f'm{number}', 'event_type': 'e', 'publisher_id': 'p',
            'priority': 'info', 'payload': '{}', 'context': '{}'}


def test_rows_are_there_with_their_transaction_only(ctxt, database):
    with pytest.raises(ZeroDivisionError), session.writer(ctxt):
        notices.add(ctxt, row(1))
        raise ZeroDivisionError
    with session.writer(ctxt):
        notices.add(ctxt, row(2))
        notices.add(ctxt, row(3))
    found = notices.first(ctxt, 9)
    assert [each['message_id'] for each in found] == ['m2', 'm3']
    assert found[0]['created_at'] and notices.first(ctxt, 1) == found[:1]
    notices.remove(ctxt, [found[0]['id']])
    notices.remove(ctxt, [])
    assert notices.first(ctxt, 9) == found[1:]


def test_one_process_sends(ctxt, database):
    assert notices.lease(ctxt, 'one', 60) and notices.lease(ctxt, 'one', 60)
    assert not notices.lease(ctxt, 'two', 60)
    notices.release(ctxt, 'two')
    assert not notices.lease(ctxt, 'two', 60)
    notices.release(ctxt, 'one')
    assert notices.lease(ctxt, 'two', 60) and not notices.lease(ctxt, 'one', 60)


def test_a_lease_ends(ctxt, database):
    assert notices.lease(ctxt, 'one', -1) and notices.lease(ctxt, 'two', 60)
