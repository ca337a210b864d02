# SPDX-License-Identifier: Apache-2.0
"""Volumes from images and images from volumes, as clients ask for them."""
import json
import re

import pytest

from cinder.conf import CONF
from cinder.db import attachments as attachments_db
from cinder.db import volumes as volumes_db
from cinder.keymgr import certificates
from tests.api.client import PROJECT
from tests.fakes import daemons as fake_daemons
from tests.fakes import key_manager as fake_keys
from tests.fakes import signed_images

IDS = '00000000-0000-4000-8000-000000000001'
ANOTHER = '00000000-0000-4000-8000-000000000002'
GIB = 1024 ** 3


@pytest.fixture
def service(image_service):
    return image_service


@pytest.fixture
def create(api):
    def ask(image, size=1, mv='latest', **values):
        return api.post('/volumes', {'volume': {'size': size, 'imageRef': image, **values}}, mv=mv)
    return ask


# ---------------------------------------------------------------------------- volumes from images
@pytest.fixture
def signed(service, key_manager):
    """Make an image that is signed; returns its id."""
    def make(**changes):
        ident = signed_images.keep_certificate(key_manager, fake_daemons.ADMIN)
        return service.add(b'picture', **{**signed_images.properties(b'picture', ident), **changes})
    return make


def test_a_signed_image(create, reimage, bus, service, signed):
    """The daemons get its certificate with the operation."""
    ident = signed()
    for ask in (create, reimage):
        assert ask(ident).status == 202
        arguments = bus.sent[-1].args['operation'].arguments
        assert certificates.unpacked(
            arguments['certificate'], service.images[ident]['img_signature_certificate_uuid'],
        ) == signed_images.certificate('ECC_SECP384R1')


@pytest.mark.parametrize(('changes', 'words'), [
    ({'img_signature_hash_method': None}, 'no property img_signature_hash_method'),
    ({'img_signature_key_type': 'DSA'}, 'not of the type DSA'),
    ({'img_signature_certificate_uuid': IDS}, f'certificate {IDS} .* is not in the key manager')])
def test_an_image_whose_signature_can_never_be_verified(create, reimage, bus, signed, changes,
                                                        words):
    ident = signed(**changes)
    for ask in (create, reimage):
        assert re.search(words, ask(ident).fault(400))
    assert bus.sent == []


def test_a_signed_image_without_a_key_manager(create, reimage, bus, service, signed, key_manager):
    ident = signed()
    key_manager.down = True
    for ask in (create, reimage):
        assert 'key manager' in ask(ident).fault(503)
    fake_keys.configure(backend=None)
    for ask in (create, reimage):
        assert 'set [key_manager] backend' in ask(ident).fault(400)
    assert bus.sent == []


def test_signatures_that_are_ignored(create, bus, service, monkeypatch):
    ident = service.add(img_signature='c2ln', img_signature_hash_method='SHA-256')
    assert 'img_signature_key_type' in create(ident).fault(400)
    monkeypatch.setattr(CONF, 'verify_glance_signatures', 'disabled', raising=False)
    assert create(ident).status == 202
    assert 'certificate' not in bus.sent[-1].args['operation'].arguments


@pytest.mark.parametrize('reference', ['%s', 'http://one.test/v2/images/%s'])
def test_create_keeps_the_image_for_the_daemons(create, bus, service, reference):
    ident = service.add()
    answer = create(reference % ident)
    assert (answer.status, answer.json['volume']['bootable']) == (202, 'false')
    assert bus.sent[-1].args['operation'].arguments['image_id'] == ident


def test_an_old_key_is_the_same(api, bus, service):
    body = {'volume': {'size': 1, 'image_id': service.add()}}
    assert api.post('/volumes', body, mv='3.0').status == 202


@pytest.mark.parametrize(('values', 'words'), [
    ({'min_disk': 2}, '2 GiB'), ({'size': GIB + 1}, '2 GiB'), ({'virtual_size': 2 * GIB}, '2 GiB'),
    ({'status': 'queued'}, 'active'), ({'disk_format': 'ari'}, 'ari')])
