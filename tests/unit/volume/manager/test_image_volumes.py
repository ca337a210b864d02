# SPDX-License-Identifier: Apache-2.0
"""Volumes that are clones of image volumes, and uploads that register one, over real files with an
image service in memory."""
import pytest

from cinder import exception, fault_points
from cinder.db import image_volumes as image_volumes_db
from cinder.db import volumes as volumes_db
from cinder.image import glance, image_properties
from cinder.volume.api import images as images_api
from cinder.volume.api import volumes as volumes_api
from cinder.volume.manager import image_registration
from tests.fakes import image_service as fake
from tests.fakes import signed_images
from tests.fakes.journal import wake
from tests.unit.volume.conftest import BACKEND, POOL
from tests.unit.volume.manager.test_image_cache import Cloud

DATA = b'the bytes of a disk'
OPTIONS = ('image_upload_use_cinder_backend', 'image_upload_use_internal_tenant')
OURS = 'p1'


@pytest.fixture
def service(monkeypatch, ctxt):
    ctxt.auth_token = 'of the caller'
    ctxt.project_id = OURS
    with fake.running(monkeypatch) as running:
        yield running


@pytest.fixture
def options(conf):
    conf.set_override('allowed_direct_url_schemes', ['cinder'])
    conf.set_override('image_upload_use_cinder_backend', True, 'backend_defaults')
    yield conf
    for name in ('allowed_direct_url_schemes', 'cinder_internal_tenant_project_id',
                 'cinder_internal_tenant_user_id', 'quota_volumes'):
        conf.clear_override(name)
    for name in OPTIONS:
        conf.clear_override(name, 'backend_defaults')


@pytest.fixture
def cloud(ctxt, service, options, manager, sent):
    return Cloud(ctxt, manager, sent)


@pytest.fixture
def volume(ctxt, cloud, folder):
    """Make a volume of 1 GiB with the data; returns its id."""
    def make(**values):
        made = volumes_db.create(ctxt, {
            'project_id': OURS, 'user_id': 'u', 'size': 1, 'status': 'available', 'host': POOL,
            'attach_status': 'detached', 'use_quota': True, **values},
            metadata=values.pop('metadata', {})).id
        cloud.manager.backend.driver.create_volume(volumes_db.get(ctxt.elevated(), made))
        with (folder / f'volume-{made}').open('r+b') as file:
            file.write(DATA)
        return made
    return make


def content(folder, ident):
    with (folder / f'volume-{ident}').open('rb') as file:
        return file.read(len(DATA))


def downloads(service):
    return [path for _method, _host, path in service.seen if path.endswith('/file')]


# ------------------------------------------------------------------------- from image volumes
@pytest.mark.parametrize('place', ['cinder://{}', 'cinder://volumes/{}'])
@pytest.mark.parametrize('shown', ['direct_url', 'locations', 'asked for'])
def test_a_volume_is_a_clone_of_the_image_volume(cloud, service, volume, folder, place, shown):
    url = place.format(volume())
    values = {'direct_url': {'direct_url': url}, 'locations': {'locations': [{'url': url}]}}
    image = service.add(b'other bytes', **values.get(shown, {}))
    service.urls[image] = [url]
    made = cloud.make(image)
    assert (made.status, made.bootable, content(folder, made.id)) == ('available', True, DATA)
    assert made.glance_metadata['image_id'] == image and downloads(service) == []


@pytest.mark.parametrize(('of_volume', 'of_image'), [
    ({'project_id': 'another'}, {}),
    ({'project_id': 'another', 'metadata': {'image_owner': OURS}}, {}),
    ({'project_id': 'another', 'metadata': {'image_owner': OURS, 'glance_image_id': 'x'}}, {}),
    ({'project_id': ''}, {'owner': ''}), ({'project_id': 'another'}, {'owner': None}),
    ({'size': 2}, {}), ({'status': 'error'}, {}), ({'status': 'deleting'}, {}),
    ({'host': f'{BACKEND}#others'}, {}), ({'host': 'there@files#files'}, {}),
    ({'encryption_key_id': '00000000-0000-4000-8000-000000000009'}, {}),
    ({}, {'container_format': 'ovf'}), ({}, {'disk_format': 'iso'})])
def test_what_is_copied_instead(cloud, service, volume, folder, of_volume, of_image):
    url = f'cinder://{volume(**of_volume)}'
    made = cloud.make(service.add(b'from the service', direct_url=url, **of_image))
    assert content(folder, made.id).startswith(b'from the service')
    assert len(downloads(service)) == 1


@pytest.mark.parametrize('url', [
    'cinder://00000000-0000-4000-8000-000000000009', 'cinder://plan9', 'cinder://', 'rbd://{}',
    'file://{}', 'CINDER://{}'])
def test_a_place_that_is_no_volume(cloud, service, volume, folder, url):
    made = cloud.make(service.add(b'from the service', direct_url=url.format(volume())))
    assert content(folder, made.id).startswith(b'from the service')


