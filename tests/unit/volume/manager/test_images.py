# SPDX-License-Identifier: Apache-2.0
"""Images and volumes over real files, with an image service in memory; what real ones do is
tests/functional/test_images.py's."""
import gzip

import pytest

from cinder import compute, exception, operations
from cinder.conf import CONF
from cinder.db import attachments as attachments_db
from cinder.db import messages as messages_db
from cinder.db import operations as operations_db
from cinder.db import volumes as volumes_db
from cinder.db import waiting as waiting_db
from cinder.image import image_properties
from cinder.volume import driver as driver_api
from cinder.volume.api import images as images_api
from cinder.volume.api import volumes as volumes_api
from cinder.volume.data import image_upload
from cinder.volume.host import locks
from cinder.volume.manager import images
from tests.fakes import image_service as fake
from tests.fakes import signed_images
from tests.fakes.journal import wake
from tests.unit.volume.conftest import BACKEND, POOL

DATA = b'the bytes of a disk'


@pytest.fixture
def service(monkeypatch, ctxt):
    ctxt.auth_token = 'of the caller'
    with fake.running(monkeypatch) as running:
        yield running


@pytest.fixture
def run(ctxt, manager, sent):
    """Deliver the last message; returns the operation as it is then."""
    def deliver():
        _method, arguments = sent[-1]
        operation = arguments['operation']
        manager.runner.handlers[operation.verb](ctxt, **arguments)
        return operations_db.get(ctxt, operation.id)
    return deliver


@pytest.fixture
def accepted(ctxt, service, manager, sent, run):
    """Make a volume of an image, to where its data is asked for; returns its id."""
    def make(ident):
        image = images_api.find(ctxt, ident)
        volume = volumes_api.create(ctxt, size=1, image=image)
        operation = sent[-1][1]['operation']
        operations.OperationRunner('s', 'schedule', {}).claim(ctxt, operation)
        volumes_db.update(ctxt, volume.id, {'host': POOL})
        operations_db.requeue(ctxt, operation, stage='execute', host=BACKEND)
        sent.append(('create_volume', {'operation': operation,
                                       'volume': volumes_db.get(ctxt, volume.id)}))
        assert run().state == 'done'
        return volume.id
    return make


def content(folder, ident):
    return (folder / f'volume-{ident}').open('rb').read(len(DATA))


def told(ctxt, ident):
    message, = messages_db.list_rows(ctxt, filters={'resource_uuid': ident}).rows
    return message['user_message']


def test_a_volume_waits_for_its_image(ctxt, service, accepted, sent, run, folder):
    ident = service.add(DATA, os_type='plan9')
    made = volumes_db.get(ctxt, accepted(ident))
    assert (made.status, made.bootable, made.glance_metadata) == ('downloading', False, {})
    assert sent[-1][0] == 'download_volume'
    assert run().state == 'done'
    made = volumes_db.get(ctxt, made.id)
    assert (made.status, made.bootable, content(folder, made.id)) == ('available', True, DATA)
    assert made.glance_metadata['os_type'] == 'plan9'
    assert made.glance_metadata['image_id'] == ident


@pytest.mark.parametrize('cloned', [True, False])
def test_an_image_on_the_same_storage_is_not_copied(ctxt, service, accepted, run, folder, manager,
                                                    monkeypatch, cloned):
    asked = []

    class Cloning(type(manager.backend.driver), driver_api.ClonesImages):
        def clone_image(self, volume, image, urls):
            asked.append((volume.id, image['id'], urls))
            return cloned

    monkeypatch.setattr(manager.backend.driver, '__class__', Cloning)
    ident = service.add(DATA, direct_url='one://a', locations=[{'url': 'one://a'}, {'url': 'b'}])
    made = volumes_db.get(ctxt, accepted(ident))
    assert run().state == 'done'
    assert asked == [(made.id, ident, ['one://a', 'b'])]
    assert content(folder, made.id) == (b'' if cloned else DATA).ljust(len(DATA), b'\0')
    made = volumes_db.get(ctxt, made.id)
    assert (made.status, made.glance_metadata['image_id']) == ('available', ident)


def test_an_interrupted_copy_begins_again(ctxt, service, accepted, sent, manager, folder, tmp_path):
    made = accepted(service.add(DATA))
    operation = sent[-1][1]['operation']
    operations_db.claim(ctxt, operation, f'{BACKEND}|former', 60)
    (folder / f'volume-{made}').open('r+b').write(b'half')
    left = tmp_path / 'conversion' / f'x#{BACKEND}'
    left.parent.mkdir()
    left.touch()
    (left.parent / f'x.part#{BACKEND}-of-another').touch()
    (left.parent / 'shared-x.image').touch()
    # As at the next start.
    manager.init_host()
    manager.runner.poll()
    manager.runner.wait()
    assert operations_db.get(ctxt, operation.id).state == 'done'
    assert content(folder, made) == DATA and not list(left.parent.iterdir())


