# SPDX-License-Identifier: Apache-2.0
"""User messages: whose they are and how long they stay."""
import datetime

import pytest

from cinder import exception
from cinder.conf import CONF
from cinder.db import messages


def test_life_of_a_message(database, ctxt, tenant, stranger):
    made = messages.create(ctxt, {'project_id': 'p1', 'event_id': 'E', 'user_message': 'why'})
    assert made['expires_at'] - made['created_at'] > datetime.timedelta(
        seconds=CONF.message_ttl - 1)
    assert messages.get(tenant, made['id'])['user_message'] == 'why'
    assert len(messages.list_rows(tenant, filters={'event_id': 'E'})) == 1
    for call in (messages.get, messages.destroy):
        with pytest.raises(exception.MessageNotFound):
            call(stranger, made['id'])
    messages.destroy(tenant, made['id'])
    with pytest.raises(exception.MessageNotFound):
        messages.get(ctxt, made['id'])


def test_expired_ones_are_purged_in_batches(database, ctxt):
    past = datetime.datetime(2020, 1, 1)
    for _ in range(3):
        messages.create(ctxt, {'project_id': 'p1', 'expires_at': past})
    messages.create(ctxt, {'project_id': 'p1'})
    assert [messages.purge_expired(ctxt, batch=2) for _ in range(3)] == [2, 1, 0]
    assert len(messages.list_rows(ctxt)) == 1
