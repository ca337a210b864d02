# SPDX-License-Identifier: Apache-2.0
"""What holds for every call: versions, faults, identity, malformed input, request ids."""
import re

import pytest

from cinder.api import microversions as mv
from cinder.api.v3 import router
from cinder.conf import CONF
from cinder.db import types as types_db
from tests.api.client import PROJECT, Answer

REQUEST_ID = re.compile(r'req-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}')
TYPES = '/types'


class TestVersionDocuments:
    def test_root_needs_no_token(self, api):
        answer = api.get('/', bare=True, mv=None, headers={'X-Auth-Token': None})
        assert answer.status == 300
        version, = answer.json['versions']
        assert (version['id'], version['version'], version['min_version'], version['status']) == (
            'v3.0', '3.71', '3.0', 'CURRENT')
        assert {'rel': 'self', 'href': 'http://localhost:80/v3/'} in version['links']

    @pytest.mark.parametrize('mv', [None, '3.0', '3.42', 'latest', '9.9', 'zz'])
    @pytest.mark.parametrize('path', ['/v3', '/v3/', f'/v3/{PROJECT}', f'/v3/{PROJECT}/',
                                      f'//v3//{PROJECT}//'])
    def test_below_v3(self, api, path, mv):
        """gophercloud reads the versions at its endpoint, which holds the project, before it uses
        one: it takes 200 and the only entry of the list."""
        answer = api.get(path, bare=True, mv=mv)
        assert answer.status == 200
        version, = answer.json['versions']
        assert (version['min_version'], version['version']) == ('3.0', '3.71')
        head = api.request('HEAD', path, bare=True, mv=mv)
        assert (head.status, head.body) == (200, b'')
        assert head.headers['Content-Length'] == str(len(answer.body))

    def test_below_v3_with_another_project(self, api):
        assert 'project' in api.get(f'/v3/{"1" * 32}/', bare=True).fault(400)
        # Without a project in the token it is that of the URL.
        assert api.get(f'/v3/{"1" * 32}', bare=True,
                       headers={'X-Auth-Token': 'notused'}).status == 200

    def test_public_endpoint(self, api):
        CONF.set_override('public_endpoint', 'https://storage.example.org/block/')
        try:
            links = api.get('/', bare=True).json['versions'][0]['links']
        finally:
            CONF.clear_override('public_endpoint')
        assert links[1]['href'] == 'https://storage.example.org/block/v3/'

    def test_healthcheck(self, api):
        answer = api.get('/healthcheck', bare=True, headers={'Accept': '*/*'})
        assert (answer.status, answer.body) == (200, b'OK')


class TestNegotiation:
    @pytest.mark.parametrize(('header', 'used'), [
        (None, '3.0'), ('volume 3.0', '3.0'), ('volume latest', '3.71'), ('volume 3.27', '3.27'),
        ('compute 2.1, volume 3.50', '3.50'), ('VOLUME 3.5', '3.5')])
    def test_good(self, api, header, used):
        answer = api.get(TYPES, headers={'OpenStack-API-Version': header})
        assert answer.status == 200
        assert answer.headers['OpenStack-API-Version'] == f'volume {used}'
        assert 'OpenStack-API-Version' in answer.headers['Vary']

    @pytest.mark.parametrize('version', ['3.72', '3.999', '2.0', '4.0', '3.999999999'])
    def test_outside(self, api, version):
        assert version in api.get(TYPES, mv=version).fault(406)

    @pytest.mark.parametrize('header', [
        'volume', 'volume ', 'volume abc', 'volume 3', 'volume 3.01', 'volume 3.1.1',
        'volume 3.1 3.2', 'volume 3.-1', 'compute 2.1', '', 'volume 3.' + '9' * 5000,
        'volume 3.\u0663'.encode().decode('latin-1'), 'volume LATEST'])
    def test_malformed(self, api, header):
        answer = api.get(TYPES, headers={'OpenStack-API-Version': header})
        answer.fault(400)
        assert 'OpenStack-API-Version' not in answer.headers

    def test_faults_carry_the_version(self, api, nobody):
        answer = api.get(f'/types/{nobody}', mv='3.30')
        answer.fault(404)
        assert answer.headers['OpenStack-API-Version'] == 'volume 3.30'

    def test_history_has_no_gap(self):
        assert list(mv.HISTORY) == list(range(72))