def test_a_transfer_that_breaks_off_is_tried_again(ctxt, service, accepted, run, folder):
    made = accepted(service.add(DATA))
    service.cut = 1
    assert run().state == 'done' and content(folder, made) == DATA


def test_a_compressed_image(ctxt, service, accepted, run, folder):
    ident = service.add(gzip.compress(DATA), container_format='compressed')
    volume = accepted(ident)
    assert run().state == 'done'
    assert content(folder, volume) == DATA


def test_one_that_always_does_is_told(ctxt, service, accepted, run, tmp_path):
    made = accepted(service.add(DATA))
    service.cut = 99
    assert run().state == 'failed'
    failed = volumes_db.get(ctxt, made)
    assert (failed.status, failed.bootable, failed.glance_metadata) == ('error', False, {})
    assert told(ctxt, made) == ('copy image to volume:'
                                'The image service is unavailable at this time.')
    assert not list((tmp_path / 'conversion').iterdir())


def test_an_image_that_went_meanwhile(ctxt, service, accepted, run):
    ident = service.add(DATA)
    made = accepted(ident)
    del service.images[ident]
    run()
    assert 'could not be found' in told(ctxt, made)


# ------------------------------------------------------------------------------ signed images
@pytest.fixture
def signed(ctxt, service, key_manager):
    """Make an image that is signed; returns its id."""
    def make(data=DATA, **values):
        ident = signed_images.keep_certificate(key_manager, ctxt)
        return service.add(data, **{**signed_images.properties(DATA, ident), **values})
    return make


@pytest.mark.parametrize('packed', [False, True])
def test_a_signed_image(ctxt, service, signed, accepted, run, folder, packed):
    """The signature is that of the data that the image service keeps."""
    ident = signed()
    if packed:
        data = gzip.compress(DATA)
        service._keep(ident, data)
        service.images[ident].update(container_format='compressed',
                                     img_signature=signed_images.signature(data))
    made = accepted(ident)
    assert run().state == 'done'
    volume = volumes_db.get(ctxt, made)
    assert (volume.status, content(folder, made)) == ('available', DATA)
    assert volume.glance_metadata['signature_verified'] == 'True'


@pytest.mark.parametrize('wrong', ['data', 'signature'])
def test_an_image_that_does_not_match_its_signature(ctxt, service, signed, accepted, run, folder,
                                                    tmp_path, wrong):
    """Although the image service says that its checksum is right."""
    ident = signed(DATA[::-1] if wrong == 'data' else DATA)
    if wrong == 'signature':
        service.images[ident]['img_signature'] = signed_images.signature(b'x')
    made = accepted(ident)
    assert run().state == 'failed'
    assert told(ctxt, made) == (f'copy image to volume:Image {ident} cannot be used: its data does '
                                'not match its signature')
    volume = volumes_db.get(ctxt, made)
    assert (volume.status, volume.bootable, volume.glance_metadata) == ('error', False, {})
    assert content(folder, made) == bytes(len(DATA))
    assert not list((tmp_path / 'conversion').iterdir())


def test_a_signature_is_verified_although_the_storage_could_clone(
        ctxt, service, signed, accepted, run, folder, manager, monkeypatch):
    class Cloning(type(manager.backend.driver), driver_api.ClonesImages):
        def clone_image(self, volume, image, urls):
            return True

    monkeypatch.setattr(manager.backend.driver, '__class__', Cloning)
    good, bad = accepted(signed()), None
    assert run().state == 'done' and content(folder, good) == DATA
    bad = accepted(signed(DATA[::-1]))
    assert run().state == 'failed' and 'signature' in told(ctxt, bad)


def test_a_signed_image_over_a_volume(ctxt, service, signed, overwriting, run, folder):
    for data, state in ((DATA, 'done'), (DATA[::-1], 'failed')):
        ident = signed(data)
        made = overwriting(data, **{name: value for name, value in service.images[ident].items()
                                    if name.startswith('img_')})
        assert run().state == state
        if state == 'failed':
            assert (folder / f'volume-{made}').open('rb').read(9000) == b'x' * 9000
            assert volumes_db.get(ctxt, made).status == 'error'
        else:
            assert volumes_db.get(ctxt, made).glance_metadata['signature_verified'] == 'True'


