# SPDX-License-Identifier: Apache-2.0
"""Several volumes of one image on one host: one transfer, and what each learns of its end. Images
come from a service in memory; volumes are real files."""
import functools
import gzip
import os
import re
import threading

import pytest
from oslo_concurrency import processutils

from cinder import exception, operations
from cinder.brick import disks
from cinder.db import messages as messages_db
from cinder.db import operations as operations_db
from cinder.db import volumes as volumes_db
from cinder.image import glance, image_convert, image_properties, image_shares, image_stream
from cinder.volume.api import images as images_api
from cinder.volume.api import volumes as volumes_api
from cinder.volume.data import image_download
from cinder.volume.manager import progress
from tests.fakes import counted
from tests.fakes import image_service as fake
from tests.fakes.journal import wake
from tests.unit.volume.conftest import BACKEND, POOL

DATA = b'the bytes of a disk'


@pytest.fixture
def service(monkeypatch, ctxt):
    ctxt.auth_token = 'of the caller'
    monkeypatch.setattr(progress, 'LOOKS', 0)
    monkeypatch.setattr(image_stream, 'LOOKS', 0.001)
    with fake.running(monkeypatch) as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_left(tmp_path, conf):
    yield
    assert not image_shares._kept
    assert list((tmp_path / 'conversion').glob('*')) == []


class Transfers:
    """Volumes whose image comes next."""

    def __init__(self, ctxt, manager, sent, folder):
        self.ctxt, self.manager, self.sent, self.folder = ctxt, manager, sent, folder

    def accept(self, image_id, host=BACKEND, size=1):
        """Create a volume of `size` GiB up to its download; return the volume id."""
        image = images_api.find(self.ctxt, image_id)
        volume = volumes_api.create(self.ctxt, size=size, image=image)
        operation = self.sent[-1][1]['operation']
        operations.OperationRunner('s', 'schedule', {}).claim(self.ctxt, operation)
        volumes_db.update(self.ctxt, volume.id, {'host': POOL})
        operations_db.requeue(self.ctxt, operation, stage='execute', host=host)
        if host == BACKEND:
            self.run(volume.id)
        return volume.id

    def operation(self, ident):
        found = [arguments['operation'] for _method, arguments in self.sent
                 if arguments.get('operation') and arguments['operation'].resource_id == ident]
        return operations_db.get(self.ctxt, found[-1].id)

    def run(self, ident):
        """Run the operation of a volume; return it as it is then."""
        operation = self.operation(ident)
        if operation.state == 'queued':
            wake(self.ctxt, operation)
        self.manager.runner.handlers[operation.verb](self.ctxt, operation)
        return operations_db.get(self.ctxt, operation.id)

    def waits(self, ident):
        with pytest.raises(exception.NotYet) as caught:
            self.run(ident)
        assert 'being transferred' in caught.value.reason

    def content(self, ident):
        with (self.folder / f'volume-{ident}').open('rb') as file:
            return file.read(len(DATA))

    def told(self, ident):
        message, = messages_db.list_rows(self.ctxt, filters={'resource_uuid': ident}).rows
        return message['user_message']

    def cancel(self, ident):
        volumes_db.overwrite(self.ctxt, ident, {'status': 'deleting'})


@pytest.fixture
def transfers(ctxt, service, manager, sent, folder):
    return Transfers(ctxt, manager, sent, folder)


def downloads(service):
    return sum(path.endswith('/file') for _method, _host, path in service.seen)


@pytest.mark.parametrize('values', [{}, {'container_format': 'compressed'}])
def test_three_volumes_fetch_once(service, transfers, values):
    made = list(map(transfers.accept, 3 * [service.add(
        gzip.compress(DATA) if values else DATA, **values)]))
    assert [transfers.run(ident).state for ident in made] == ['done'] * 3
    assert list(map(transfers.content, made)) == [DATA] * 3
    assert downloads(service) == 1


@pytest.mark.parametrize('others', [0, 1, 2])
def test_a_raw_image_streams_unless_another_waits(service, transfers, monkeypatch, others):
    files = []
    real = image_download.File
    monkeypatch.setattr(image_download, 'File',
                        lambda *args: (files.append(args), real(*args))[1])
    image = service.add(DATA)
    made = [transfers.accept(image) for _number in range(others + 1)]
    for ident in made:
        transfers.run(ident)
        assert transfers.content(ident) == DATA
    assert (len(files), downloads(service)) == (min(others, 1), 1)


