# SPDX-License-Identifier: Apache-2.0
"""An image service that sends something else than it says, or does not finish: a bounded number of
requests, a reason for the user, and nothing is left. Over sockets:
tests/functional/test_untrue_images.py."""
import hashlib
import io

import pytest
import urllib3

from cinder import compute
from cinder.conf import CONF
from cinder.db import messages as messages_db
from cinder.db import operations as operations_db
from cinder.db import volumes as volumes_db
from cinder.image import glance
from cinder.volume.api import images as images_api
from cinder.volume.api import volumes as volumes_api
from tests.fakes import image_service as fake
from tests.fakes.journal import schedule
from tests.unit.volume.conftest import BACKEND, POOL

DATA = b'the bytes of a disk'
AWAY = 'The image service is unavailable at this time.'


class Broken(io.BytesIO):
    """Data that breaks off with an error of the library."""

    def __init__(self, data, error):
        super().__init__(data)
        self._error = error

    def _checked(self, data):
        if not data:
            raise self._error
        return data

    def read(self, *args):
        return self._checked(super().read(*args))

    def read1(self, *args):
        return self._checked(super().read1(*args))


def sends(data=None, status=200, error=None, **headers):
    """Return how the data of an image is answered."""
    def answer(context, real):
        context.status_code = status
        context.headers.update({name.replace('_', '-'): value for name, value in headers.items()})
        content = data(real) if callable(data) else real if data is None else data
        return io.BytesIO(content) if error is None else Broken(content, error)
    return answer


STALL = urllib3.exceptions.ReadTimeoutError(None, 'url', 'Read timed out.')
CUT = urllib3.exceptions.ProtocolError('Connection broken')
# What happens to the data -> what the user is told, and how often the data is asked for.
TRANSFERS = {
    'half': (sends(lambda data: data[:9]), AWAY, 4),
    'nothing': (sends(b''), AWAY, 4),
    'one byte more': (sends(lambda data: data + b'x'), AWAY, 4),
    'without an end': (sends(lambda data: data * 2 ** 17), AWAY, 4),
    'a stall before it': (sends(b'', error=STALL), AWAY, 4),
    'a stall in it': (sends(lambda data: data[:9], error=STALL), AWAY, 4),
    'a connection that breaks': (sends(lambda data: data[:9], error=CUT), AWAY, 4),
    'other bytes': (sends(lambda data: data[::-1]), 'damaged', 1),
    'a page': (sends(b'<html>Sign in first'), 'damaged', 1),
    'no content': (sends(b'', 204), 'has no data', 1),
    'gone': (sends(b'', 404), 'could not be found', 1),
    'no rights': (sends(b'no', 403), 'does not allow', 1),
    'a range': (sends(b'', 416), AWAY, 16),
    'an error': (sends(b'', 500), AWAY, 16),
    'busy': (sends(b'', 503, Retry_After='3600'), AWAY, 16),
    'busy until a day': (sends(b'', 503, Retry_After='Wed, 21 Oct 2115 07:28:00 GMT'), AWAY, 16),
    'elsewhere': (sends(b'', 302, Location='http://elsewhere.test/'), AWAY, 16),
    'elsewhere for ever': (sends(b'', 301, Location='http://one.test/v2'), AWAY, 16),
}
SHA = hashlib.sha512(DATA).hexdigest()
# What is said of the image when its data is needed -> what the user is told.
DESCRIPTIONS = {
    'fewer bytes': ({'size': 9}, AWAY), 'more bytes': ({'size': 99}, AWAY),
    'no size': ({'size': None}, 'does not know its size'), 'no byte': ({'size': 0}, AWAY),
    'a size as text': ({'size': '19'}, AWAY), 'half a byte': ({'size': 19.5}, AWAY),
    'less than nothing': ({'size': -1}, AWAY), 'size true': ({'size': True}, AWAY),
    'a size of 2 GiB': ({'size': 2 ** 31}, '2 GiB'),
    'a disk of 2 GiB': ({'virtual_size': 2 ** 31}, '2 GiB'),
    'another id': ({'id': '00000000-0000-4000-8000-000000000001'}, AWAY),
    'no id': ({'id': None}, AWAY), 'a list as status': ({'status': ['active']}, AWAY),
    'deactivated': ({'status': 'deactivated'}, 'deactivated'),
    'a list as format': ({'disk_format': ['raw']}, AWAY),
    'an object as checksum': ({'os_hash_value': {}}, AWAY),
    'another checksum': ({'os_hash_value': SHA[::-1]}, 'damaged'),
    'another algorithm': ({'os_hash_algo': 'sha256'}, 'damaged'),
    'md5 of something': ({'os_hash_algo': None, 'checksum': '0' * 32}, 'damaged'),
    'md5 for an unknown algorithm': ({'os_hash_algo': 'new', 'checksum': '0' * 32}, 'damaged'),
}


