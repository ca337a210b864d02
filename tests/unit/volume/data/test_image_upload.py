# SPDX-License-Identifier: Apache-2.0
"""What sends an image ends at once, whatever the image service, qemu-img or the storage do."""
import threading
import types

import pytest

from cinder import exception
from cinder.brick.local_dev.throttle import UNLIMITED
from cinder.image import glance, image_convert, image_properties
from cinder.volume.data import image_upload, volume_copy
from tests.fakes.counted import CountedThrottle

SIZE = 2 * glance.CHUNK


class Ended(Exception):
    """The volume was deleted."""


@pytest.fixture
def path(tmp_path):
    file = tmp_path / 'volume'
    file.write_bytes(b'data'.ljust(SIZE, b'\0'))
    return str(file)


class Images:
    """An image service that takes a piece, and then nothing until the test lets it go on."""

    def __init__(self):
        self.goes_on, self.taken, self.errors = threading.Event(), [], []
        self.ended = threading.Event()

    def upload(self, _image_id, data, _store):
        try:
            for piece in data:
                self.taken.append(len(piece))
                self.goes_on.wait(10)
        except OSError as exc:
            raise exception.ImageServiceUnavailable(reason=exc) from exc
        except Exception as exc:
            self.errors.append(exc)
            raise
        finally:
            self.ended.set()


def test_an_image_service_that_takes_nothing(path):
    images = Images()

    def report(_done):
        raise Ended
    with pytest.raises(Ended):
        image_upload.send(images, 'i', path, SIZE, UNLIMITED, report)
    sent = list(images.taken)
    images.goes_on.set()
    assert images.ended.wait(10)
    # The thread that has sent it reads the storage no more.
    assert images.taken == sent and len(images.errors) == 1


def test_all_is_sent(path):
    images = Images()
    images.goes_on.set()
    image_upload.send(images, 'i', path, SIZE, UNLIMITED, lambda _done: None)
    assert sum(images.taken) == SIZE


def test_a_storage_that_cannot_be_read_is_not_the_image_service(path, monkeypatch):
    def fail(*_args):
        raise OSError(5, 'Input/output error')
    monkeypatch.setattr(image_upload.blocking, 'piece', fail)
    with pytest.raises(exception.VolumeBackendAPIException, match='Input/output'):
        image_upload.send(Images(), 'i', path, SIZE, UNLIMITED, lambda _done: None)


@pytest.mark.parametrize('step', ['copied', 'converted'])
def test_before_it_is_sent(path, tmp_path, monkeypatch, conf, step):
    """A device is copied, and converted by qemu-img; the steps check whether they may continue."""
    driver = types.SimpleNamespace(local_path=lambda _volume: path, throttle=UNLIMITED)
    if step == 'copied':
        monkeypatch.setattr(image_upload.os, 'access', lambda *_args: False)
        monkeypatch.setattr(volume_copy, 'mover_of', lambda _backend: None)
        monkeypatch.setattr(volume_copy, 'copy', lambda *_args, **_kwargs: iter([SIZE]))
    else:
        monkeypatch.setattr(image_convert, '_convert', lambda *_args, check: check())
    reported = []

    def report(done):
        reported.append(done)
        raise Ended
    backend = types.SimpleNamespace(driver=driver, host='h@b')
    with pytest.raises(Ended), image_upload.image_data(
            backend, types.SimpleNamespace(size=1), 'i', 'qcow2', 'bare', report):
        pass
    assert reported == [SIZE if step == 'copied' else 0]


@pytest.mark.parametrize(('disk_format', 'container', 'limit', 'device', 'before', 'sent'), [
    # As it is: the volume is read when it is sent.
    ('raw', 'bare', 2 ** 50, False, 0, SIZE), ('raw', 'bare', 0, False, 0, SIZE),
    # Converted by qemu-img, which is not limited: it gets a copy that was.
    ('qcow2', 'bare', 2 ** 50, False, SIZE, 4), ('qcow2', 'compressed', 2 ** 50, False, SIZE, 24),
    ('qcow2', 'bare', 2 ** 50, True, SIZE, 4), ('qcow2', 'bare', 0, True, SIZE, 4),
    # A file that qemu-img may read, without a limit.
    ('qcow2', 'bare', 0, False, 0, 4),
    # Compressed while it is read.
    ('raw', 'compressed', 2 ** 50, False, SIZE, None)])
def test_each_read_of_the_volume_keeps_the_rate(path, monkeypatch, conf, disk_format, container,
                                                limit, device, before, sent):
    def convert(source, made, *_args, check):
        sources.append(source)
        with open(made, 'wb') as file:
            file.write(b'made')

    sources: list[str] = []
    throttle, images = CountedThrottle(limit), Images()
    images.goes_on.set()
    monkeypatch.setattr(image_properties, 'GIB', SIZE)
    monkeypatch.setattr(image_convert, 'from_disk', convert)
    if device:
        monkeypatch.setattr(image_upload.os, 'access', lambda *_args: False)
    driver = types.SimpleNamespace(local_path=lambda _volume: path, throttle=throttle,
                                   executor=None)
    backend = types.SimpleNamespace(driver=driver, host='h@b', configuration=types.SimpleNamespace(
        volume_dd_blocksize='1M'))
    with image_upload.image_data(backend, types.SimpleNamespace(size=1), 'i', disk_format,
                                 container, lambda _done: None) as (place, size):
        assert throttle.total == before
        image_upload.send(images, 'i', place, size, throttle, lambda _done: None)
    assert throttle.total - before == (size if sent is None else sent)
    # Whether qemu-img reads the volume itself.
    assert sources == ([] if disk_format == 'raw' else [path] if before == 0 else sources)
