# SPDX-License-Identifier: Apache-2.0
"""Scheduler hints and the function of a driver, from the request to the place or the message. The
scheduler of the suite has all filters, and knows one pool."""
import uuid

import pytest

NOWHERE = '6d9f6ab0-4d0e-4d0c-8f6b-0c1f0c6f6d53'


def create(client, hints, size=1):
    """The volume when its fate is known, and the header with a warning."""
    answer = client.request('POST', 'volumes', {
        'volume': {'size': size}, 'OS-SCH-HNT:scheduler_hints': hints})
    assert answer.status == 202, answer
    volume = answer.json['volume']
    return volume['id'], answer.headers.get('openstack-volume-warning')


def refused(client, hints, size=1):
    ident, _header = create(client, hints, size)
    client.wait_for_status('volume', ident, 'error')
    return ' '.join(message['user_message'] for message in client.messages(ident))


@pytest.fixture
def first(client):
    volume = client.ready_volume()
    yield volume['id']
    for each in client.get('volumes')['volumes']:
        client.delete(f'volumes/{each["id"]}', expect=202)


def test_hints_select_pools_and_refusals_say_why(client, first):
    for hints in ({'same_host': first}, {'different_host': [NOWHERE]},
                  {'query': ['=', '$volume_backend_name', 'files']}):
        ident, header = create(client, hints)
        assert header is None
        client.wait_for_status('volume', ident, 'available')
        assert client.messages(ident) == []
    for hints, words in (
            ({'same_host': [NOWHERE]}, 'holds none of the volumes of the hint same_host'),
            ({'different_host': [first]}, 'holds a volume of the hint different_host'),
            ({'group': NOWHERE}, 'does not hold the group of the hint group'),
            ({'query': '[">", "$reserved_percentage", 100]'}, 'does not match the query'),
            ({'local_to_instance': str(uuid.uuid4())}, 'cannot be found out now')):
        assert words in refused(client, hints)
    assert 'its driver does not accept the volume' in refused(client, {}, size=77)


def test_hints_that_nobody_reads_are_named(client, first):
    ident, header = create(client, {'colour': 'red', 'same_host': first})
    assert header == 'unknown scheduler hints: "colour"'
    client.wait_for_status('volume', ident, 'available')
    message, = client.messages(ident)
    assert message['message_level'] == 'WARNING'
    assert 'so they have no effect: "colour".' in message['user_message']


def test_malformed_hints_make_no_volume(client):
    for hints in ({'query': '["like", 1, 2]'}, {'same_host': 'x'}, {'local_to_instance': 'x'}):
        answer = client.request('POST', 'volumes', {'volume': {'size': 1},
                                                    'OS-SCH-HNT:scheduler_hints': hints})
        assert answer.status == 400 and answer.fault == 'badRequest'
    assert client.get('volumes')['volumes'] == []
