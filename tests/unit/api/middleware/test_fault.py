# SPDX-License-Identifier: Apache-2.0
"""Exceptions become faults by their type."""
import json

import pytest

from cinder import context, exception
from cinder.api.middleware import fault

ENVIRON = {'REQUEST_METHOD': 'GET', 'PATH_INFO': '/x'}


@pytest.mark.parametrize(('exc', 'status', 'name', 'shown'), [
    (exception.InvalidInput(reason='r'), 400, 'badRequest', 'Invalid input: r'),
    (exception.PolicyNotAuthorized(action='a:b'), 403, 'forbidden', 'a:b'),
    (exception.VolumeNotFound(volume_id='v1'), 404, 'itemNotFound', 'v1'),
    (exception.VolumeTypeExists(id='t'), 409, 'conflictingRequest', 't'),
    (exception.InvalidContentType(content_type='x/y'), 415, 'badMediaType', 'x/y'),
    (exception.InvalidGlobalAPIVersion(req_ver='9.9', min_ver='3.0', max_ver='3.71'), 406,
     'computeFault', '9.9'),
    (exception.RPCTimeout(), 503, 'serviceUnavailable', 'in time'),
    (exception.VolumeBackendAPIException(data='secret'), 500, 'computeFault', ''),
    (ValueError('secret'), 500, 'computeFault', '')])
def test_faults(exc, status, name, shown):
    response = fault.fault_response(exc, ENVIRON)
    assert response.status_int == status
    inner = response.json[name]
    assert inner['code'] == status
    assert inner['message'] and shown in inner['message']
    assert 'secret' not in json.dumps(response.json)


def test_quota_faults_say_when_to_come_back():
    response = fault.fault_response(exception.SnapshotLimitExceeded(allowed=3), ENVIRON)
    assert response.json['overLimit']['retryAfter'] == '0'
    assert ('Retry-After', '0') in response.headerlist


def test_a_failed_precondition_has_no_body():
    response = fault.fault_response(exception.PreconditionFailed(), ENVIRON)
    assert (response.status_int, response.body) == (412, b'')


def test_server_errors_are_logged_with_their_cause(caplog):
    try:
        raise ValueError('inner')
    except ValueError as exc:
        fault.fault_response(exc, ENVIRON)
    assert 'GET /x' in caplog.text
    assert 'ValueError: inner' in caplog.text


def test_what_is_away_is_logged_in_one_line(caplog):
    try:
        raise exception.ServiceUnavailable() from ConnectionError('nobody\nlistens')
    except exception.ServiceUnavailable as exc:
        fault.fault_response(exc, ENVIRON)
    line, = caplog.text.splitlines()
    assert 'GET /x' in line and 'ServiceUnavailable' in line
    assert r'ConnectionError nobody\nlistens' in line


@pytest.mark.parametrize(('environ', 'path'), [
    ({'SCRIPT_NAME': '/v3', 'PATH_INFO': '/x\nERROR \xc3\xa9'}, '/v3/x%0AERROR%20%C3%A9'),
    # eventlet; gunicorn; uWSGI and mod_wsgi
    ({'RAW_PATH_INFO': '/v3/%41', 'PATH_INFO': '/A', 'QUERY_STRING': 'a=%0a'}, '/v3/%41?a=%0a'),
    ({'RAW_URI': '/v3/%41?a=\n', 'QUERY_STRING': 'a=\n'}, r'/v3/%41?a=\n'),
    ({'REQUEST_URI': '/v3/%41?a=1&auth_token=x&b'}, '/v3/%41?a=1&auth_token=***&b'),
])
def test_the_log_has_the_path_as_it_was_sent_and_nobody_else_begins_a_line(caplog, environ, path):
    caplog.set_level('INFO')
    fault.fault_response(exception.Invalid('no \r\n such'), {**ENVIRON, **environ})
    assert [record.getMessage() for record in caplog.records] == [
        rf'GET {path}: 400 no \r\n such']


def test_a_line_names_the_request_where_the_log_does_not(caplog):
    for known in ('the same', 'another'):
        context.RequestContext(user_id='u', project_id='p', request_id=f'req-{known}')
        fault.fault_response(exception.ServiceUnavailable(),
                             {**ENVIRON, 'openstack.request_id': 'req-the same'})
    assert ['(req-the same)' in record.getMessage() for record in caplog.records] == [False, True]


def test_twice_in_a_pipeline_the_filter_between_sees_answers():
    seen, sent = [], []

    def failing(_environ, _start):
        raise exception.Invalid('wrong')

    def between(environ, start_response):
        def start(status, headers, *rest):
            seen.append(status[:3])
            return start_response(status, headers, *rest)
        return fault.FaultWrapper(failing)(environ, start)
    fault.FaultWrapper(between)({**ENVIRON}, lambda _status, headers: sent.extend(headers))
    assert seen == ['400']
    assert [name for name, _value in sent].count('x-openstack-request-id') == 1