def test_who_comes_while_it_streams_gets_the_data_of_the_volume(service, transfers, monkeypatch):
    image, late = service.add(DATA), []
    real = image_download.Fetch.go_on

    def go_on(*args):
        late.append(transfers.accept(image))
        transfers.waits(late[0])
        return real(*args)

    monkeypatch.setattr(image_download.Fetch, 'go_on', go_on)
    first = transfers.accept(image)
    assert transfers.run(first).state == 'done'
    assert transfers.run(late[0]).state == 'done'
    assert transfers.content(first) == transfers.content(late[0]) == DATA
    assert downloads(service) == 1


def test_who_comes_late_gets_all_of_a_compressed_image(service, transfers, monkeypatch):
    """Its data is longer than the image."""
    data = DATA + bytes(2 * 2 ** 20) + DATA
    image = service.add(gzip.compress(data), container_format='compressed')
    late, real = [], image_download.Fetch.go_on
    monkeypatch.setattr(image_download.Fetch, 'go_on', lambda *args: (
        late.append(transfers.accept(image)), real(*args))[1])
    assert transfers.run(transfers.accept(image)).state == 'done'
    assert transfers.run(late[0]).state == 'done'
    with (transfers.folder / f'volume-{late[0]}').open('rb') as file:
        assert file.read(len(data) + 9) == data + bytes(9)
    assert downloads(service) == 1


@pytest.mark.parametrize('broken', [False, True])
def test_another_format_is_converted_onto_the_volume(service, transfers, monkeypatch, broken):
    """Without a file for it, if no other waits."""
    def onto_disk(_path, _format, target, _run):
        target.write(0, DATA)
        target.zero(len(DATA), 4096)
        if broken:
            raise processutils.ProcessExecutionError('a damaged table')

    monkeypatch.setattr(image_convert, 'require_safe', lambda *_args: 8192)
    monkeypatch.setattr(image_convert, 'onto_disk', onto_disk)
    image = service.add(DATA)
    made = transfers.accept(image)
    service.images[image]['disk_format'] = 'qcow2'
    assert transfers.run(made).state == ('failed' if broken else 'done')
    assert transfers.content(made) == (bytes(len(DATA)) if broken else DATA)


def test_one_of_another_back_end_of_the_host_is_waited_for(service, transfers, ctxt):
    """Its process shares the folder."""
    image = service.add(DATA)
    made, other = transfers.accept(image), transfers.accept(image, host='here@other')
    assert transfers.run(made).state == 'done'
    with image_shares.finished(service.images[image]) as descriptor:
        assert os.pread(descriptor, len(DATA), 0) == DATA
    # It is cancelled, and nobody else tells this process.
    operation = transfers.operation(other)
    operations_db.claim(ctxt, operation, 'somebody', 60)
    operations_db.update_claimed(ctxt, operation, state='failed')
    transfers.manager.drop_unused_images(ctxt)


def test_the_progress_of_who_waits_is_that_of_the_transfer(service, transfers):
    image = service.add(DATA)
    made = transfers.accept(image)
    with image_shares.claimed(service.images[image]) as claim:
        claim.note(3, 19)
        transfers.waits(made)
        row = transfers.operation(made)
        assert (row.progress_done, row.progress_total) == (3, 19)
    # Who had it, died; and this one does it now.
    assert transfers.run(made).state == 'done' and transfers.content(made) == DATA


@pytest.mark.parametrize(('change', 'words'), [
    ({'os_hash_value': 'x'}, 'checksum'), ({'disk_format': 'qcow2'}, "its data is 'raw'")])
def test_all_who_wait_learn_why_it_failed(service, transfers, change, words):
    image = service.add(DATA)
    made = [transfers.accept(image) for _number in range(3)]
    service.images[image].update(change)
    with image_shares.claimed(service.images[image]):
        transfers.waits(made[1])
    assert {transfers.run(ident).state for ident in made} == {'failed'}
    assert all(words in transfers.told(ident) for ident in made)
    assert {transfers.content(ident) for ident in made} == {bytes(len(DATA))}
    assert downloads(service) == 1
    # Who comes afterwards has its own transfer.
    service.images[image].update(disk_format='raw', os_hash_value=None)
    again = transfers.accept(image)
    assert transfers.run(again).state == 'done'


