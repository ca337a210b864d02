# SPDX-License-Identifier: Apache-2.0
"""GET /events: what changed, in which forms, for whom, and how a client goes on."""
import json
import os
import random

import pytest

from cinder import context
from cinder.api import event_listeners, waiters
from cinder.api.views import events as view
from cinder.conf import CONF
from cinder.db import events, recording, volumes
from tests import replay

POSITION = 'OpenStack-Event-Position'
OTHER = 'f' * 32


class Room:
    """A server that would hold the connections."""

    @staticmethod
    def has_room():
        return True


def begin(api):
    """The present position."""
    answer = api.get('/events', headers={'Accept': 'application/json'})
    assert answer.json == {'events': [], 'position': int(answer.headers[POSITION])}
    return answer.json['position']


def lines(api, query, **headers):
    answer = api.get(f'/v3/{api.project}/events?{query}', bare=True, headers=headers)
    assert answer.status == 200 and answer.headers['Content-Type'] == view.LINES
    return [json.loads(line) for line in answer.body.splitlines()]


def test_a_life(api, daemons):
    after = begin(api)
    made = api.post('/volumes', {'volume': {'size': 1, 'name': 'one', 'metadata': {'k': 'v'}}})
    ident = made.json['volume']['id']
    api.put(f'/volumes/{ident}', {'volume': {'name': 'two'}})
    api.delete(f'/volumes/{ident}')
    found = lines(api, f'after={after}')
    assert [each['id'] for each in found] == list(range(after + 1, after + 1 + len(found)))
    assert {(each['resource_type'], each['resource_id']) for each in found} == {('volume', ident)}
    assert [each['kind'] for each in found] == ['create', *['update'] * (len(found) - 2), 'delete']
    first, last = found[0], found[-1]
    assert (first['resource']['name'], first['resource']['metadata'],
            first['resource']['status']) == ('one', {'k': 'v'}, 'creating')
    assert first['request_id'] == made.headers['x-openstack-request-id']
    assert last['resource']['name'] == 'two' and 'deleted_at' in last['changed']
    assert ['name'] in [each['changed'] for each in found]
    statuses = [each['resource']['status'] for each in found]
    assert statuses[-3:] == ['available', 'deleting', 'deleted']


def test_a_repeated_request_is_one_event(api, daemons):
    after, headers = begin(api), {'Idempotency-Key': 'k'}
    for _number in range(2):
        assert api.post('/volumes', {'volume': {'size': 1}}, headers=headers).status == 202
    assert [each['kind'] for each in lines(api, f'after={after}&kind=create')] == ['create']
    assert replay.differences(context.get_admin_context()) == []


def test_one_of_everything_replays_to_the_rows(world):
    ctxt = context.get_admin_context()
    assert {kind for kind, _ident in replay.rows(ctxt)} == set(recording.TYPES)
    assert replay.differences(ctxt) == []


def test_three_forms(api, volume):
    document = api.get('/events?after=0', headers={'Accept': 'application/json'})
    plain = lines(api, 'after=0')
    stream = api.get(f'/v3/{api.project}/events?after=0&wait=0', bare=True,
                     headers={'Accept': 'text/event-stream'})
    assert stream.headers['Content-Type'] == view.STREAM
    _comment, *pieces = stream.body.decode().strip().split('\n\n')
    streamed = [dict(line.split(': ', 1) for line in piece.splitlines()) for piece in pieces]
    assert [json.loads(each['data']) for each in streamed] == plain == document.json['events']
    assert plain and [(int(each['id']), each['event']) for each in streamed] == [
        (each['id'], f'{each["resource_type"]}.{each["kind"]}') for each in plain]


def test_a_disconnected_stream_goes_on(api, volume):
    last = lines(api, 'after=0')[-1]['id']
    answer = api.get(f'/v3/{api.project}/events?after=0&wait=0', bare=True, headers={
        'Accept': 'text/event-stream', 'Last-Event-ID': str(last)})
    assert answer.body == view.COMMENT


def test_pages(api, daemons, volume):
    api.put(f'/volumes/{volume["id"]}', {'volume': {'name': 'two'}})
    every = lines(api, 'after=0')
    at, seen = 0, []
    while len(seen) < len(every):
        answer = api.get(f'/events?after={at}&limit=1', headers={'Accept': 'application/json'})
        (each,), at = answer.json['events'], answer.json['position']
        seen.append(each)
    assert seen == every and len(seen) > 1