def test_an_image_that_does_not_fit(create, bus, service, values, words):
    assert words in create(service.add(**values)).fault(400)
    assert bus.sent == []


def test_create_needs_a_size_and_an_image(api, create, bus, service, nobody):
    ident = service.add()
    assert 'size' in create(ident, size=None).fault(400)
    assert nobody in create(nobody).fault(404)
    assert 'one source' in create(ident, snapshot_id=nobody).fault(400)


@pytest.mark.parametrize('name', ['plan9', 'Plan 9, "fourth" ü', 'in:plan9,other', 'a/b', IDS,
                                  f'of/{IDS}'])
def test_create_from_an_image_by_name(create, bus, service, name):
    for other in ('plan', 'plan99', 'PLAN9', 'other', 'b'):
        service.add(name=other)
    told = create(name).fault(404 if name.endswith(IDS) else 400)
    assert (IDS if name.endswith(IDS) else name) in told
    ident = service.add(name=name)
    assert create(name).status == 202
    assert bus.sent[-1].args['operation'].arguments['image_id'] == ident
    second = service.add(name=name, status='queued')
    told = create(name).fault(409)
    assert f'{ident} (active)' in told and f'{second} (queued)' in told
    del service.images[ident]
    assert 'active' in create(name).fault(400)


def test_an_id_wins_over_a_name(create, bus, service):
    ident = service.add()
    service.add(name=ident)
    assert create(ident).status == 202
    assert bus.sent[-1].args['operation'].arguments['image_id'] == ident


def test_an_image_service_that_lists_nothing(create, service):
    service.troubles = [200] * 9
    assert 'image service' in create('plan9').fault(503)


@pytest.fixture
def types(api):
    """Make volume types; name -> id."""
    return {name: api.post('/types', {'volume_type': {
        'name': name, 'os-volume-type-access:is_public': name != 'private'}}).json[
            'volume_type']['id'] for name in ('image', 'asked', 'private')}


@pytest.mark.parametrize('by', ['name', 'id'])
def test_the_type_is_that_of_the_image_unless_the_request_says_more(create, service, types, by):
    ident = service.add(cinder_img_volume_type='image' if by == 'name' else types['image'])
    assert create(ident).json['volume']['volume_type'] == 'image'
    assert create(ident, volume_type=None).json['volume']['volume_type'] == 'image'
    assert create(ident, volume_type='asked').json['volume']['volume_type'] == 'asked'
    assert create(service.add()).json['volume']['volume_type'] == '__DEFAULT__'
    assert create(service.add(cinder_img_volume_type='')).json[
        'volume']['volume_type'] == '__DEFAULT__'


@pytest.mark.parametrize('name', ['no-such', IDS, 'private'])
def test_an_image_of_a_type_that_the_caller_does_not_know(api, bus, service, types, name):
    ident = service.add(cinder_img_volume_type=name)
    body = {'volume': {'size': 1, 'imageRef': ident}}
    told = api.as_roles('member').post('/volumes', body).fault(400)
    assert ident in told and f"'{name}'" in told and bus.sent == []
    body['volume']['volume_type'] = 'asked'
    assert api.as_roles('member').post('/volumes', body).status == 202


def test_images_on_encrypted_types(api, create, bus, service, key_manager):
    for name, cipher in (('secret', None), ('other', 'serpent-xts-plain64')):
        made = api.post('/types', {'volume_type': {'name': name}}).json['volume_type']
        api.post(f'/types/{made["id"]}/encryption', {'encryption': {
            'provider': 'luks', 'control_location': 'front-end', 'cipher': cipher}})
    assert "'serpent-xts-plain64'" in create(service.add(), volume_type='other').fault(400)
    assert 'at least 2 GiB' in create(service.add(virtual_size=1024 ** 3),
                                      volume_type='secret').fault(400)
    assert key_manager.kept == {}
    assert create(service.add(), volume_type='secret').json['volume']['encrypted']
    key, = key_manager.kept
    locked = service.add(cinder_encryption_key_id=key)
    assert 'needs an encrypted type' in create(locked).fault(400)
    assert create(locked, volume_type='secret').json['volume']['encrypted']
    assert len({value.get_encoded() for _owner, value in key_manager.kept.values()}) == 1
    locked = service.add(cinder_encryption_key_id=IDS)
    assert 'is not in the key manager' in create(locked, volume_type='secret').fault(400)