def test_the_failure_of_a_volume_is_its_own(service, transfers, monkeypatch):
    image = service.add(DATA)
    made = [transfers.accept(image) for _number in range(2)]
    driver, real = transfers.manager.backend.driver, transfers.manager.backend.driver.local_path
    monkeypatch.setattr(driver, 'local_path', lambda volume: (
        '/nowhere' if volume.id == made[0] else real(volume)))
    assert [transfers.run(ident).state for ident in made] == ['failed', 'done']
    assert transfers.content(made[1]) == DATA and downloads(service) == 1


@pytest.mark.parametrize(('data', 'values', 'fetches'), [
    (DATA, {'disk_format': 'qcow2'}, 1),
    (gzip.compress(bytes(9000)), {'container_format': 'compressed'}, 2)],
    ids=['a disk', 'compressed'])
def test_a_volume_that_is_too_small_fails_alone(service, transfers, monkeypatch, data, values,
                                                fetches):
    """Larger ones take what was transferred for it, if that is whole."""
    def to_disk(_source, raw, *_args, **_kwargs):
        with open(raw, 'wb') as file:
            file.write(DATA.ljust(9000, b'\0'))

    monkeypatch.setattr(image_convert, 'require_safe', lambda *_args: (
        9000 if 'disk_format' in values else None))
    monkeypatch.setattr(image_convert, 'to_disk', to_disk)
    image = service.add(data)
    made = [transfers.accept(image, size=size) for size in (1, 3, 3)]
    monkeypatch.setattr(image_properties, 'GIB', 4096)
    service.images[image].update(values)
    assert [transfers.run(ident).state for ident in made] == ['failed', 'done', 'done']
    assert downloads(service) == fetches
    assert re.search('9000 bytes|8192 bytes', transfers.told(made[0]))


def test_what_was_not_verified_is_not_kept(service, transfers, monkeypatch):
    """The second transfer is shorter, and has zeros where the first had data."""
    image = service.add(DATA)
    made = transfers.accept(image)
    sent = iter([b'wrong bytes, and many', bytes(4) + b'good'])
    data = bytes(4) + b'good'
    service._keep(image, data)
    monkeypatch.setattr(glance.Images, 'download', lambda *_args: (
        chunk for chunk in [next(sent)]))
    assert transfers.run(made).state == 'done'
    assert transfers.content(made) == data.ljust(len(DATA), b'\0')


def test_an_interrupted_stream_starts_on_a_clean_volume(service, transfers, monkeypatch, ctxt):
    image = service.add(bytes(len(DATA)))
    made = transfers.accept(image)

    def killed(fetch, _report):
        fetch.writer.write(b'bad')
        raise exception.LockLost(name='x')

    with monkeypatch.context() as patch:
        patch.setattr(image_download.Fetch, 'go_on', killed)
        transfers.run(made)
    assert transfers.content(made).startswith(b'bad')
    assert transfers.run(made).state == 'done'
    assert transfers.content(made) == bytes(len(DATA))


# ------------------------------------------------------------------------------------- cancelled
def test_unverified_data_cannot_be_made_available(ctxt, service, transfers, monkeypatch):
    """A user cancels the transfer while data is on the volume, and an administrator resets the
    status of the volume."""
    made = transfers.accept(service.add(DATA))
    volume = volumes_db.get(ctxt, made)
    volumes_api.reset_status(ctxt, volume, status='downloading')  # nothing is there yet

    def chunks():
        yield DATA
        operations.cancel(ctxt, transfers.operation(made).id)
        while True:
            yield b'x'
    monkeypatch.setattr(glance.Images, 'download', lambda *_args: chunks())
    transfers.run(made)
    assert volumes_db.get(ctxt, made).status == 'error'
    for status in ('available', 'in-use', 'maintenance', 'reserved'):
        with pytest.raises(exception.InvalidVolume):
            volumes_api.reset_status(ctxt, volume, status=status)
    with pytest.raises(exception.InvalidVolume, match='incomplete and not verified'):
        volumes_api.reset_status(ctxt, volume, status='available')
    volumes_api.reset_status(ctxt, volume, status='error')


def test_what_failed_was_overwritten_and_can_be_made_available(ctxt, service, transfers):
    made = transfers.accept(service.add(DATA, checksum='0' * 32, os_hash_value=None))
    transfers.run(made)
    assert volumes_db.get(ctxt, made).status == 'error'
    assert transfers.content(made) == bytes(len(DATA))
    volumes_api.reset_status(ctxt, volumes_db.get(ctxt, made), status='available')


def _fetching(transfers, ident, monkeypatch):
    def chunks():
        yield DATA
        transfers.cancel(ident)
        while True:
            yield b'x'

    monkeypatch.setattr(glance.Images, 'download', lambda *_args: chunks())


