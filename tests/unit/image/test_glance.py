# SPDX-License-Identifier: Apache-2.0
"""The client of the image service: servers that fail, what refusals mean, whose token is sent."""
import uuid

import pytest

from cinder import exception
from cinder.conf import CONF
from cinder.image import glance
from tests.fakes import image_service as fake

NOBODY = str(uuid.uuid4())


@pytest.fixture
def service(monkeypatch):
    with fake.running(monkeypatch) as running:
        yield running


@pytest.fixture
def images(service):
    return glance.for_service()


@pytest.mark.parametrize('trouble', [500, 502, 503, 401, 302, 'silence'])
def test_another_server_is_asked(service, images, trouble):
    ident = service.add()
    service.troubles = [trouble]
    assert images.show(ident)['name'] == 'picture'
    assert service.seen == [('GET', host, f'/v2/images/{ident}')
                            for host in ('one.test', 'two.test')]


def test_it_is_not_asked_for_ever(service, images, caplog):
    service.troubles = [503] * 9
    with pytest.raises(exception.ImageServiceUnavailable) as raised:
        images.show(NOBODY)
    assert len(service.seen) == CONF.glance_num_retries + 1
    # The caller is not told what the log is.
    assert 'No & never' in caplog.text and '503' not in str(raised.value)


@pytest.mark.parametrize(('status', 'error'), [
    (400, exception.InvalidInput), (403, exception.NotAuthorized), (404, exception.ImageNotFound),
    (409, exception.ImageConflict), (413, exception.ImageLimitExceeded)])
def test_a_refusal_is_told_once(service, images, status, error):
    service.troubles = [status]
    with pytest.raises(error, match=NOBODY if status == 404 else 'No & never'):
        images.upload(NOBODY, iter([b'data']))
    assert len(service.seen) == 1


def test_the_data_of_an_image(service, images):
    ident = service.add(b'x' * (glance.CHUNK + 1))
    assert [len(chunk) for chunk in images.download(ident)] == [glance.CHUNK, 1]


def test_an_image_is_made_and_goes(service, images):
    ident = str(uuid.uuid4())
    assert images.create(ident, {'name': 'n'})['status'] == 'queued'
    # The answer may have been lost: then it is there.
    assert images.create(ident, {'name': 'n'})['id'] == ident
    images.upload(ident, iter([b'a', b'b']))
    assert (images.show(ident)['status'], service.data[ident]) == ('active', b'ab')
    service.images[ident]['protected'] = True
    images.delete(ident)
    images.delete(ident)
    assert service.images == {}


def test_data_is_not_sent_twice(service, images):
    """What is left to send at a second try is nothing, and would be taken for an image."""
    ident = images.create(str(uuid.uuid4()), {'name': 'n'})['id']
    service.troubles = [401]
    with pytest.raises(exception.ImageServiceUnavailable):
        images.upload(ident, iter([b'data']))
    assert service.images[ident]['status'] == 'queued'


@pytest.mark.parametrize('body', [b'[]', b'{', b'{}'])
def test_nonsense_is_no_answer(service, images, body):
    ident = service.add()
    service.images[ident] = {}
    service._answer = lambda *_arguments: body
    with pytest.raises(exception.ImageServiceUnavailable):
        images.show(ident)


def test_the_api_asks_with_the_callers_token(service, ctxt, option):
    ctxt.auth_token = 'the callers'
    ident = service.add()
    option('auth_strategy', 'keystone')
    glance.for_caller(ctxt).show(ident)
    glance.for_service().show(ident)
    assert service.tokens == ['the callers', 'notused']


def test_without_a_service(ctxt):
    glance._session.cache_clear()
    with pytest.raises(exception.NoImageService):
        glance.for_caller(ctxt)
