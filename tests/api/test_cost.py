# SPDX-License-Identifier: Apache-2.0
"""What a request of a member may cost: a search for the dearest one among generated queries and
bodies of at most 8 KiB. REQUEST_COST_FULL=yes tries 2,000 of them."""
import json
import os
import random
import time
import tracemalloc

import pytest

from cinder.api import openapi
from cinder.api.v3 import router
from cinder.db import filters, query, session

NUMBER = 2000 if os.environ.get('REQUEST_COST_FULL') else 150
MOST_BYTES = 8192
# For each KiB of the request, one KiB at least.
SECONDS_PER_KIB = 0.05
# For all of the shapes below together.
LEFT_BEHIND = 2 ** 20
# Of one shape that clients may use; the caches hold some hundreds.
KEPT_SHAPE = 100 * 2 ** 10
LISTS = sorted({each.path for each in openapi.list_operations(router.ROUTES)
                if each.method == 'GET' and '{' not in each.path
                and getattr(each.spec.shape, '__name__', '') == 'page'})
SORTS = ('created_at', 'id', 'name', 'size', 'status', 'bootable', 'updated_at')
BODIES = ('/volumes', '/snapshots', '/backups', '/attachments', '/groups', '/volume-transfers')


def _query(draw):
    """A query string that repeats one kind of parameter as often as there is room for it."""
    room = draw.choice((64, 1024, MOST_BYTES - 200))
    return draw.choice((
        lambda: 'sort=' + _joined(draw, room, lambda: draw.choice(SORTS) + draw.choice(
            ('', ':asc', ':desc'))),
        lambda: 'metadata={' + _joined(draw, room, lambda: f"'{draw.random():.6f}':'v'") + '}',
        lambda: 'created_at=' + _joined(draw, room, lambda: draw.choice(
            ('gt', 'lt', 'neq')) + ':2024-01-01T00:00:00'),
        lambda: 'metadata=' + '{' * (room // 2) + '}' * (room // 2),
        lambda: 'name~=' + '%25_' * (room // 4),
        lambda: 'status=' + _joined(draw, room, lambda: 'error'),
        lambda: f'limit={"9" * room}',
        lambda: f'marker={"m" * room}&with_count=true',
        lambda: '&'.join(f'k{number}=v' for number in range(room // 8)),
        lambda: f'offset={draw.randrange(10 ** 9)}&with_count=true'))()


def _joined(draw, room, part):
    found = part()
    while len(found) < room:
        found += ',' + part()
    return found


def _body(draw, name):
    room = draw.choice((64, 1024, MOST_BYTES - 200))
    deep = room // 5 - 8
    value = draw.choice((
        lambda: {f'k{number}': 'v' * 10 for number in range(room // 20)},
        lambda: json.loads('{"a":' * min(deep, 900) + '1' + '}' * min(deep, 900)),
        lambda: list(range(room // 6)),
        lambda: int('9' * min(room, 4000)),
        lambda: 'x' * room))()
    key = draw.choice(('metadata', 'name', 'size', 'volume_id', 'volume_uuid', 'scheduler_hints'))
    return json.dumps({name: {'size': 1, key: value}}).encode()


def test_the_dearest_request(member, volume):
    seed = random.randrange(10 ** 6)
    draw = random.Random(seed)
    print(f'seed {seed}')
    dearest = (0.0, '')
    for number in range(NUMBER):
        if number % 3:
            method, body = 'GET', None
            path = f'{draw.choice(LISTS)}?{_query(draw)}'
        else:
            method, path = 'POST', draw.choice(BODIES)
            body = _body(draw, path.strip('/').rstrip('s').replace('volume-t', 't'))
        began = time.process_time()
        answer = member.request(method, f'/v3/{member.project}{path}', raw=body, bare=True)
        spent = time.process_time() - began
        assert answer.status < 500, (seed, path)
        cost = spent / max(1, (len(path) + len(body or b'')) / 1024)
        dearest = max(dearest, (cost, f'{method} {path[:120]} {(body or b"")[:120]}'))
    print(f'{dearest[0] * 1000:.1f} ms of CPU per KiB: {dearest[1]}')
    assert dearest[0] < SECONDS_PER_KIB, (seed, dearest)


def test_shapes_that_clients_do_not_use_leave_nothing_behind(member, volume):
    draw = random.Random(1)
    queries = ['sort=' + ','.join(draw.sample(SORTS, len(SORTS))) for _ in range(20)]
    queries += ['metadata={' + ','.join(f"'{draw.random()}':''" for _ in range(size)) + '}'
                for size in range(10, 30, 5)]
    member.get('/volumes?' + queries[0])
    kept = query._page.cache_info().currsize
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for each in queries:
        assert member.get(f'/volumes?{each}').status == 200
    left = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert query._page.cache_info().currsize == kept
    assert left < LEFT_BEHIND


def test_a_shape_that_is_kept_is_small_and_not_many_are(member, volume):
    queries = [f'sort={one}:{way},{other}' for one in SORTS for other in SORTS if one != other
               for way in ('asc', 'desc')][:30]
    member.get('/volumes/detail?' + queries[0])
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for each in queries:
        member.get(f'/volumes/detail?{each}')
    left = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    # The statement here, and what SQLAlchemy makes of it.
    assert left / len(queries) < KEPT_SHAPE
    kept = [each.cache_info() for each in vars(query).values() if hasattr(each, 'cache_info')]
    assert len(kept) == 4 and all(info.maxsize <= 512 for info in kept)
    assert session.current().reader._compiled_cache.capacity <= 500


@pytest.mark.parametrize(('url', 'words'), [
    ('metadata={' + ','.join(f"'{number}':''" for number in range(filters.MOST_PAIRS + 1)) + '}',
     f'at most {filters.MOST_PAIRS} are allowed'),
    ('created_at=' + ','.join(['gt:2024-01-01T00:00:00'] * (filters.MOST_TIMES + 1)),
     f'at most {filters.MOST_TIMES} are allowed')])
def test_filters_with_too_many_parts_are_refused(member, url, words):
    assert words in member.get(f'/volumes?{url}').fault(400)


def test_a_sort_key_counts_once(member, volume):
    assert member.get('/volumes?sort=size:asc,size:desc,size').status == 200
    assert member.get('/volumes?sort=' + ','.join(['size'] * 1500)).status == 200


@pytest.mark.parametrize('text', [
    '{{}}', '{[]: 1}', '{{1: {}}: 2}', '{' * 90, '(' * 300, '1' * 5000])
def test_a_dictionary_that_is_none_matches_nothing(member, volume, text):
    answer = member.get(f'/v3/{member.project}/volumes?metadata={text}', bare=True)
    assert (answer.status, answer.json) == (200, {'volumes': []})


@pytest.mark.parametrize('levels', [40, 900])
def test_a_deep_body_is_refused(member, levels):
    body = ('{"volume": {"size": 1, "metadata": ' + '{"a":' * levels + '1' + '}' * levels + '}}')
    answer = member.request('POST', '/volumes', raw=body.encode())
    assert 'nested more than 32 levels' in answer.fault(400)
