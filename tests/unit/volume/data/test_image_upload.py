# SPDX-License-Identifier: Apache-2.0
"""What sends an image ends at once, whatever the image service, qemu-img or the storage do."""
import threading
import types

import pytest

from cinder import exception
from cinder.brick.local_dev.throttle import UNLIMITED
from cinder.image import glance, image_convert
from cinder.volume.data import image_upload, volume_copy

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
