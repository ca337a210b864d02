# SPDX-License-Identifier: Apache-2.0
"""Cleanup of workers, over HTTP. All of it is 3.24."""
import pytest

from cinder import context
from cinder.db import services as services_db

URL = '/workers/cleanup'


@pytest.fixture
def services(api):
    """One that is up and one that is down."""
    ctxt = context.get_admin_context()
    made = [services_db.create(ctxt, {'host': host, 'binary': 'cinder-volume', 'topic': 't'})
            for host in ('n1@lvm', 'n2@lvm')]
    services_db.heartbeat(ctxt, made[0].id)
    services_db.update(ctxt, made[1].id, {'updated_at': made[1].created_at.replace(year=2020)})
    return [{'id': one.id, 'host': one.host, 'binary': one.binary, 'cluster_name': None}
            for one in made]


def test_asks_who_is_there(api, services, bus):
    answer = api.post(URL, {})
    assert answer.status == 202
    assert answer.json == {'cleaning': services[:1], 'unavailable': services[1:]}
    message, = bus.sent
    assert (message.kind, message.host, message.method) == ('cast', 'n1@lvm', 'take_over')
    assert message.args == {'dead': [], 'resource_type': None, 'resource_id': None}


@pytest.mark.parametrize('body', [
    {'is_up': 'false'}, {'host': 'n2@lvm', 'binary': 'cinder-volume'}, {'disabled': True},
    {'service_id': '2', 'cluster_name': None, 'host': None, 'resource_id': None},
    {'resource_type': '', 'is_up': False}])
def test_filters(api, services, body):
    answer = api.post(URL, body).json
    assert answer['cleaning'] == []
    assert answer['unavailable'] == ([] if 'disabled' in body else services[1:])


def test_a_resource_needs_a_left_over(api, services, nobody, bus):
    assert nobody in api.post(URL, {'resource_id': nobody}).fault(400)
    body = {'resource_id': nobody, 'host': 'n1@lvm', 'resource_type': 'VOLUME'}
    assert api.post(URL, body).json['cleaning'] == services[:1]
    assert bus.sent[0].args == {'dead': [], 'resource_type': 'volume', 'resource_id': nobody}


@pytest.mark.parametrize('body', [
    {'zz': 1}, {'resource_type': 'zz'}, {'resource_id': 'zz'}, {'is_up': 'zz'},
    {'disabled': None}, {'binary': 'cinder-backup'}, {'binary': None}, {'host': 'a b'},
    {'host': ''}, {'cluster_name': 5}, {'service_id': 'x'}, {'service_id': -1}])
def test_bad_bodies(api, body):
    api.post(URL, body).fault(400)


def test_admin_only_and_gate(member, api):
    member.post(URL, {}).fault(403)
    api.post(URL, {}, mv='3.23').fault(404)