def test_an_image_that_was_signed_again_meanwhile(ctxt, service, signed, accepted, sent, run,
                                                  key_manager, monkeypatch):
    """With another key, whose certificate the service reads itself as soon as it can."""
    ident = signed()
    made = accepted(ident)
    service.images[ident].update(signed_images.properties(
        DATA, signed_images.keep_certificate(key_manager, ctxt, 'DSA'), 'DSA'))
    key_manager.down = True
    with pytest.raises(exception.NotYet) as caught:
        run()
    assert caught.value.reason == 'the key manager'
    operation = operations_db.get(ctxt, sent[-1][1]['operation'].id)
    assert (operation.state, volumes_db.get(ctxt, made).status) == ('queued', 'downloading')
    key_manager.down = False
    wake(ctxt, operation)
    sent.append(('download_volume', {'operation': operation}))
    assert run().state == 'done'
    assert volumes_db.get(ctxt, made).glance_metadata['signature_verified'] == 'True'


@pytest.mark.parametrize(('trouble', 'words'), [
    ('down', 'The key manager is unavailable at this time.'),
    ('gone', 'is not in the key manager'), ('refused', 'the key manager refuses access')])
def test_a_certificate_that_cannot_be_had(ctxt, service, signed, accepted, run, key_manager,
                                          monkeypatch, trouble, words):
    monkeypatch.setattr(waiting_db, 'waited', lambda *_args: images.KEY_MANAGER_SECONDS + 1)
    ident = signed()
    made = accepted(ident)
    other = signed_images.keep_certificate(key_manager, ctxt, 'DSA')
    service.images[ident]['img_signature_certificate_uuid'] = other
    key_manager.down = trouble == 'down'
    if trouble == 'gone':
        key_manager.kept.clear()
    elif trouble == 'refused':
        key_manager.kept[other] = ('u2', None)
        key_manager.private = True
    assert run().state == 'failed'
    assert words in told(ctxt, made)
    assert volumes_db.get(ctxt, made).status == 'error'


def test_an_image_without_a_signature(ctxt, service, accepted, run, conf):
    made = accepted(service.add(DATA))
    assert run().state == 'done'
    assert volumes_db.get(ctxt, made).glance_metadata['signature_verified'] == 'False'
    conf.set_override('verify_glance_signatures', 'disabled')
    made = accepted(service.add(DATA))
    state = run().state
    conf.clear_override('verify_glance_signatures')
    assert state == 'done'
    assert 'signature_verified' not in volumes_db.get(ctxt, made).glance_metadata


@pytest.mark.parametrize(('change', 'words'), [
    ({'os_hash_value': 'x'}, 'checksum'), ({'disk_format': 'qcow2'}, "its data is 'raw'"),
    ({'min_disk': 2}, '2 GiB'), ({'status': 'deactivated'}, 'deactivated')])
def test_an_image_that_is_not_what_it_was_said_to_be(ctxt, service, accepted, run, folder, change,
                                                     words):
    ident = service.add(DATA)
    made = accepted(ident)
    service.images[ident].update(change)
    assert run().state == 'failed'
    assert words in told(ctxt, made) and content(folder, made) == bytes(len(DATA))


def test_a_volume_that_is_deleted_by_force_stops_its_copy(ctxt, service, accepted, sent, run):
    made = accepted(service.add(DATA))
    message = sent[-1]
    volumes_db.overwrite(ctxt, made, {'status': 'deleting'})
    sent.append(message)
    assert operations_db.get(ctxt, message[1]['operation'].id).state == 'queued'
    assert (run().error, volumes_db.get(ctxt, made).status) == (operations.SUPERSEDED, 'deleting')


def test_a_volume_that_a_server_waits_for_gets_its_image(ctxt, service, accepted, run, folder):
    made = accepted(service.add(DATA))
    volumes_db.overwrite(ctxt, made, {'status': 'reserved'})
    run()
    taken = volumes_db.get(ctxt, made)
    assert (taken.status, taken.bootable, content(folder, made)) == ('reserved', True, DATA)
    assert taken.glance_metadata['image_id']


# ---------------------------------------------------------------------------- images from volumes
@pytest.fixture
def uploading(ctxt, service, accepted, sent, run, monkeypatch):
    """Ask for an image of a volume that begins with DATA; returns the volume's and image's ids."""
    # To send a thousandth is enough.
    monkeypatch.setattr(image_properties, 'GIB', 2 ** 20)

    def make(**values):
        made = accepted(service.add(DATA, os_type='plan9', min_ram=64))
        run()
        volume = volumes_db.get(ctxt, made)
        image = images_api.upload(ctxt, volume, name='mine', **values)
        assert (volume.status, sent[-1][0]) == ('uploading', 'upload_volume')
        return made, image['id']
    return make