@pytest.mark.parametrize(('query', 'number'), [
    ('resource_type=snapshot', 1), ('resource_type=volume,snapshot', 2), ('kind=delete', 0),
    ('resource_type=volume&kind=create,leave', 1), ('resource_id=none', 0)])
def test_filters(api, snapshot, query, number):
    assert len(lines(api, f'after=0&{query}')) == number


@pytest.mark.parametrize(('query', 'words'), [
    ('after=-1', 'after: -1 is not a whole number'), ('after=9223372036854775808', 'after'),
    ('wait=301', 'wait: 301 is not a whole number from 0 to 300'), ('wait=1.5', 'wait'),
    ('limit=1001', 'limit'), ('kind=created', 'kind: created is none of: create, update'),
    ('resource_type=qos', 'qos is none of: volume, snapshot'), ('all_tenants=2', 'boolean')])
def test_what_is_not_understood_is_refused(member, query, words):
    assert words in member.get(f'/events?{query}').fault(400)


class TestProjects:
    def test_own_events_only(self, api, member, volume):
        stranger = api.as_roles('member,reader', OTHER)
        assert lines(member, 'after=0') and lines(stranger, 'after=0&all_tenants=1') == []
        assert lines(api.as_roles('admin', OTHER), 'after=0') == []
        assert len(lines(api.as_roles('admin', OTHER), 'after=0&all_tenants=1')) == len(
            lines(member, 'after=0'))

    def test_what_only_operators_see(self, api, member, volume):
        ctxt = context.get_admin_context()
        volumes.update(ctxt, volume['id'], {'host': 'h@b#p', 'provider_id': 'x', 'size': 2})
        mine, theirs = lines(member, 'after=0')[-1], lines(api, 'after=0')[-1]
        assert (mine['changed'], theirs['changed']) == (['size'], ['host', 'provider_id', 'size'])
        assert 'host' not in mine['resource'] and theirs['resource']['host'] == 'h@b#p'
        assert 'user_id' not in mine and 'user_id' in theirs

    def test_what_tenants_do_not_see_makes_no_event(self, api, volume):
        before, ctxt = begin(api), context.get_admin_context()
        volumes.update(ctxt, volume['id'], {'host': 'h@b#p'})
        volumes.set_admin_metadata(ctxt, volume['id'], {'readonly': 'True'})
        assert lines(api, f'after={before}') == []

    def test_destinations_of_migrations_are_internal(self, api, volume):
        before = begin(api)
        volumes.create(context.get_admin_context(), {
            'project_id': api.project, 'migration_status': 'target:' + volume['id']})
        assert lines(api, f'after={before}') == []
        assert len(lines(api, f'after={before}&all_tenants=1')) == 1

    def test_every_visible_column_exists(self):
        for kind, names in view._VISIBLE.items():
            table = recording.TYPES[kind]
            known = {*recording.columns_of(table), *recording.RECORDED[table].sides}
            assert names - set(recording._ALWAYS) <= known, kind
            shown = view.names_of(kind, sorted(known), True)
            assert len(set(shown)) == len(shown), kind
        assert view._VISIBLE.keys() == recording.TYPES.keys()


class TestEnds:
    def test_deleted_events_are_missed(self, api, volume):
        position = begin(api)
        while events.purge(context.get_admin_context(), -60):
            pass
        assert 'List the resources again' in api.get('/events?after=0').fault(410)
        assert lines(api, f'after={position}') == []

    def test_a_position_of_another_database(self, api):
        assert 'do not exist' in api.get(f'/events?after={begin(api) + 1}').fault(410)

    def test_switched_off(self, api):
        CONF.set_override('events_enabled', False)
        try:
            assert 'set events_enabled' in api.get('/events').fault(404)
        finally:
            CONF.clear_override('events_enabled')


