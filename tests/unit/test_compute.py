# SPDX-License-Identifier: Apache-2.0
"""Asking the compute service, here a fake one, whether a server uses a volume."""
import pytest

from cinder import compute, exception
from tests.fakes import compute as fake

SERVER, VOLUME, MINE, OTHER = 'server', 'volume', 'attachment', 'other'


@pytest.fixture
def nova():
    with fake.running() as server:
        yield server


def test_what_a_server_uses(nova):
    nova.uses[SERVER, VOLUME] = MINE
    assert compute.uses(SERVER, VOLUME, MINE)
    # By another attachment, as while a server moves between hosts.
    assert not compute.uses(SERVER, VOLUME, OTHER)
    assert not compute.uses('gone', VOLUME, MINE)
    assert nova.seen[0] == f'/v2.1/servers/{SERVER}/os-volume_attachments/{VOLUME}'


def test_an_old_service_does_not_tell_the_attachment(nova):
    nova.uses[SERVER, VOLUME] = OTHER
    nova.answer = 406
    assert compute.uses(SERVER, VOLUME, MINE)
    assert len(nova.seen) == 2


@pytest.mark.parametrize('status', [401, 403, 500, 503])
def test_no_answer_is_no_permission(nova, status, caplog):
    nova.answer = status
    with pytest.raises(exception.ServiceUnavailable):
        compute.uses(SERVER, VOLUME, MINE)
    assert str(status) in caplog.text and SERVER in caplog.text


@pytest.mark.parametrize('body', [b'[]', b'{', b'{"volumeAttachment": null}', b'{}'])
def test_nonsense_is_no_answer(nova, body):
    nova.answer, nova.body = 200, body
    with pytest.raises(exception.ServiceUnavailable):
        compute.uses(SERVER, VOLUME, MINE)


def test_a_silent_service(nova):
    nova.silent = True
    with pytest.raises(exception.ServiceUnavailable):
        compute.uses(SERVER, VOLUME, MINE)


@pytest.mark.parametrize(('hosts', 'found'), [({SERVER: 'n1'}, 'n1'), ({SERVER: None}, None),
                                              ({}, None)])
def test_host_of_a_server(nova, hosts, found):
    nova.hosts = hosts
    assert compute.find_host(SERVER) == found
    assert nova.seen == [f'/v2.1/servers/{SERVER}']


@pytest.mark.parametrize(('trouble', 'words'), [
    ({'answer': 500}, 'it answered with status 500'), ({'silent': True}, 'nobody listens'),
    ({'answer': 200, 'body': b'{"server": {"id": "x"}}'}, 'OS-EXT-SRV-ATTR:host'),
    ({'answer': 200, 'body': b'{'}, 'JSON')])
def test_host_that_the_service_does_not_tell(nova, trouble, words):
    for name, value in trouble.items():
        setattr(nova, name, value)
    with pytest.raises(exception.ServiceUnavailable, match=words):
        compute.find_host(SERVER)


def test_host_where_nobody_can_be_asked():
    compute._client.cache_clear()
    with pytest.raises(exception.ServiceUnavailable, match='no credentials'):
        compute.find_host(SERVER)


def test_where_nobody_can_be_asked_it_is_in_use():
    compute._client.cache_clear()
    assert compute.uses(SERVER, VOLUME, MINE)


def test_a_server_is_asked_to_copy_a_volume(nova):
    assert compute.is_configured()
    compute.swap(SERVER, VOLUME, 'new')
    assert nova.swapped == [(SERVER, VOLUME, 'new')]


@pytest.mark.parametrize(('status', 'error'), [
    (400, exception.ComputeRefused), (404, exception.ComputeRefused),
    (409, exception.ComputeRefused), (500, exception.ServiceUnavailable),
    (None, exception.ServiceUnavailable)])
def test_what_is_not_copied(nova, status, error):
    nova.answer, nova.silent = status, status is None
    with pytest.raises(error):
        compute.swap(SERVER, VOLUME, 'new')


@pytest.mark.parametrize('status', [200, 404, None])
def test_servers_are_told_of_a_larger_volume(nova, status, caplog):
    nova.answer, nova.silent = status, status is None
    compute.notify_extended([SERVER], VOLUME)
    assert nova.events == ([] if nova.silent else [
        {'name': 'volume-extended', 'server_uuid': SERVER, 'tag': VOLUME}])
    assert ('could not be sent' in caplog.text) == (status != 200)


def test_nobody_is_told_of_what_nobody_uses(nova):
    compute.notify_extended([], VOLUME)
    assert nova.events == []


@pytest.mark.parametrize(('done', 'status'), [(True, 'completed'), (False, 'failed')])
def test_servers_are_told_of_a_new_image(nova, done, status):
    compute.notify_reimaged([SERVER], VOLUME, done)
    assert nova.events == [{'name': 'volume-reimaged', 'server_uuid': SERVER, 'tag': VOLUME,
                            'status': status}]
    assert nova.versions == ['compute 2.93']