def test_an_image_has_the_bytes_and_what_is_known_of_them(ctxt, service, uploading, run):
    made, ident = uploading(visibility='private')
    assert run().state == 'done'
    assert volumes_db.get(ctxt, made).status == 'available'
    image = service.images[ident]
    assert image.items() >= {'status': 'active', 'size': 2 ** 20, 'name': 'mine', 'min_ram': 64,
                             'os_type': 'plan9', 'disk_format': 'raw',
                             'visibility': 'private'}.items()
    assert service.data[ident].startswith(DATA)


def test_a_compressed_upload(service, uploading, run, conf):
    conf.set_override('allow_compression_on_image_upload', True)
    try:
        _made, ident = uploading(container_format='compressed')
    finally:
        conf.clear_override('allow_compression_on_image_upload')
    assert run().state == 'done'
    assert len(service.data[ident]) == service.images[ident]['size'] < 2 ** 16
    assert gzip.decompress(service.data[ident]) == DATA.ljust(2 ** 20, b'\0')


def test_an_upload_that_breaks_off_is_tried_again(service, uploading, run):
    _made, ident = uploading()
    service.cut = 1
    assert (run().state, service.images[ident]['status']) == ('done', 'active')


@pytest.mark.parametrize('answer', [500, 204])
def test_an_upload_that_always_does_leaves_no_image(ctxt, service, uploading, run, answer):
    """Also where the image service says that it has all the data."""
    made, ident = uploading(protected=True)
    service.cut, service.cut_answer = 99, answer
    assert run().state == 'failed'
    assert volumes_db.get(ctxt, made).status == 'available' and ident not in service.images
    assert told(ctxt, made).startswith('copy volume to image:The image service')


@pytest.mark.parametrize(('status', 'state'), [
    ('active', 'done'), ('queued', 'done'), ('saving', 'failed'), ('killed', 'failed')])
def test_an_interrupted_upload(ctxt, service, uploading, run, monkeypatch, status, state):
    """The image may have got all its data and nobody noted it, or part of it."""
    monkeypatch.setattr(waiting_db, 'waited', lambda *_args: image_upload.SETTLING + 1)
    made, ident = uploading()
    service.images[ident]['status'] = status
    service.data[ident] = b'of the former'
    assert run().state == state
    assert volumes_db.get(ctxt, made).status == 'available'
    assert (ident in service.images) == (state == 'done')
    assert (service.data[ident] == b'of the former') == (status != 'queued')


def test_an_image_that_somebody_else_still_sends_is_not_waited_for_here(
        ctxt, service, uploading, run, sent):
    made, ident = uploading()
    service.images[ident]['status'] = 'saving'
    with pytest.raises(exception.NotYet):
        run()
    row = operations_db.get(ctxt, sent[-1][1]['operation'].id)
    assert (row.state, row.attempt, volumes_db.get(ctxt, made).status) == ('queued', 0, 'uploading')
    service.images[ident]['status'] = 'queued'
    wake(ctxt, row)
    sent.append(('upload_volume', {'operation': row}))
    assert (run().state, service.images[ident]['status']) == ('done', 'active')


def test_the_bytes_stay_while_they_are_sent(ctxt, service, uploading, run, monkeypatch):
    """A forced deletion finds them read, and waits until the upload notices."""
    made, _ident = uploading()
    monkeypatch.setattr(locks, 'READ_SECONDS', 0.001)
    seen, real = [], image_upload.send

    def send(*args):
        lock = locks.write_lock(volumes_db.get(ctxt, made))
        with pytest.raises(exception.NotYet) as caught, lock:
            pass
        seen.append(caught.value.reason)
        real(*args)
    monkeypatch.setattr(image_upload, 'send', send)
    assert run().state == 'done' and len(seen) == 1


def test_broken_transfers_are_counted_although_it_waits_between_them(
        ctxt, service, uploading, run, sent, conf):
    """The image service finds out each time a moment later only."""
    made, ident = uploading()
    service.cut = 99
    service.cut_status = 'saving'
    for sends in range(1, 99):
        try:
            state = run().state
            break
        except exception.NotYet:
            row = operations_db.get(ctxt, sent[-1][1]['operation'].id)
            assert (row.arguments['failures'], row.attempt) == (sends, 0)
            service.images[ident]['status'] = 'queued'
            wake(ctxt, row)
            sent.append(('upload_volume', {'operation': row}))
    assert (state, sends) == ('failed', CONF.glance_num_retries + 1)
    assert volumes_db.get(ctxt, made).status == 'available' and ident not in service.images


