# SPDX-License-Identifier: Apache-2.0
"""The operation that transfers an image is cancelled at each step while others wait: the bytes are
fetched once. The image service sends a part when it is told to."""
import contextlib
import os
import shutil
import threading
import time

import pytest

from cinder import exception, operations
from cinder.image import glance, image_convert, image_shares
from cinder.volume.data import image_tee
from cinder.volume.manager import detached_transfers, image_streams
from tests.unit.volume.manager.test_image_transfers import (  # noqa: F401 # fixtures
    Transfers,
    nothing_left,
    service,
    transfers,
)

PARTS = [os.urandom(200_000), bytes(70_000), os.urandom(90_000) + b'the end']
DATA = b''.join(PARTS)
SECONDS = 30


class Source:
    """What the image service sends: each part after it was let go.

    :ivar sent: how many times it was asked
    :ivar error: raised in place of the last part
    :ivar endless: it sends more while nobody ends it
    """

    def __init__(self):
        self.sent, self.error, self.endless = 0, None, False
        self._at = threading.Condition()
        self._came = self._let = 0

    def chunks(self, *_args):
        self.sent += 1
        for number, part in enumerate(PARTS):
            self._come(number)
            if number == 2 and self.error:
                raise self.error
            yield part
        self._come(3)

    def _come(self, number):
        with self._at:
            self._came = number + 1
            self._at.notify_all()
            assert self._at.wait_for(lambda: self._let > number, SECONDS)

    def come_to(self, number):
        """Wait until it is about to send a part."""
        with self._at:
            self._let = max(self._let, number)
            self._at.notify_all()
            assert self._at.wait_for(lambda: self._came > number, SECONDS)

    def end(self):
        with self._at:
            self._let = 9
            self._at.notify_all()


@pytest.fixture
def source(monkeypatch):
    made = Source()
    monkeypatch.setattr(glance.Images, 'download', made.chunks)
    monkeypatch.setattr(detached_transfers.progress, 'REPORTS', 0)
    yield made
    made.end()


@pytest.fixture
def formats(monkeypatch):
    """Disks of qcow2 are their files; no program converts them."""
    def onto_disk(path, _format, target, _run):
        with open(path, 'rb') as file:
            for number, part in enumerate(iter(lambda: file.read(2 ** 20), b'')):
                target.write(number * 2 ** 20, part)

    real = image_convert.require_safe
    monkeypatch.setattr(image_convert, 'require_safe', lambda seen, ident, kind: (
        len(DATA) if kind == 'qcow2' else real(seen, ident, kind)))
    monkeypatch.setattr(image_convert, 'to_disk',
                        lambda source, target, *_args, **_more: shutil.copyfile(source, target))
    monkeypatch.setattr(image_convert, 'onto_disk', onto_disk)


class Orders:
    """A volume that is filled in a thread of the executor, and others of the same image."""

    def __init__(self, transfers, service, kind):  # noqa: F811
        self.transfers, self.runner = transfers, transfers.manager.runner
        self.image = service.add(DATA)
        self.leader = transfers.accept(self.image)
        self.others = []
        self._images, self._kind = service.images, kind

    def join(self, number=2):
        """Let other volumes want the image."""
        self._images[self.image]['disk_format'] = 'raw'
        self.others += [self.transfers.accept(self.image) for _number in range(number)]
        self._images[self.image]['disk_format'] = self._kind

    def begin(self):
        self._images[self.image]['disk_format'] = self._kind
        operation = self.transfers.operation(self.leader)
        assert self.runner.submit(self.transfers.ctxt, operation)

    def cancel_leader(self):
        """Delete its volume, and wait until its operation has ended."""
        began = time.monotonic()
        self.transfers.cancel(self.leader)
        self.until(lambda: not self.runner.executor.knows(
            self.transfers.operation(self.leader).id))
        assert time.monotonic() - began < 2 + SECONDS * ('CI' in os.environ)
        assert self.transfers.operation(self.leader).error == operations.SUPERSEDED

    def cancel(self, ident):
        self.transfers.cancel(ident)
        assert self.transfers.run(ident).error == operations.SUPERSEDED

    def until(self, condition):
        ends = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < ends
            time.sleep(0.002)

    def shown(self, ident):
        """The progress of an operation that waits."""
        self.transfers.waits(ident)
        row = self.transfers.operation(ident)
        assert row.progress_total >= len(DATA)
        return row.progress_done

    def done(self):
        """Run the others until they have ended; return the states of their operations."""
        self.until(lambda: self.runner.wait(0.1))
        for ident in self.others:
            with contextlib.suppress(exception.NotYet):
                self.transfers.run(ident)
        return [self.transfers.operation(ident).state for ident in self.others]

    def content(self, ident):
        with (self.transfers.folder / f'volume-{ident}').open('rb') as file:
            return file.read(len(DATA) + 4096)

    def bound(self):
        return self.runner.executor.describe()['bulk']['running']


@pytest.fixture
def orders(transfers, service, source, formats):  # noqa: F811
    return lambda kind='raw': Orders(transfers, service, kind)


# The other places are in tests/functional/exhaustive/test_detached_places.py.
@pytest.mark.parametrize(('kind', 'joined', 'cancelled'), [
    ('raw', None, 0), ('raw', 0, 1), ('raw', 3, 3), ('qcow2', 1, 3)])