def test_the_image_volume_of_another_project_that_is_that_of_the_image(
        ctxt, cloud, service, volume, folder):
    ident = volume(project_id='internal')
    image = service.add(b'x', direct_url=f'cinder://{ident}')
    volumes_db.set_metadata(ctxt, ident, {'glance_image_id': image, 'image_owner': OURS})
    assert content(folder, cloud.make(image).id) == DATA


@pytest.mark.parametrize('cloned', [True, False])
def test_the_image_volume_that_the_original_made(ctxt, cloud, options, service, volume, folder,
                                                 cloned):
    """It has the owner of the image only, so it must be where no user writes."""
    options.set_override('cinder_internal_tenant_project_id', 'internal' if cloned else 'another')
    ident = volume(project_id='internal')
    volumes_db.set_metadata(ctxt, ident, {'image_owner': OURS})
    image = service.add(b'from the service', direct_url=f'cinder://{ident}')
    assert content(folder, cloud.make(image).id)[:5] == (DATA if cloned else b'from the')[:5]


def test_no_empty_volume_is_made_before(ctxt, cloud, service, volume, folder):
    ident = volume()
    image = service.add(b'x', direct_url=f'cinder://{ident}')
    volumes_db.set_metadata(ctxt, ident, {'glance_image_id': image, 'image_owner': OURS})
    made, message = cloud.ask(image)
    assert not (folder / f'volume-{made}').exists()
    volumes_db.set_metadata(ctxt, ident, {'image_owner': 'another'})
    volumes_db.update(ctxt, ident, {'project_id': 'another'})
    assert cloud.run(message).state == 'done' and content(folder, made)[:1] == b'x'


def test_only_if_the_operator_allows_it(cloud, service, volume, folder, options):
    options.set_override('allowed_direct_url_schemes', ['file'])
    made = cloud.make(service.add(b'from the service', direct_url=f'cinder://{volume()}'))
    assert content(folder, made.id).startswith(b'from the service')


def test_a_signed_image_is_read(ctxt, cloud, service, volume, folder, key_manager):
    ident = signed_images.keep_certificate(key_manager, ctxt)
    image = service.add(b'signed', direct_url=f'cinder://{volume()}',
                        **signed_images.properties(b'signed', ident))
    assert content(folder, cloud.make(image).id).startswith(b'signed')


# ---------------------------------------------------------------------------------- uploads
@pytest.fixture
def upload(ctxt, cloud, volume, monkeypatch):
    """Upload a volume, to where nothing is left to do; returns (volume id, image id)."""
    # The same with less data.
    monkeypatch.setattr(image_properties, 'GIB', 2 ** 20)

    def run(**values):
        ident = volume()
        image = images_api.upload(ctxt, volumes_db.get(ctxt, ident), name='mine', **values)
        cloud.sort()
        message = cloud.sent.pop()
        operation = cloud.run(message)
        for _number in range(5):
            cloud.fill()
            if operation.state != 'queued':
                break
            operation = cloud.run(message)
        run.state = operation.state
        return ident, image['id']
    return run


def image_volumes(ctxt):
    found = [volumes_db.get(ctxt.elevated(), row['id'])
             for row in volumes_db.list_rows(ctxt.elevated(), all_tenants=True).rows]
    return [volume for volume in found if image_volumes_db.IMAGE in (volume.metadata or {})]


@pytest.mark.parametrize(('shows', 'new'), [(True, False), (False, True), (True, True)])
def test_a_clone_is_registered(ctxt, cloud, service, upload, folder, shows, new):
    service.shows_locations, service.has_location_api = shows, new
    ident, image = upload()
    made, = image_volumes(ctxt)
    assert upload.state == 'done' and downloads(service) == []
    assert (made.status, made.project_id, made.size, made.display_name, made.source_volid) == (
        'available', OURS, 1, f'image-{image}', ident)
    assert made.metadata == {'glance_image_id': image, 'image_owner': ''}
    assert made.admin_metadata['readonly'] == 'True' and content(folder, made.id) == DATA
    places = [place['url'] for place in service.images[image].get('locations', ())]
    assert places == ([f'cinder://{made.id}'] if shows else [])
    assert service.urls.get(image, []) == ([] if shows else [f'cinder://{made.id}'])
    assert volumes_db.get(ctxt, ident).status == 'available'


def test_it_belongs_to_the_internal_project(ctxt, options, service, upload):
    options.set_override('cinder_internal_tenant_project_id', 'internal')
    options.set_override('cinder_internal_tenant_user_id', 'nobody')
    options.set_override('image_upload_use_internal_tenant', True, 'backend_defaults')
    upload()
    made, = image_volumes(ctxt)
    assert (made.project_id, made.user_id) == ('internal', 'nobody')


