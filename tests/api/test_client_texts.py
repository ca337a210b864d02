# SPDX-License-Identifier: Apache-2.0
"""Every text of an error that the suites of clients match, as they match it.

Searched were the code and tests of python-cinderclient 9.10.0, python-openstackclient 10.5.0,
openstacksdk 4.22.0, Tempest 47.0.0 and cinder-tempest-plugin 1.23.0. What is not here they do not
match: they look at the status only."""
import re

import pytest

from cinder.db import quotas as quotas_db
from tests.api.client import PROJECT
from tests.fakes.daemons import ADMIN

CREATE = ('POST', '/volumes', lambda size: {'volume': {'size': size}})
EXTEND = ('POST', '/volumes/{volume}/action', lambda size: {'os-extend': {'new_size': size}})
# (who matches it, request, its value, status, expression)
TEXTS = [
    ('cinderclient test_volume_create_cli', CREATE, -1, 400,
     'Invalid input for field/attribute size'),
    ('cinderclient test_volume_create_cli', CREATE, 0, 400,
     'Invalid input for field/attribute size'),
    ('cinderclient test_volume_create_cli', CREATE, 999999999, 413,
     'VolumeSizeExceedsAvailableQuota'),
    ('cinderclient test_volume_extend_cli', EXTEND, -1, 400,
     'Invalid input for field/attribute new_size. Value: -1. -1 is less than the minimum of 1'),
    ('cinderclient test_volume_extend_cli', EXTEND, 0, 400,
     'Invalid input for field/attribute new_size. Value: 0. 0 is less than the minimum of 1'),
    ('cinderclient test_volume_extend_cli', EXTEND, 999999999, 413,
     'VolumeSizeExceedsAvailableQuota'),
    ('Tempest RestClient.is_absolute_limit', CREATE, 999999999, 413, 'exceed'),
    ('Tempest RestClient.is_absolute_limit', EXTEND, 999999999, 413, 'exceed'),
]


@pytest.mark.parametrize(('who', 'request_', 'value', 'status', 'expression'), TEXTS)
def test_text(api, volume, who, request_, value, status, expression):
    method, path, body = request_
    answer = api.request(method, path.format(volume=volume['id']), body(value))
    assert re.search(expression, answer.fault(status)), who


@pytest.mark.parametrize(('quota', 'path', 'body'), [
    ('volumes', '/volumes', {'volume': {'size': 1}}),
    ('gigabytes', '/volumes', {'volume': {'size': 1}}),
    ('per_volume_gigabytes', '/volumes', {'volume': {'size': 2}}),
    ('snapshots', '/snapshots', {'snapshot': {'volume_id': '{volume}'}}),
    ('backups', '/backups', {'backup': {'volume_id': '{volume}'}}),
    ('backup_gigabytes', '/backups', {'backup': {'volume_id': '{volume}'}})])
def test_an_overrun_quota_is_no_rate_limit(world, quota, path, body):
    """Tempest takes a 413 with Retry-After for a rate limit, unless its text says `exceed`."""
    api = world.api
    quotas_db.set_limits(ADMIN, PROJECT, {quota: 1 if quota.startswith('per') else 0})
    (key, inner), = body.items()
    inner = {name: world.ids['volume'] if value == '{volume}' else value
             for name, value in inner.items()}
    answer = api.post(path, {key: inner})
    assert 'exceed' in answer.fault(413)
    assert answer.headers['Retry-After'] == '0'


def test_faults_are_read_by_every_client(api, nobody):
    """One key, whose value holds the text as `message`: cinderclient takes the first key,
    openstacksdk every one that has a message; the request id is looked for in both headers."""
    answer = api.get(f'/volumes/{nobody}')
    (name, inner), = answer.json.items()
    assert name == 'itemNotFound' and nobody in inner['message']
    assert answer.headers['Content-Type'] == 'application/json'
    assert answer.headers['x-compute-request-id'] == answer.headers['x-openstack-request-id']