def _silence(transfers, ident, monkeypatch):
    """The image service sends nothing more."""
    def chunks():
        yield DATA
        transfers.cancel(ident)
        threading.Event().wait(3)
        yield b'x'

    monkeypatch.setattr(glance.Images, 'download', lambda *_args: chunks())


def _converting(transfers, ident, monkeypatch):
    def execute(*_argv, check, **_kwargs):
        transfers.cancel(ident)
        for _number in range(9):
            check()
        raise AssertionError('it goes on')

    def onto_disk(_path, _format, target, _run):
        execute(check=target.check)

    monkeypatch.setattr(image_convert, 'onto_disk', onto_disk)
    monkeypatch.setattr(image_convert, 'require_safe', lambda *_args: 4096)
    monkeypatch.setattr(image_download.image_convert, 'to_disk', functools.partial(
        image_convert.to_disk, execute=execute))


def _writing(transfers, ident, monkeypatch):
    real = disks.Descriptor.write

    def write(self, offset, data):
        if 'volume-' in os.readlink(f'/proc/self/fd/{self._descriptor}'):
            transfers.cancel(ident)
        real(self, offset, data)

    monkeypatch.setattr(disks.Descriptor, 'write', write)


@pytest.mark.parametrize(('stage', 'disk_format'), [
    (_fetching, 'raw'), (_silence, 'raw'), (_fetching, 'qcow2'), (_silence, 'qcow2'),
    (_converting, 'qcow2'), (_writing, 'raw')])
@pytest.mark.parametrize('shared', [False, True])
def test_a_deletion_stops_it_and_nobody_else(service, transfers, monkeypatch, stage, disk_format,
                                             shared):
    image = service.add(DATA + bytes(1000))
    made = transfers.accept(image)
    other = transfers.accept(image) if shared else None
    service.images[image]['disk_format'] = disk_format
    with monkeypatch.context() as patch:
        stage(transfers, made, patch)
        assert transfers.run(made).error == operations.SUPERSEDED
    service.images[image]['disk_format'] = 'raw'
    if other:
        assert transfers.run(other).state == 'done' and transfers.content(other) == DATA


def test_a_deletion_stops_who_waits(service, transfers):
    image = service.add(DATA)
    made = transfers.accept(image)
    with image_shares.claimed(service.images[image]):
        transfers.waits(made)
        transfers.cancel(made)
        assert transfers.run(made).error == operations.SUPERSEDED


def test_a_deletion_stops_who_asks_for_the_image(service, transfers, monkeypatch):
    """The image service does not answer."""
    made, answered = transfers.accept(service.add(DATA)), threading.Event()

    def show(*_args):
        transfers.cancel(made)
        answered.wait(3)

    monkeypatch.setattr(glance.Images, 'show', show)
    try:
        assert transfers.run(made).error == operations.SUPERSEDED
    finally:
        answered.set()


def test_an_image_that_changed_meanwhile_is_not_waited_for(service, transfers):
    image = service.add(DATA)
    made = transfers.accept(image)
    with image_shares.claimed(service.images[image]):
        transfers.waits(made)
        service._keep(image, DATA[::-1])
        assert transfers.run(made).state == 'done'
    assert transfers.content(made) == DATA[::-1]


@pytest.mark.parametrize(('disk_format', 'joined', 'paced'), [
    ('raw', False, len(DATA)), ('qcow2', False, len(DATA)),
    # What another needs is read from the volume, and written to its own.
    ('qcow2', True, len(DATA) + 2 * 4096)])
def test_volumes_are_read_and_written_at_the_rate_of_their_back_end(
        service, transfers, monkeypatch, disk_format, joined, paced):
    def onto_disk(_path, _format, target, _run):
        target.write(0, DATA)
        if joined:
            late.append(transfers.accept(image))
            transfers.waits(late[0])

    late: list[str] = []
    throttle = transfers.manager.backend.driver.throttle = counted.CountedThrottle()
    if disk_format == 'qcow2':
        monkeypatch.setattr(image_convert, 'require_safe', lambda *_args: 4096)
        monkeypatch.setattr(image_convert, 'onto_disk', onto_disk)
    image = service.add(DATA)
    made = transfers.accept(image)
    service.images[image]['disk_format'] = disk_format
    assert [transfers.run(ident).state for ident in (made, *late)] == ['done']
    assert [transfers.run(ident).state for ident in late] == ['done'] * joined
    assert throttle.total == paced