def test_dm_crypt_without_a_header_is_for_volumes_without_an_image(api, create, bus, service,
                                                                    key_manager):
    """The request is refused, not the work on it."""
    made = api.post('/types', {'volume_type': {'name': 'bare'}}).json['volume_type']
    assert api.post(f'/types/{made["id"]}/encryption', {'encryption': {
        'provider': 'plain', 'control_location': 'front-end'}}).status == 200
    answer = create(service.add(), volume_type='bare')
    assert "with the provider 'plain', only hosts can encrypt" in answer.fault(400)
    assert not key_manager.kept and api.get('/volumes').json['volumes'] == []
    body = {'size': 1, 'volume_type': 'bare'}
    assert api.post('/volumes', {'volume': body}).json['volume']['encrypted']


def test_an_image_service_that_is_away(create, bus, service, nobody):
    service.troubles = ['silence'] * 9
    answer = create(nobody)
    assert 'image service' in answer.fault(503) and answer.headers['Retry-After']


def test_an_image_of_a_server_is_a_snapshot(api, create, bus, service):
    volume = fake_daemons.volume(PROJECT, size=1)
    snapshot = fake_daemons.snapshot(PROJECT, volume['id'])
    ident = service.add(b'', block_device_mapping=json.dumps(
        [{'boot_index': 0, 'snapshot_id': snapshot['id']}]))
    assert create(ident, size=None).json['volume']['snapshot_id'] == snapshot['id']
    assert create(ident, mv='3.45').json['volume']['snapshot_id'] is None


# ---------------------------------------------------------------------------- images from volumes
@pytest.fixture
def upload(api, bus, service):
    """Ask for an image of a volume that was made from one."""
    volume = fake_daemons.volume(PROJECT, name='one')
    volumes_db.set_glance_metadata(fake_daemons.ADMIN, volume['id'], {
        'image_id': 'x', 'min_disk': '1', 'os_type': 'plan9'})

    def ask(mv='latest', client=api, **values):
        return client.post(f'/volumes/{volume["id"]}/action', {
            'os-volume_upload_image': {'image_name': 'mine', **values}}, mv=mv)
    ask.volume = volume['id']
    return ask


def test_upload_begins_an_image(api, bus, service, upload):
    told = upload(disk_format='qcow2', protected=True).json['os-volume_upload_image']
    image = service.images[told['image_id']]
    assert image.items() >= {'name': 'mine', 'disk_format': 'qcow2', 'container_format': 'bare',
                             'protected': True, 'visibility': 'private', 'os_type': 'plan9',
                             'min_disk': 1}.items() and 'image_id' not in image
    kind = told.pop('volume_type')
    assert kind['name'] == '__DEFAULT__' and told.pop('updated_at')
    assert told == {
        'id': upload.volume, 'status': 'uploading', 'size': 1, 'display_description': None,
        'image_id': image['id'], 'image_name': 'mine', 'container_format': 'bare',
        'disk_format': 'qcow2', 'visibility': 'private', 'protected': True}
    operation = bus.sent[-1].args['operation']
    assert (bus.sent[-1].method, operation.arguments['image_id']) == ('upload_volume', image['id'])


def test_upload_as_it_was_first(service, upload):
    told = upload(mv='3.0', container_format=None).json['os-volume_upload_image']
    assert not {'visibility', 'protected'} & told.keys()
    assert service.images[told['image_id']]['visibility'] == 'shared'


@pytest.mark.parametrize(('values', 'words'), [
    ({'container_format': 'compressed'}, 'compressed'), ({'disk_format': 'exe'}, 'exe')])