class TestWaiting:
    """The looks are made here, not by the thread."""

    @pytest.fixture
    def listen(self, application, api, monkeypatch):
        """Return a function (query, media) -> Listener."""
        held = []
        monkeypatch.setattr(event_listeners.POLLER, 'add', held.append)

        def start(query, media=view.LINES, client=api):
            import webob
            request = webob.Request.blank(f'/v3/{client.project}/events?{query}', headers={
                'X-Auth-Token': f'user:{client.project}', 'Accept': media,
                **({'X-Roles': client.roles} if client.roles else {})})
            request.environ[waiters.PARKING] = Room
            response = request.get_response(application)
            assert response.app_iter is held[-1], response.body
            return held[-1]
        start.held = held
        return start

    def test_nothing_and_something(self, api, volume, listen):
        one, other = listen('wait=9'), listen(
            'wait=9', client=api.as_roles('member,reader', OTHER))
        event_listeners._look(listen.held)
        assert not one.is_over
        api.put(f'/volumes/{volume["id"]}', {'volume': {'name': 'new'}})
        event_listeners._look(listen.held)
        assert one.is_over and not other.is_over
        assert json.loads(one.response.body)['changed'] == ['name']
        assert int(one.response.headers[POSITION]) == other.position == begin(api)
        other.expire()
        assert (other.response.body, other.response.headers[POSITION]) == (
            b'', str(other.position))

    def test_a_document(self, api, volume, listen):
        waiting = listen('wait=9', view.JSON)
        waiting.expire()
        assert json.loads(waiting.response.body) == {'events': [], 'position': begin(api)}

    def test_a_stream_goes_on(self, api, volume, listen):
        waiting = listen('', view.STREAM)
        assert waiting.take() == ([view.COMMENT], False)
        for name in ('new', 'newer'):
            api.put(f'/volumes/{volume["id"]}', {'volume': {'name': name}})
            event_listeners._look(listen.held)
            event_listeners._look(listen.held)
            (piece,), over = waiting.take()
            assert name.encode() in piece and not over
        waiting._sent -= event_listeners.COMMENT
        event_listeners._look(listen.held)
        assert waiting.take() == ([view.COMMENT], False)

    def test_who_is_far_behind_reads_alone(self, api, volume, listen, monkeypatch):
        monkeypatch.setattr(events, 'BATCH', 1)
        far, near = listen('', view.STREAM), listen('wait=9')
        for name in ('a', 'b', 'c'):
            api.put(f'/volumes/{volume["id"]}', {'volume': {'name': name}})
        near.position += 2
        for behind in (2, 1, 0, 0):
            event_listeners._look(listen.held)
            assert far.position == near.position - behind
        assert len(near.response.body.splitlines()) == 1
        assert len(far.take()[0]) == 4

    def test_one_read_for_all(self, api, volume, listen, statements):
        for _number in range(20):
            listen('wait=9')
        api.put(f'/volumes/{volume["id"]}', {'volume': {'name': 'new'}})
        events.advance(context.get_admin_context())
        statements.clear()
        event_listeners._look(listen.held)
        assert len(statements) == 2 and all(each.is_over for each in listen.held)
        statements.clear()
        event_listeners._look(listen.held)
        assert len(statements) == 1


def _query(draw):
    """A query string, most of whose values are valid."""
    values = {
        'after': ('0', '1', '99', '-1', '', '9' * 19, '9' * 30, '١', '0x1', '1 '),
        'wait': ('0', '0.5', '301', '-0', 'forever', ''),
        'limit': ('0', '1', '2', '1000', '1001', 'all'),
        'resource_type': ('volume', 'snapshot,volume', 'transfer', '', ',', 'VOLUME', 'x' * 9000),
        'kind': ('create', 'update,delete', 'leave', 'none', '%00', '%ff'),
        'resource_id': ('x', ',' * 300, "'; DROP TABLE events", '%00', '\\', 'ü' * 40),
        'all_tenants': ('0', '1', 'true', 'maybe'), 'other': ('1',), '%ff': ('%fe',)}
    names = draw.sample(sorted(values), draw.randrange(1, 6))
    return '&'.join(f'{name}={draw.choice(values[name])}' for name in names)


def test_made_up_requests(api, member, volume):
    """EVENTS_FUZZ_FULL=yes sends 10,000 requests."""
    number = 10_000 if os.environ.get('EVENTS_FUZZ_FULL') else 150
    seed = random.randrange(10 ** 6)
    draw, seen = random.Random(seed), set()
    for _number in range(number):
        query = _query(draw)
        headers = {'Accept': draw.choice((view.JSON, view.LINES, 'text/html', '*/*', ''))}
        if draw.random() < 0.2:
            # Its wait is a few milliseconds at least.
            headers = {'Accept': view.STREAM, 'Last-Event-ID': draw.choice(('0', 'x', '9' * 40))}
            query = '&'.join(['wait=0', *(each for each in query.split('&')
                                          if not each.startswith('wait'))])
        answer = draw.choice((api, member)).get(
            f'/v3/{api.project}/events?{query}', bare=True, headers=headers,
            mv=draw.choice((None, '3.0', 'latest')))
        seen.add(answer.status)
        assert answer.status in (200, 400, 410), (seed, query, headers, answer.body)
    assert {200, 400} <= seen