def test_too_many_attempts_leave_no_image(ctxt, service, uploading, sent, run):
    made, ident = uploading()
    sent[-1][1]['operation'].attempt = 99
    run()
    assert 'interrupted' in told(ctxt, made) and ident not in service.images


def test_a_volume_that_is_deleted_by_force_has_no_image(ctxt, service, uploading, sent, run):
    made, ident = uploading()
    volumes_db.overwrite(ctxt, made, {'status': 'deleting'})
    assert (run().error, volumes_db.get(ctxt, made).status) == (operations.SUPERSEDED, 'deleting')
    assert ident not in service.images


def test_an_image_whose_volume_cannot_be_taken_is_not_begun(ctxt, service, uploading):
    made, _ident = uploading()
    before = dict(service.images)
    stale = volumes_db.get(ctxt, made)
    for status in ('uploading', 'available'):
        stale.status = status
        with pytest.raises(exception.InvalidVolume, match="'uploading'"):
            images_api.upload(ctxt, stale, name='another')
        assert service.images == before


def test_a_volume_in_use_is_taken_with_force(ctxt, service, uploading, run, conf):
    made, _ident = uploading()
    run()
    volumes_db.overwrite(ctxt, made, {'status': 'in-use'})
    with pytest.raises(exception.InvalidVolume, match='in-use'):
        images_api.upload(ctxt, volumes_db.get(ctxt, made), name='mine', force=True)
    conf.set_override('enable_force_upload', True)
    images_api.upload(ctxt, volumes_db.get(ctxt, made), name='mine', force=True)
    conf.clear_override('enable_force_upload')
    assert (run().state, volumes_db.get(ctxt, made).status) == ('done', 'in-use')


# ------------------------------------------------------------------------- images over volumes
@pytest.fixture
def overwriting(ctxt, service, accepted, sent, run, folder):
    """Ask for another image in a volume that is full of something; returns the volume's id."""
    def make(data=DATA, status='available', **values):
        made = accepted(service.add(b'old', old='yes'))
        run()
        volumes_db.overwrite(ctxt, made, {'status': status})
        with (folder / f'volume-{made}').open('r+b') as file:
            file.write(b'x' * 9000)
            file.seek(-9, 2)
            file.write(b'x' * 9)
        images_api.reimage(ctxt, volumes_db.get(ctxt, made), service.add(data, new='yes', **values),
                           reserved_ok=True)
        return made
    return make


@pytest.mark.parametrize('status', ['available', 'reserved'])
def test_of_what_was_in_it_no_byte_stays(ctxt, overwriting, run, folder, status):
    """LP 2045431; an image of holes is the same."""
    made = overwriting(bytes(100) + DATA, status)
    assert (run().state, volumes_db.get(ctxt, made).status) == ('done', status)
    with (folder / f'volume-{made}').open('rb') as file:
        assert file.read(10000) == bytes(100) + DATA + bytes(9900 - len(DATA))
        file.seek(-9, 2)
        assert file.read() == bytes(9)
    kept = volumes_db.get(ctxt, made)
    assert kept.bootable and kept.glance_metadata['new'] and 'old' not in kept.glance_metadata


def test_a_bad_image_leaves_the_bytes(ctxt, overwriting, run, folder):
    made = overwriting(os_hash_value='x')
    assert run().state == 'failed'
    assert (folder / f'volume-{made}').open('rb').read(9000) == b'x' * 9000
    assert volumes_db.get(ctxt, made).status == 'error'
    assert told(ctxt, made).startswith('overwrite volume with image:')


@pytest.mark.parametrize(('values', 'status'), [
    ({}, 'completed'), ({'os_hash_value': 'x'}, 'failed')])
def test_the_server_that_waits_is_told(ctxt, overwriting, run, monkeypatch, values, status):
    told_servers = []
    monkeypatch.setattr(compute, 'notify_reimaged', lambda servers, volume_id, done: (
        told_servers.append((servers, volume_id, 'completed' if done else 'failed'))))
    made = overwriting(status='reserved', **values)
    attachments_db.create(ctxt, {'volume_id': made, 'instance_uuid': 'a-server',
                                 'attach_status': 'reserved'})
    run()
    assert told_servers == [({'a-server'}, made, status)]