def test_upload_of_what_is_not_made_here(bus, service, upload, values, words):
    assert words in upload(**values).fault(400)
    assert (service.images, bus.sent) == ({}, [])


def test_upload_of_a_compressed_image(service, upload, bus):
    CONF.set_override('allow_compression_on_image_upload', True)
    try:
        told = upload(container_format='compressed').json['os-volume_upload_image']
    finally:
        CONF.clear_override('allow_compression_on_image_upload')
    assert service.images[told['image_id']]['container_format'] == 'compressed'
    assert bus.sent[-1].args['operation'].arguments['container_format'] == 'compressed'


def test_the_image_service_refuses_an_image(api, bus, service, upload):
    service.troubles = [400]
    assert 'No & never' in upload(container_format='bag').fault(400)
    assert api.get('/volumes/' + upload.volume).json['volume']['status'] == 'available'


def test_an_encrypted_volume_is_uploaded_with_its_key(bus, service, upload, key_manager):
    volumes_db.update(fake_daemons.ADMIN, upload.volume, {'encryption_key_id': IDS})
    assert "disk_format must be 'raw'" in upload(disk_format='qcow2').fault(400)
    assert 'key manager' in upload().fault(503) and service.images == {}
    key = key_manager.create_key(fake_daemons.ADMIN, 'aes', 256)
    volumes_db.update(fake_daemons.ADMIN, upload.volume, {'encryption_key_id': key})
    image = service.images[upload().json['os-volume_upload_image']['image_id']]
    assert image['cinder_encryption_key_deletion_policy'] == 'on_image_deletion'
    assert set(key_manager.kept) == {key, image['cinder_encryption_key_id']}


# ------------------------------------------------------------------------- images over volumes
@pytest.fixture
def reimage(api, bus, service):
    volume = fake_daemons.volume(PROJECT)

    def ask(image, mv='latest', **values):
        return api.post(f'/volumes/{volume["id"]}/action',
                        {'os-reimage': {'image_id': image, **values}}, mv=mv)
    ask.volume = volume['id']
    ask.put_in = lambda status: volumes_db.overwrite(
        fake_daemons.ADMIN, volume['id'], {'status': status})
    return ask


@pytest.mark.parametrize(('status', 'reserved'), [
    ('available', False), ('error', False), ('reserved', True)])
def test_reimage(api, bus, service, reimage, status, reserved):
    ident = service.add()
    reimage.put_in(status)
    assert reimage(ident, reimage_reserved=reserved).status == 202
    shown = api.get('/volumes/' + reimage.volume).json['volume']
    assert shown['status'] == 'downloading'
    operation = bus.sent[-1].args['operation']
    assert (bus.sent[-1].method, operation.arguments['image_id']) == ('reimage_volume', ident)


def test_what_is_used_is_not_overwritten(bus, service, reimage):
    ident = service.add()
    for status, reserved in (('in-use', True), ('reserved', False), ('downloading', True)):
        reimage.put_in(status)
        assert status in reimage(ident, reimage_reserved=reserved).fault(400)
    reimage.put_in('reserved')
    for _number in range(2):
        attachments_db.create(fake_daemons.ADMIN, {'volume_id': reimage.volume,
                                                   'attach_status': 'reserved'})
    reimage(ident, reimage_reserved=True).fault(409)
    assert (bus.sent, service.seen) == ([], [])


def test_reimage_needs_an_image_that_fits(bus, service, reimage, nobody):
    assert nobody in reimage(nobody).fault(404)
    assert '2 GiB' in reimage(service.add(min_disk=2)).fault(400)
    reimage(nobody, mv='3.67').fault(404)
    locked = service.add(cinder_encryption_key_id=IDS)
    assert 'needs an encrypted type' in reimage(locked).fault(400)
    volumes_db.update(fake_daemons.ADMIN, reimage.volume, {'encryption_key_id': ANOTHER})
    assert 'does not say how' in reimage(locked).fault(400)
    assert bus.sent == []