class TestPaths:
    @pytest.mark.parametrize('path', [
        '/v3/{p}/nope', '/v3/zz', '/v3/zz/', '/v3/{p}/types/', '/v3/{p}/types/x/y',
        '/v3/zz/types', '/v2/{p}/volumes', '/nope'])
    def test_unknown(self, api, path):
        answer = api.get(path.format(p=PROJECT), bare=True)
        assert answer.status == 404
        assert answer.json is None
        assert answer.headers['Content-Type'].startswith('text/plain')

    def test_unknown_for_a_browser(self, api):
        answer = api.get('/nope', headers={'Accept': 'text/html'})
        assert answer.headers['Content-Type'].startswith('text/html')

    def test_unknown_method(self, api):
        assert api.request('PATCH', TYPES).json is None
        assert api.request('PUT', TYPES).status == 404
        api.post('/extensions', {}).fault(404)

    def test_format_suffix_and_no_project(self, api):
        assert api.get('/types.json').status == 200
        answer = api.get('/v3/types', bare=True)
        assert answer.status == 200

    def test_another_project(self, api):
        answer = api.get(f'/v3/{"1" * 32}/types', bare=True)
        answer.fault(400)

    def test_order_of_checks(self, api, nobody):
        """Version, content type, action key, JSON, project, window, body, policy."""
        other = f'/v3/{"1" * 32}'
        api.put(f'{other}/os-services/set-log', raw=b'{', bare=True, mv='9.9').fault(406)
        api.put(f'{other}/os-services/set-log', raw=b'{', bare=True,
                headers={'Content-Type': 'text/plain'}).fault(415)
        assert 'zz' in api.post(f'{other}/types/x/action', {'zz': 1}, bare=True).fault(400)
        assert 'Malformed request body' in api.put(f'{other}/os-services/set-log', raw=b'{',
                                                   bare=True).fault(400)
        assert 'project' in api.put(f'{other}/os-services/set-log', {'zz': 1}, bare=True,
                                    mv='3.31').fault(400)
        api.put('/os-services/set-log', {'zz': 1}, mv='3.31').fault(404)
        api.as_roles('reader').put('/os-services/set-log', {'zz': 1}).fault(400)
        api.as_roles('reader').put(f'/types/{nobody}',
                                   {'volume_type': {'name': 'n'}}).fault(403)

    def test_every_route_is_well_formed(self):
        for path, methods in router.ROUTES.items():
            assert path.startswith('/') and not path.endswith('/')
            assert set(methods) <= {'GET', 'POST', 'PUT', 'DELETE'}


class TestContent:
    def test_vendor_type(self, api):
        kind = 'application/vnd.openstack.volume+json'
        assert api.get(TYPES, headers={'Accept': kind}).headers['Content-Type'] == kind
        answer = api.post(TYPES, {'volume_type': {'name': 'n'}},
                          headers={'Content-Type': f'{kind}; charset=utf-8'})
        assert answer.status == 200

    def test_unknown_accept_still_gives_json(self, api):
        answer = api.get(TYPES, headers={'Accept': 'application/xml'})
        assert answer.headers['Content-Type'] == 'application/json'

    def test_other_content_types(self, api):
        for kind in ('text/plain', 'application/xml', 'application/x-www-form-urlencoded', 'x'):
            api.post(TYPES, raw=b'{}', headers={'Content-Type': kind}).fault(415)

    @pytest.mark.parametrize(('method', 'path'), [
        ('POST', TYPES), ('PUT', '/os-quota-sets/p'), ('POST', '/volumes/x/action'),
        ('DELETE', '/volumes/x'), ('PUT', '/volumes/x/metadata/k'), ('GET', '/volumes')])
    def test_a_missing_content_type_is_called_missing(self, api, method, path):
        for headers in ({}, {'Transfer-Encoding': 'chunked'}):
            answer = api.request(method, path, raw=b'{}', headers={'Content-Type': None, **headers})
            assert 'Content-Type header is missing' in answer.fault(415)
        # No body at all needs no header.
        for headers in ({}, {'Transfer-Encoding': 'chunked'}):
            answer = api.request(method, path, raw=b'', headers={'Content-Type': None, **headers})
            assert answer.status in (200, 400, 404), answer.body


# Each of these has to be refused, whatever the call wants.
BODIES = [
    b'', b'{', b'[]', b'"x"', b'5', b'null', b'true', b'{"volume_type": ', b'\x00', b'{}x',
    b'{"volume_type": {"name": "a\xff"}}', b'{"volume_type": {"name": "\xc0\x80"}}',
    b'{"volume_type": {"name": "\\u0000"}}', b'{"volume_type": {"name": "\\ud800"}}',
    b'{"volume_type": {"name": "n", "description": "a\\u0000b"}}',
    b'{"volume_type": {"name": "n", "extra_specs": {"a\\u0000": "b"}}}',
    b'{"volume_type": {"name": NaN}}', b'{"volume_type": {"name": Infinity}}',
    b'{"volume_type": {"name": 1' + b'0' * 5000 + b'}}', b'{"volume_type": {"name": 1e999}}',
    b'{"volume_type": ' * 6000, b'[' * 100000, b'[' * 50000 + b']' * 50000,
    b'{"volume_type": {"name": ' + b'[' * 900 + b']' * 900 + b'}}',
    b'{"volume_type": {"name": "' + b'x' * 100000 + b'"}}',
    b'{"volume_type": {"name": "n", "' + b'k' * 100000 + b'": 1}}',
    b'{' + b','.join(b'"k%d": 1' % number for number in range(8000)) + b'}',
    b"{'volume_type': {}}", b'\xef\xbb\xbf{"volume_type": {"name": "n"}}',
    '{"volume_type": {"name": "n"}}'.encode('utf-16'),
]