@pytest.fixture
def service(monkeypatch, ctxt):
    ctxt.auth_token = 'of the caller'
    monkeypatch.setattr(glance, 'LONGEST_PAUSE', 0)
    monkeypatch.setattr(compute, 'notify_reimaged', lambda *_args, **_named: None)
    for name in ('volumes', 'gigabytes'):
        monkeypatch.setattr(CONF, f'quota_{name}', -1, raising=False)
    with fake.running(monkeypatch) as running:
        yield running


@pytest.fixture
def deliver(ctxt, manager, sent):
    """Deliver the last message; returns the operation as it is then."""
    manager.runner.stop()

    def run():
        _method, arguments = sent[-1]
        operation = arguments['operation']
        manager.runner.handlers[operation.verb](ctxt, **arguments)
        return operations_db.get(ctxt, operation.id)
    return run


@pytest.fixture
def begin(ctxt, service, sent, deliver):
    """Have a volume wait for its image, or a full one be overwritten with it; returns the ids of
    both."""
    def make(full=False):
        ident = service.add(DATA, checksum=hashlib.md5(DATA).hexdigest())
        first = service.add(b'old') if full else ident
        service.sends = None
        made = volumes_api.create(ctxt, size=1, image=images_api.find(ctxt, first))
        operation = sent[-1][1]['operation']
        volumes_db.update(ctxt, made.id, {'host': POOL})
        schedule(ctxt, operation, BACKEND)
        sent.append(('create_volume', {'operation': operation,
                                       'volume': volumes_db.get(ctxt, made.id)}))
        assert deliver().state == 'done'
        if full:
            assert deliver().state == 'done'
            images_api.reimage(ctxt, volumes_db.get(ctxt, made.id), ident)
        service.seen.clear()
        return made.id, ident
    return make


@pytest.fixture
def fault(ctxt, deliver, folder, tmp_path):
    """Deliver the operation of a volume that must fail; return what is wrong then, or None."""
    def find(volume_id, words):
        state = deliver().state
        volume = volumes_db.get(ctxt, volume_id)
        told = [row['user_message'] for row in messages_db.list_rows(
            ctxt, filters={'resource_uuid': volume_id}).rows]
        with (folder / f'volume-{volume_id}').open('rb') as file:
            data = file.read(2 ** 20).strip(b'\0')
        left = list((tmp_path / 'conversion').glob('*#*'))
        good = (state == 'failed' and volume.status == 'error' and len(told) == 1
                and words in told[0] and data in (b'', b'old') and not left
                and volume.bootable == bool(volume.glance_metadata))
        return None if good else (state, volume.status, told, data[:20], left)
    return find


@pytest.mark.parametrize('full', [False, True], ids=['new', 'full'])
def test_data(service, begin, fault, full):
    wrong = {}
    for what, (answer, words, requests) in TRANSFERS.items():
        volume, _image = begin(full)
        service.sends = answer
        found = fault(volume, words)
        asked = [host for _method, host, path in service.seen if path.endswith('/file')]
        if found or len(asked) != requests or set(asked) - {'one.test', 'two.test'}:
            wrong[what] = found, asked
    assert wrong == {}


def test_descriptions(service, begin, fault):
    wrong = {}
    for what, (changes, words) in DESCRIPTIONS.items():
        volume, image = begin()
        service.images[image].update(changes)
        wrong[what] = fault(volume, words)
    assert {what: found for what, found in wrong.items() if found} == {}


@pytest.mark.parametrize('full', [False, True], ids=['new', 'full'])
def test_an_image_without_a_byte(ctxt, service, begin, deliver, folder, full):
    volume, image = begin(full)
    service._keep(image, b'')
    service.images[image]['checksum'] = hashlib.md5(b'').hexdigest()
    service.sends = sends(b'', 204)
    assert deliver().state == 'done'
    assert volumes_db.get(ctxt, volume).status == 'available'
    assert (folder / f'volume-{volume}').open('rb').read(2 ** 20).strip(b'\0') == b''


def test_a_transfer_that_succeeds_in_the_end(service, begin, deliver, folder):
    for what in ('half', 'a stall in it', 'a connection that breaks'):
        for failures in (1, 3):
            volume, _image = begin()
            left = [TRANSFERS[what][0]] * failures
            service.sends = lambda context, data, left=left: (
                left.pop() if left else sends())(context, data)
            assert deliver().state == 'done'
            assert (folder / f'volume-{volume}').open('rb').read(len(DATA)) == DATA
