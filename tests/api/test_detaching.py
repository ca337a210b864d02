# SPDX-License-Identifier: Apache-2.0
"""Whoever takes a volume from a server that uses it (CVE-2023-2088): services may, users may not,
be they administrators."""
import pytest

from cinder.db import attachments as attachments_db
from cinder.db import volumes as volumes_db
from tests.fakes import compute as fake_compute
from tests.fakes.daemons import ADMIN

SERVER = '3f1f9a3c-3b0e-4f0e-9b0a-0d6d6b8c2f11'
CONNECTOR = {'host': 'node', 'initiator': 'iqn.1993-08.org.debian:01:x'}
BY_SERVICE = {'X-Service-Roles': 'service'}
# Name -> method, path and body; '<...>' is an id.
WAYS = {
    'delete': ('DELETE', '/attachments/<attachment>', None),
    'detach': ('POST', '/volumes/<volume>/action', {'os-detach': {}}),
    'detach by id': ('POST', '/volumes/<volume>/action',
                     {'os-detach': {'attachment_id': '<attachment>'}}),
    'terminate': ('POST', '/volumes/<volume>/action',
                  {'os-terminate_connection': {'connector': CONNECTOR}}),
    'force': ('POST', '/volumes/<volume>/action', {'os-force_detach': {}}),
    'force by connector': ('POST', '/volumes/<volume>/action', {'os-force_detach': {
        'attachment_id': '<attachment>', 'connector': CONNECTOR}}),
}
FOR_ADMINISTRATORS = {'force', 'force by connector'}


@pytest.fixture
def nova():
    with fake_compute.running() as server:
        yield server


@pytest.fixture
def attached(volume):
    """Attach the volume: ids of volume and attachment."""
    def attach(server=SERVER):
        volumes_db.overwrite(ADMIN, volume['id'], {'status': 'in-use', 'attach_status': 'attached'})
        made = attachments_db.create(ADMIN, {
            'volume_id': volume['id'], 'instance_uuid': server, 'attach_status': 'attached',
            'connector': CONNECTOR, 'attach_mode': 'rw'})
        return {'volume': volume['id'], 'attachment': made.id}
    return attach


def send(client, way, ids, headers=None):
    method, path, body = WAYS[way]
    for name, ident in ids.items():
        path = path.replace(f'<{name}>', ident)
        body = body and {key: {inner: ident if value == f'<{name}>' else value
                               for inner, value in args.items()} for key, args in body.items()}
    return client.request(method, path, body, headers=headers)


def callers(api, way):
    """Who passes the policy of a way."""
    yield api.as_roles('admin')
    if way not in FOR_ADMINISTRATORS:
        yield api.as_roles('member')


@pytest.mark.parametrize('way', WAYS)
def test_users_may_not_where_nobody_can_be_asked(api, attached, way):
    ids = attached()
    for caller in callers(api, way):
        assert SERVER in send(caller, way, ids).fault(409)
    assert [row.id for row in attachments_db.for_volume(ADMIN, ids['volume'])] == [
        ids['attachment']]
    assert volumes_db.get(ADMIN, ids['volume']).status == 'in-use'


@pytest.mark.parametrize('way', WAYS)
def test_users_may_not_what_a_server_uses(api, nova, attached, way, daemons):
    ids = attached()
    nova.uses[SERVER, ids['volume']] = ids['attachment']
    for caller in callers(api, way):
        send(caller, way, ids).fault(409)
        # A role of the user's own token, and a service token with other roles, say nothing.
        send(api.as_roles(f'{caller.roles},service'), way, ids).fault(409)
        send(caller, way, ids, {'X-Service-Roles': 'member,reader'}).fault(409)
    assert daemons.messages == []


@pytest.mark.parametrize('way', WAYS)
def test_users_may_what_the_server_no_longer_has(api, nova, attached, way):
    ids = attached()
    caller = list(callers(api, way))[-1]
    assert send(caller, way, ids).status in (200, 202)
    assert len(nova.seen) == 1


@pytest.mark.parametrize('way', WAYS)
def test_users_may_what_no_server_has(api, attached, way):
    caller = list(callers(api, way))[-1]
    assert send(caller, way, attached(server=None)).status in (200, 202)


@pytest.mark.parametrize('way', WAYS)
def test_services_may(api, nova, attached, way):
    ids = attached()
    nova.uses[SERVER, ids['volume']] = ids['attachment']
    caller = list(callers(api, way))[-1]
    assert send(caller, way, ids, BY_SERVICE).status in (200, 202)
    assert nova.seen == []


@pytest.mark.parametrize('way', WAYS)
def test_without_an_answer_it_is_503(api, nova, attached, way):
    nova.answer = 500
    answer = send(api.as_roles('admin'), way, attached())
    assert answer.fault(503) and answer.headers['Retry-After']


def test_another_attachment_of_the_volume_protects_its_export(api, nova, attached):
    ids = attached()
    nova.uses[SERVER, ids['volume']] = ids['attachment']
    volumes_db.update(ADMIN, ids['volume'], {'multiattach': True})
    second = attachments_db.create(ADMIN, {'volume_id': ids['volume'], 'attach_status': 'attached',
                                           'connector': CONNECTOR, 'attach_mode': 'rw'})
    admin = api.as_roles('admin')
    send(admin, 'force by connector', {**ids, 'attachment': second.id}).fault(409)
    assert send(admin, 'detach by id', {**ids, 'attachment': second.id}).status == 202


def test_strangers_learn_nothing(api, nova, attached):
    ids = attached()
    stranger = api.as_roles('member', project='f' * 32)
    for way in WAYS:
        send(stranger, way, ids).fault(404)
    assert nova.seen == []


def test_noauth_without_roles_is_a_service_too(api, attached):
    assert send(api, 'delete', attached()).json == {'attachments': []}