def test_an_import_takes_time(ctxt, service, upload):
    service.shows_locations = False
    service.imported = [{'status': 'importing'}]
    original = service._answer

    def later(request, context, ident, file):
        answer = original(request, context, ident, file)
        if request.method == 'GET' and service.images.get(ident, {}).get('status') == 'importing':
            service.images[ident]['status'] = 'active'
        return answer
    service._answer = later
    upload()
    assert upload.state == 'done' and len(image_volumes(ctxt)) == 1 and downloads(service) == []


def gone(ctxt):
    return [volume.id for volume in image_volumes(ctxt) if volume.status != 'deleting'] == []


def test_its_data_is_sent_if_the_service_refuses(ctxt, cloud, service, upload):
    service.shows_locations = service.has_location_api = False
    _ident, image = upload()
    assert upload.state == 'done' and gone(ctxt)
    assert service.data[image].startswith(DATA)


def test_its_data_is_sent_if_an_import_fails(ctxt, service, upload):
    service.shows_locations = False
    service.imported = [{'status': 'queued'}]
    _ident, image = upload()
    assert upload.state == 'done' and gone(ctxt) and service.data[image].startswith(DATA)


def test_its_data_is_sent_if_the_quota_is_used(ctxt, options, service, upload):
    options.set_override('quota_volumes', 1)
    _ident, image = upload()
    assert upload.state == 'done' and image_volumes(ctxt) == []
    assert service.data[image].startswith(DATA)


def test_its_data_is_sent_if_the_clone_fails(ctxt, cloud, service, upload, monkeypatch):
    def fail(_volume, _source):
        raise exception.VolumeBackendAPIException(data='full')
    monkeypatch.setattr(cloud.manager.backend.driver, 'create_cloned_volume', fail)
    monkeypatch.setattr(cloud, 'fill', lambda: [cloud.deliver() for _each in [*cloud.sent]])
    _ident, image = upload()
    assert upload.state == 'done' and gone(ctxt) and service.data[image].startswith(DATA)


def test_only_the_bytes_of_a_disk_are_a_volume(ctxt, service, upload):
    _ident, image = upload(container_format='ovf')
    assert image_volumes(ctxt) == [] and service.data[image]


def test_a_lost_answer_is_no_refusal(ctxt, cloud, service, upload, monkeypatch):
    """The request was repeated, and the image has the location by then."""
    original = glance.Images.add_location

    def twice(self, image_id, url):
        original(self, image_id, url)
        original(self, image_id, url)
    monkeypatch.setattr(glance.Images, 'add_location', twice)
    upload()
    assert upload.state == 'done' and not gone(ctxt) and downloads(service) == []


def test_a_service_that_dies_when_it_is_registered(ctxt, cloud, service, upload, monkeypatch):
    """Nothing but the image shows that it was."""
    original, tries = glance.Images.add_location, []

    def die(self, image_id, url):
        tries.append(url)
        original(self, image_id, url)
        raise exception.NotYet(0, 'a service that dies')
    monkeypatch.setattr(glance.Images, 'add_location', die)
    upload()
    assert upload.state == 'done' and not gone(ctxt) and len(tries) == 1


@pytest.mark.parametrize('step', ['clone:before', 'register:before', 'register:after',
                                  'discard:before', 'discard:after'])
def test_a_service_that_dies_in_any_step(ctxt, cloud, service, upload, monkeypatch, step):
    """The next attempt ends as if nothing was: the image has a clone, or the data and no clone."""
    passed, name, discards = [], f'volume.upload:{step}', step.startswith('discard')

    def reach(point):
        passed.append(point)
        if point == name and passed.count(name) == 1:
            raise exception.NotYet(0, 'a service that dies')
    monkeypatch.setattr(fault_points, 'reach', reach)
    service.shows_locations = service.has_location_api = not discards
    _ident, image = upload()
    assert name in passed and upload.state == 'done'
    kept = [volume for volume in image_volumes(ctxt) if volume.status != 'deleting']
    assert (len(kept), image in service.data) == ((0, True) if discards else (1, False))


def test_a_deleted_volume_leaves_nothing(ctxt, cloud, service, volume):
    ident = volume()
    image = images_api.upload(ctxt, volumes_db.get(ctxt, ident), name='mine')
    cloud.sort()
    message = cloud.sent.pop()
    assert cloud.run(message).state == 'queued'
    clone = cloud.sent.pop()
    volumes_api.delete(ctxt, volumes_db.get(ctxt, ident), force=True)
    wake(ctxt, message[1]['operation'])
    cloud.manager.runner.poll()
    cloud.manager.runner.wait()
    cloud.sent.append(clone)
    assert image['id'] not in service.images and gone(ctxt)


def test_the_store_of_the_type(ctxt, cloud, service, upload, monkeypatch):
    monkeypatch.setattr(image_registration, 'store_of', lambda _volume: 'ssd')
    _ident, image = upload()
    made, = image_volumes(ctxt)
    assert service.images[image]['locations'][0]['url'] == f'cinder://ssd/{made.id}'
    _ident, image = upload(container_format='ovf')
    assert service.stores[image] == 'ssd'