class TestMalformed:
    @pytest.mark.parametrize('raw', BODIES, ids=range(len(BODIES)))
    def test_bodies(self, api, raw, nobody):
        api.post(TYPES, raw=raw).fault(400)
        api.post(f'/types/{nobody}/action', raw=raw).fault(400)
        api.put('/os-services/enable', raw=raw).fault(400)

    @pytest.mark.parametrize('url', [
        b'/v3/%s/types/\xff', b'/v3/%s/types/a\x00b', b'/v3/%s/types/\xed\xa0\x80',
        b'/v3/\xff/types', b'/v3/%s/types/\xc0\x80/action'])
    def test_paths(self, api, url):
        environ_path = url.replace(b'%s', PROJECT.encode()).decode('latin-1')
        _raw(api, PATH_INFO=environ_path).fault(400)

    @pytest.mark.parametrize('query', ['a=%ff', 'a=%00', '%00=1', '%ff=1', '%ed%a0%80=1',
                                       '&'.join('a=1' for _ in range(1001)),
                                       'limit=%ff', 'marker=%00', 'name=%00'])
    def test_queries(self, api, query):
        _raw(api, PATH_INFO=f'/v3/{PROJECT}/types', QUERY_STRING=query).fault(400)

    @pytest.mark.parametrize('query', ["name='", 'marker=' + 'x' * 5000, 'sort=' + ',' * 500,
                                       'limit=%D9%A3', 'offset=1e3', 'limit=+1',
                                       'is_public=%F0%9F%92%A9', 'extra_specs=' + '[' * 3000,
                                       'extra_specs={1:2}', "extra_specs={'a':", 'a;b', '=', '&&'])
    def test_odd_queries_are_no_server_errors(self, api, query):
        assert _raw(api, PATH_INFO=f'/v3/{PROJECT}/types', QUERY_STRING=query).status in (
            200, 400)

    def test_too_large(self, api):
        answer = api.post(TYPES, raw=b'{"volume_type": {"name": "%s"}}' % (b'x' * 130000))
        assert (answer.status, answer.json) == (413, None)
        assert answer.headers['Content-Type'].startswith('text/plain')

    @pytest.mark.parametrize('length', ['x', '-1', '1.5', '9' * 30, '\u0663'])
    def test_content_length(self, api, length):
        answer = _raw(api, PATH_INFO=f'/v3/{PROJECT}/types', REQUEST_METHOD='POST',
                      CONTENT_TYPE='application/json', CONTENT_LENGTH=length)
        assert answer.status in (400, 413)

    def test_overlong_ids(self, api):
        for path in (TYPES, '/messages', '/volumes', '/snapshots', '/attachments'):
            api.get(f'{path}/{"x" * 3000}').fault(404)


def _raw(api, **environ):
    """A request with an environment of its own, which no client library would send."""
    import webob

    base = webob.Request.blank('/').environ
    base.update({'HTTP_X_AUTH_TOKEN': f'user:{PROJECT}',
                 'HTTP_OPENSTACK_API_VERSION': 'volume latest', **environ})
    return Answer(webob.Request(base).get_response(api.app))


class TestIdentity:
    def test_request_ids(self, api):
        for answer in (api.get(TYPES), api.get('/types/x'), api.get('/', bare=True)):
            ident = answer.headers['x-openstack-request-id']
            assert REQUEST_ID.fullmatch(ident)
            assert answer.headers['x-compute-request-id'] == ident

    def test_without_token_one_is_admin_of_the_project_in_the_url(self, api):
        answer = api.post(f'/v3/{"ab" * 16}/types', {'volume_type': {'name': 'n'}}, bare=True,
                          headers={'X-Auth-Token': None})
        assert answer.status == 200
        assert api.get('/v3/types', bare=True, headers={'X-Auth-Token': None}).status == 200

    def test_odd_tokens(self, api):
        for token in ('u', ':', 'a:b:c', 'u:', ' '):
            assert api.get('/v3/types', bare=True, headers={'X-Auth-Token': token}).status == 200
        api.get('/v3/types', bare=True, headers={'X-Auth-Token': 'u:' + 'p' * 300}).fault(400)
        api.get(TYPES, headers={'X-Auth-Token': '\xff'}).fault(400)

    def test_roles_narrow(self, api):
        api.as_roles('').get(TYPES).fault(403)
        api.as_roles('member').post(TYPES, {'volume_type': {'name': 'n'}}).fault(403)
        assert api.as_roles('ADMIN').post(TYPES, {'volume_type': {'name': 'n'}}).status == 200


class TestFaults:
    def test_nothing_inner_is_shown(self, api, monkeypatch, caplog):
        def broken(*_args, **_kwargs):
            raise ZeroDivisionError('password=secret')
        monkeypatch.setattr(types_db, 'list_rows', broken)
        answer = api.get(TYPES)
        assert 'secret' not in answer.fault(500)
        assert 'Traceback' in caplog.text and 'ZeroDivisionError' in caplog.text
        assert answer.headers['OpenStack-API-Version'] == 'volume 3.71'
        assert REQUEST_ID.fullmatch(answer.headers['x-openstack-request-id'])