def test_the_leader_is_cancelled(orders, source, kind, joined, cancelled):
    cancel_leader(orders, source, kind, joined, cancelled)


def cancel_leader(orders, source, kind, joined, cancelled):
    """Others come before it begins (None) or before a part, of which there are three; it is
    cancelled then or later."""
    made = orders(kind)
    if joined is None:
        made.join()
    made.begin()
    for part in range(cancelled + 1):
        source.come_to(part)
        if joined == part:
            made.join()
    made.cancel_leader()
    assert made.bound() == 1  # in the place of the leader
    made.until(lambda: made.shown(made.others[0]) == sum(map(len, PARTS[:cancelled])))
    source.end()
    assert made.done() == ['done'] * 2
    assert [made.content(ident) for ident in made.others] == [DATA.ljust(len(DATA) + 4096,
                                                                         b'\0')] * 2
    assert source.sent == 1


def test_only_a_follower_is_cancelled(orders, source):
    made = orders()
    made.join()
    made.begin()
    source.come_to(1)
    made.cancel(made.others.pop())
    source.end()
    assert made.done() == ['done'] and made.content(made.leader).startswith(DATA)
    assert made.content(made.others[0]).startswith(DATA) and source.sent == 1


@pytest.mark.parametrize('first', ['leader', 'others'])
@pytest.mark.parametrize('cancelled', [0, 1, 3])
def test_all_are_cancelled(orders, source, first, cancelled):
    made = orders()
    made.join()
    made.begin()
    source.come_to(cancelled)
    if first == 'leader':
        made.cancel_leader()
    for ident in made.others:
        made.cancel(ident)
    if first == 'others':
        made.cancel_leader()
    made.until(lambda: made.runner.wait(0.01))  # although the image service sends nothing
    assert source.sent == 1


@pytest.mark.parametrize(('error', 'words', 'asked'), [
    (exception.ImageUnacceptable(image_id='i', reason='it is odd'), 'it is odd', 1),
    (exception.ImageServiceUnavailable(reason='it is down'), 'unavailable', 4)])
def test_the_source_fails_after_the_leader_has_gone(orders, source, error, words, asked):
    made = orders()
    made.join()
    made.begin()
    source.come_to(1)
    made.cancel_leader()
    source.error = error
    source.end()
    assert made.done() == ['failed'] * 2
    assert all(words in made.transfers.told(ident) for ident in made.others)
    assert source.sent == asked


def test_a_wrong_checksum_after_the_leader_has_gone(orders, source, service):  # noqa: F811
    made = orders()
    service.images[made.image]['os_hash_value'] = '0' * 128
    made.join(1)
    made.begin()
    source.come_to(2)
    made.cancel_leader()
    source.end()
    assert made.done() == ['failed'] and made.content(made.others[0]).count(0) == len(DATA) + 4096


def test_a_service_that_stops_ends_it(orders, source):
    made = orders()
    made.join()
    made.begin()
    source.come_to(1)
    made.cancel_leader()
    made.runner.stop()
    made.until(lambda: made.runner.wait(0.01))
    with image_shares.claimed(made._images[made.image]) as claim:
        assert claim  # nothing holds it


@pytest.mark.parametrize('fails', ['slow', 'full', 'unreadable'])
def test_a_volume_that_is_left_too_late(orders, source, monkeypatch, fails):
    """What lies on it cannot be copied: the others begin again."""
    if fails == 'slow':
        monkeypatch.setattr(image_streams, 'LEAVING', 0)
    elif fails == 'full':
        def temporary_file(*_args):
            raise OSError(28, 'full')
        monkeypatch.setattr(image_convert, 'temporary_file', temporary_file)
    else:
        def read(*_args):
            raise OSError(5, 'broken')
        monkeypatch.setattr(image_tee.Tee, 'read', read)
    made = orders()
    made.begin()
    source.come_to(1)
    made.join(1)
    made.cancel_leader()
    source.end()
    assert made.done() == ['done']
    assert made.content(made.others[0]).startswith(DATA) and source.sent == 2


@pytest.mark.parametrize('step', ['to_disk', 'onto_disk'])
def test_the_leader_is_cancelled_while_it_converts(orders, source, monkeypatch, step):
    """The next one converts the same file."""
    made, real, begun = orders('qcow2'), getattr(image_convert, step), []

    def convert(*args, **kwargs):
        if not begun:
            begun.append(True)
            made.transfers.cancel(made.leader)
            if step == 'onto_disk':
                made.join()
            check = kwargs.get('check') or args[2].check
            while True:
                check()
        return real(*args, **kwargs)

    monkeypatch.setattr(image_convert, step, convert)
    monkeypatch.setattr(image_convert, 'size_of_disk', lambda *_args: len(DATA))
    if step == 'to_disk':
        made.join()
    source.end()
    made.begin()
    assert made.done() == ['done'] * 2
    assert [made.content(ident).startswith(DATA) for ident in made.others] == [True] * 2
    assert source.sent == 1


def test_the_file_of_a_stream_needs_no_second_pass(orders, source):
    """It is complete soon after the data."""
    made = orders()
    made.begin()
    source.come_to(1)
    made.join(1)
    source.end()
    assert made.done() == ['done'] and made.content(made.leader).startswith(DATA)
    assert made.content(made.others[0]).startswith(DATA) and source.sent == 1
