# SPDX-License-Identifier: Apache-2.0
"""Input that no client sends by mistake: each is refused with a 4xx and a JSON fault, and the
process that read it lives on."""

import json

import pytest

DEEP = b'{"volume": ' + b'[' * 20000 + b']' * 20000 + b'}'
HUGE = 10 ** 400
UNKNOWN = '00000000-0000-4000-8000-000000000000'


def body(**volume) -> bytes:
    return json.dumps({'volume': {'size': 1} | volume}).encode()


BODIES = {
    'empty': b'', 'not-json': b'{', 'text': b'"volume"', 'null': b'null', 'list': b'[]',
    'number': b'1', 'no-volume': b'{}', 'null-volume': b'{"volume": null}',
    'list-volume': b'{"volume": []}', 'two-keys': b'{"volume": {"size": 1}, "other": {}}',
    'unknown-key': body(surprise=1), 'deep': DEEP, 'deep-metadata': body(metadata={'a': [[[]]]}),
    'broken-utf8': b'{"volume": {"size": 1, "name": "\xff\xfe"}}',
    'lone-surrogate': b'{"volume": {"size": 1, "name": "\\ud800"}}',
    'nul-in-name': body(name='a\0b'), 'nul-in-metadata': body(metadata={'a': 'b\0c'}),
    'nul-in-json': b'{"volume": {"size": 1\0}}', 'nan': b'{"volume": {"size": NaN}}',
    'infinity': b'{"volume": {"size": Infinity}}', 'long-name': body(name='n' * 256),
    'long-description': body(description='d' * 256),
    'long-key': body(metadata={'k' * 256: 'v'}), 'long-value': body(metadata={'k': 'v' * 256}),
    'empty-key': body(metadata={'': 'v'}), 'zero': body(size=0), 'negative': body(size=-1),
    'fraction': body(size=1.5), 'huge': body(size=HUGE), 'big': body(size=2 ** 63),
    'beyond-column': body(size=2 ** 31), 'text-size': body(size='one'),
    'true-size': body(size=True), 'object-size': body(size={}), 'no-size': b'{"volume": {}}',
    'bad-snapshot': body(snapshot_id='x'), 'unknown-snapshot': body(snapshot_id=UNKNOWN),
    'unknown-source': body(source_volid=UNKNOWN), 'unknown-type': body(volume_type='nothing'),
    'bad-zone': body(availability_zone='no such zone'), 'list-name': body(name=['a']),
    'duplicate-brace': b'{"volume": {"size": 1}}}', 'bom': b'\xef\xbb\xbf{"volume": {"size": 0}}',
    'long-number': b'{"volume": {"size": ' + b'9' * 5000 + b'}}',
}


@pytest.fixture(scope='module')
def worker(running_suite):
    """The API's worker must be the same process after all of this as before."""
    before = running_suite.worker_pids('api')
    yield
    assert running_suite.worker_pids('api') == before


def assert_refused(answer, *allowed):
    assert answer.status in (allowed or range(400, 500)), str(answer)
    assert answer.fault, f'no JSON fault: {answer}'
    assert answer.json[answer.fault]['code'] == answer.status


@pytest.mark.parametrize('content', BODIES.values(), ids=BODIES.keys())
def test_body(worker, client, content):
    assert_refused(client.request('POST', 'volumes', content))
    assert client.get('volumes')['volumes'] == []


@pytest.mark.parametrize('name', ['text/plain', 'application/xml', 'nonsense', 'a/b/c'])
def test_content_type(worker, client, name):
    answer = client.request('POST', 'volumes', body(), headers={'Content-Type': name})
    assert_refused(answer, 415)


@pytest.mark.parametrize(('version', 'status'), [
    ('volume 3.999', 406), ('volume 2.0', 406), ('volume 4.0', 406), ('volume 3', 400),
    ('volume 3.01', 400), ('volume 3.-1', 400), ('volume three', 400), ('volume', 400),
    ('volume 3.99999', 406), ('compute 2.1', 400), ('volume 3.1 2', 400)])
def test_microversion(worker, client, version, status):
    answer = client.request('GET', 'volumes', headers={'OpenStack-API-Version': version})
    assert_refused(answer, status)


def test_endless_microversion(worker, client):
    answer = client.request('GET', 'volumes', headers={
        'OpenStack-API-Version': 'volume 3.' + '9' * 5000})
    assert_refused(answer, 400, 406)


@pytest.mark.parametrize('query', [
    'limit=-1', 'limit=x', 'limit=' + '9' * 400, 'offset=-1', f'offset={HUGE}', 'sort=secret',
    'sort_key=password', 'sort_dir=sideways', f'marker={UNKNOWN}', 'limit=%00', 'all_tenants=maybe',
    'created_at=gt:yesterday'])
def test_query(worker, client, query):
    assert_refused(client.request('GET', f'volumes/detail?{query}'))


@pytest.mark.parametrize('query', ['name=%00', 'name=%ff%fe', 'metadata=x', 'name=' + 'n' * 5000])
def test_odd_filter_is_no_crash(worker, client, query):
    assert client.request('GET', f'volumes/detail?{query}').status < 500


@pytest.mark.parametrize('identity', ['x', '%00', '%ff', 'n' * 5000, '..%2f..', "'",
                                      '%F0%9F%92%BE'])
def test_identity(worker, client, identity):
    answer = client.request('GET', f'volumes/{identity}')
    assert 400 <= answer.status < 500, str(answer)


@pytest.mark.parametrize('content', [
    b'', b'{}', b'{"os-extend": {"new_size": 2}, "os-reset_status": {}}', b'{"os-unknown": {}}',
    b'{"os-extend": null}', b'{"os-extend": {"new_size": %d}}' % HUGE, b'{"os-extend": 1}',
    b'{"os-reset_status": {"status": "excellent"}}'])
def test_action(worker, client, content):
    volume = client.ready_volume()
    assert_refused(client.request('POST', f'volumes/{volume["id"]}/action', content))
    assert client.show('volume', volume['id'])['status'] == 'available'
    client.delete(f'volumes/{volume["id"]}')


def test_body_too_large(worker, client):
    answer = client.request('POST', 'volumes', body(name='n' * 200_000))
    assert answer.status == 413
