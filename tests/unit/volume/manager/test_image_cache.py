# SPDX-License-Identifier: Apache-2.0
"""The image-volume cache over real files, with an image service in memory."""
import contextlib
import json

import pytest

from cinder import exception
from cinder.conf import CONF
from cinder.db import attachments as attachments_db
from cinder.db import image_cache as cache_db
from cinder.db import operations as operations_db
from cinder.db import volumes as volumes_db
from cinder.rpc import notifications
from cinder.volume.api import images as images_api
from cinder.volume.api import snapshots as snapshots_api
from cinder.volume.api import volumes as volumes_api
from cinder.volume.host import locks
from tests.fakes import image_service as fake
from tests.fakes import signed_images
from tests.fakes.journal import schedule, wake
from tests.unit.cmd.test_manage import run as manage
from tests.unit.volume.conftest import BACKEND, POOL

DATA = b'the bytes of a disk'
OPTIONS = ('image_volume_cache_enabled', 'image_volume_cache_max_count',
           'image_volume_cache_max_size_gb')


NOTIFY = notifications.notify_cache


@pytest.fixture
def service(monkeypatch, ctxt):
    ctxt.auth_token = 'of the caller'
    with fake.running(monkeypatch) as running:
        yield running


def content(folder, ident):
    return (folder / f'volume-{ident}').open('rb').read(len(DATA))


def downloads(service):
    return [path.split('/')[3] for _method, _host, path in service.seen if path.endswith('/file')]


@pytest.fixture
def events(monkeypatch):
    seen = []
    monkeypatch.setattr(notifications, 'notify_cache',
                        lambda _ctxt, event, image_id, *_more: seen.append((event, image_id)))
    return seen


@pytest.fixture
def options(conf):
    def configure(**values):
        for name, value in values.items():
            conf.set_override(f'image_volume_cache_{name}', value, 'backend_defaults')

    conf.set_override('cinder_internal_tenant_project_id', 'internal')
    conf.set_override('cinder_internal_tenant_user_id', 'nobody')
    conf.set_override('quota_volumes', -1)
    conf.set_override('quota_gigabytes', -1)
    configure(enabled=True)
    yield configure
    for name in OPTIONS:
        conf.clear_override(name, 'backend_defaults')
    conf.clear_override('cinder_internal_tenant_project_id')
    conf.clear_override('cinder_internal_tenant_user_id')
    conf.clear_override('quota_volumes')
    conf.clear_override('quota_gigabytes')


class Cloud:
    """Volumes of images; delivers each message, and wakes those who wait."""

    def __init__(self, ctxt, manager, sent):
        self.ctxt, self.manager, self.sent = ctxt, manager, sent

    def sort(self):
        """Forget messages that no operation belongs to."""
        self.sent[:] = [each for each in self.sent if 'operation' in each[1]]

    def deliver(self, index=-1):
        """Deliver a message; return the operation as it is then."""
        self.sort()
        _method, arguments = self.sent.pop(index)
        operation = operations_db.get(self.ctxt, arguments['operation'].id)
        wake(self.ctxt, operation)
        with contextlib.suppress(exception.NotYet):
            self.manager.runner.handlers[operation.verb](
                self.ctxt, **{**arguments, 'operation': operation})
        return operations_db.get(self.ctxt, operation.id)

    def ask(self, image_id, size=1):
        """Ask for a volume, to where its data is needed; returns (id, message of that)."""
        volume = volumes_api.create(self.ctxt, size=size,
                                    image=images_api.find(self.ctxt, image_id))
        self.sort()
        operation = self.sent.pop()[1]['operation']
        volumes_db.update(self.ctxt, volume.id, {'host': POOL})
        schedule(self.ctxt, operation, BACKEND)
        self.sent.append(('create_volume', {'operation': operation, 'volume': volumes_db.get(
            self.ctxt, volume.id)}))
        assert self.deliver().state == 'done'
        self.sort()
        return volume.id, self.sent.pop()

    def run(self, message):
        self.sent.append(message)
        return self.deliver()

    def fill(self):
        """Do what was begun for the cache."""
        while self.sort() or self.sent:
            assert self.deliver().state == 'done'

    def make(self, image_id, size=1):
        """Make a volume of an image, and what the cache needs for that; returns it."""
        ident, message = self.ask(image_id, size)
        state = self.run(message).state
        self.fill()
        if state == 'queued':
            assert self.run(message).state == 'done'
        return volumes_db.get(self.ctxt, ident)

    def entries(self):
        return cache_db.list_entries(self.ctxt)


@pytest.fixture
def cloud(ctxt, service, manager, sent, options, events):
    manager.runner.stop()  # only messages are delivered
    return Cloud(ctxt, manager, sent)


def test_the_first_volume_fetches_and_all_are_clones(ctxt, service, cloud, folder, events):
    image = service.add(DATA, os_distro='debian')
    made = [cloud.make(image, size) for size in (1, 2)]
    assert downloads(service) == [image]
    for volume, size in zip(made, (1, 2), strict=True):
        assert (volume.status, volume.bootable, volume.size) == ('available', True, size)
        assert volume.glance_metadata['image_id'] == image
        assert volume.glance_metadata['os_distro'] == 'debian'
        assert content(folder, volume.id) == DATA
        assert (folder / f'volume-{volume.id}').stat().st_size == size * 2 ** 30
    entry, = cloud.entries()
    cached = volumes_db.get(ctxt, entry.volume_id)
    assert (cached.project_id, cached.user_id, cached.use_quota, cached.size) == (
        'internal', 'nobody', False, 1)
    assert (entry.image_id, entry.pool, entry.status) == (image, POOL, 'available')
    assert events == [('miss', image), ('hit', image), ('hit', image)]


def test_six_first_uses_fetch_once(service, cloud, folder):
    image = service.add(DATA)
    asked = [cloud.ask(image) for _number in range(6)]
    assert {cloud.run(message).state for _ident, message in reversed(asked)} == {'queued'}
    cloud.fill()
    assert {cloud.run(message).state for _ident, message in asked} == {'done'}
    assert downloads(service) == [image] and len(cloud.entries()) == 1
    assert {content(folder, ident) for ident, _message in asked} == {DATA}


def test_an_empty_volume_is_only_created_if_no_image_is_there(service, cloud, monkeypatch):
    image, created = service.add(DATA), []
    driver = cloud.manager.backend.driver
    real = driver.create_volume
    monkeypatch.setattr(driver, 'create_volume', lambda volume: (
        created.append(volume.project_id), real(volume))[1])
    cloud.make(image)
    del created[:]
    assert cloud.make(image).status == 'available'
    assert created == []


@pytest.mark.parametrize('gone', ['evicted', 'deleted'])
def test_an_expected_image_that_goes_meanwhile_is_fetched_again(ctxt, service, cloud, folder,
                                                                gone):
    image = service.add(DATA)
    cloud.make(image)
    ident, message = cloud.ask(image)
    entry, = cloud.entries()
    if gone == 'evicted':
        cache_db.evict(ctxt, entry.volume_id)
    else:
        volumes_db.destroy(ctxt, entry.volume_id)
    assert cloud.run(message).state == 'queued'
    cloud.fill()
    assert cloud.run(message).state == 'done'
    assert content(folder, ident) == DATA and downloads(service) == [image, image]


def test_a_changed_image_is_fetched_again(ctxt, service, cloud, folder, events):
    image = service.add(DATA)
    first = cloud.make(image)
    before, = cloud.entries()
    service.images[image]['updated_at'] = '2026-11-30T07:00:00Z'
    service._keep(image, DATA[::-1])
    second = cloud.make(image)
    after, = cloud.entries()
    assert after.volume_id != before.volume_id
    with pytest.raises(exception.VolumeNotFound):
        volumes_db.get(ctxt, before.volume_id)
    assert (content(folder, first.id), content(folder, second.id)) == (DATA, DATA[::-1])
    assert ('evict', image) in events


@pytest.fixture
def signed(ctxt, service, key_manager):
    ident = signed_images.keep_certificate(key_manager, ctxt)
    return lambda data=DATA: service.add(data, **signed_images.properties(DATA, ident))


def test_a_signed_image_is_verified_once(ctxt, signed, service, cloud, folder):
    image = signed()
    made = [cloud.make(image) for _number in range(2)]
    assert downloads(service) == [image]
    for volume in made:
        assert content(folder, volume.id) == DATA
        assert volume.glance_metadata['signature_verified'] == 'True'


def test_what_does_not_match_its_signature_is_not_cached(ctxt, signed, service, cloud):
    asked = [cloud.ask(signed(DATA[::-1])) for _number in range(2)]
    assert {cloud.run(message).state for _ident, message in asked} == {'queued'}
    cloud.sort()
    while cloud.sent:
        cloud.deliver()
        cloud.sort()
    assert {cloud.run(message).state for _ident, message in asked} == {'failed'}
    assert {volumes_db.get(ctxt, ident).status for ident, _message in asked} == {'error'}


def test_one_that_was_cached_while_signatures_were_ignored(ctxt, signed, service, cloud, conf):
    image = signed(DATA[::-1])
    conf.set_override('verify_glance_signatures', 'disabled')
    assert cloud.make(image).status == 'available'
    conf.clear_override('verify_glance_signatures')
    ident, message = cloud.ask(image)
    assert cloud.run(message).state == 'queued'
    cloud.sort()
    while cloud.sent:
        cloud.deliver()
        cloud.sort()
    assert cloud.run(message).state == 'failed'
    assert volumes_db.get(ctxt, ident).status == 'error'


def test_what_cannot_be_cached_is_fetched_by_each(ctxt, service, cloud, folder):
    image = service.add(DATA)
    asked = [cloud.ask(image) for _number in range(3)]
    assert {cloud.run(message).state for _ident, message in asked} == {'queued'}
    assert cloud.deliver().state == 'done'  # its creation
    service.data[image] = DATA[::-1]
    assert cloud.deliver().state == 'failed'
    service.data[image] = DATA
    assert {cloud.run(message).state for _ident, message in asked} == {'done'}
    assert len(downloads(service)) == 1 + len(asked)
    assert {content(folder, ident) for ident, _message in asked} == {DATA}
    cloud.fill()
    assert cloud.entries() == []


def test_an_entry_that_is_too_large_is_not_used(service, cloud):
    image = service.add(DATA, disk_format='raw', min_disk=1)
    cloud.make(image)
    volumes_db.update(cloud.ctxt, cloud.entries()[0].volume_id, {'size': 5})
    assert cloud.make(image, 2).status == 'available'
    assert len(downloads(service)) == 2


def test_the_least_recently_used_goes_first(service, cloud, options):
    options(max_count=2)
    images = [service.add(DATA) for _number in range(3)]
    for image in (images[0], images[1], images[0], images[2]):
        cloud.make(image)
    assert [each.image_id for each in cloud.entries()] == [images[0], images[2]]


def test_the_size_of_all_is_limited(service, cloud, options):
    options(max_size_gb=3)
    images = [service.add(DATA, min_disk=size) for size in (1, 2, 2, 4)]
    for image in images[:3]:
        cloud.make(image, 5)
    assert [each.image_id for each in cloud.entries()] == [images[2]]
    service.seen.clear()
    assert cloud.make(images[3], 5).status == cloud.make(images[3], 5).status == 'available'
    assert downloads(service) == [images[3]] * 2
    assert [each.image_id for each in cloud.entries()] == [images[2]]


def test_one_that_is_read_is_deleted_afterwards(ctxt, service, cloud, options):
    options(max_count=1)
    cloud.make(service.add(DATA))
    entry, = cloud.entries()
    cached = volumes_db.get(ctxt, entry.volume_id)
    with locks.read_lock(cached):
        ident, message = cloud.ask(service.add(DATA))
        assert cloud.run(message).state == 'queued'
        cloud.sort()
        deletion = next(index for index, (method, _arguments) in enumerate(cloud.sent)
                        if method == 'delete_volume')
        kept = cloud.sent[deletion]
        assert cloud.deliver(deletion).state == 'queued'
        assert volumes_db.get(ctxt, cached.id).status == 'deleting'
    assert cloud.run(kept).state == 'done'
    cloud.fill()
    assert cloud.run(message).state == 'done'
    assert volumes_db.get(ctxt, ident).status == 'available'


@pytest.mark.parametrize('use', ['snapshot', 'attachment', 'migration'])
def test_one_that_an_operator_uses_is_kept(ctxt, service, cloud, options, use):
    options(max_count=1)
    cloud.make(service.add(DATA))
    entry, = cloud.entries()
    cached = volumes_db.get(ctxt, entry.volume_id)
    if use == 'snapshot':
        snapshots_api.create(ctxt, cached)
        cloud.fill()
    elif use == 'attachment':
        attachments_db.create(ctxt, {'volume_id': cached.id, 'attach_status': 'reserved'})
    else:
        volumes_db.update(ctxt, cached.id, {'migration_status': 'starting'})
    assert cloud.make(service.add(DATA)).status == 'available'  # not cached
    assert [each.volume_id for each in cloud.entries()] == [cached.id]
    assert volumes_db.get(ctxt, cached.id).status == 'available'


@pytest.mark.parametrize('why', ['off', 'no owner', 'encrypted', 'no room'])
def test_not_cached(ctxt, service, cloud, options, monkeypatch, why):
    image = service.add(DATA)
    if why == 'off':
        options(enabled=False)
    elif why == 'no owner':
        CONF.clear_override('cinder_internal_tenant_user_id')
    elif why == 'no room':
        monkeypatch.setattr(cloud.manager.backend, 'capabilities', lambda refresh: {
            'free_capacity_gb': 0.5})
    ident, message = cloud.ask(image)
    if why == 'encrypted':
        message[1]['volume'].encryption_key_id = 'key'
        message[1]['volume'].volume_type.encryption = {'provider': 'NoOpEncryptor'}
    assert cloud.run(message).state == 'done'
    assert cloud.entries() == [] and downloads(service) == [image]
    assert volumes_db.get(ctxt, ident).status == 'available'


def test_a_clone_that_was_interrupted_begins_again(service, cloud, monkeypatch, folder):
    image = service.add(DATA)
    cloud.make(image)
    ident, message = cloud.ask(image)
    driver = cloud.manager.backend.driver
    real = driver.create_cloned_volume

    def interrupted(volume, source):
        real(volume, source)
        raise exception.BackendUnresponsive(data='killed')

    monkeypatch.setattr(driver, 'create_cloned_volume', interrupted)
    assert cloud.run(message).state == 'queued'
    monkeypatch.setattr(driver, 'create_cloned_volume', real)
    assert cloud.run(message).state == 'done'
    assert content(folder, ident) == DATA


def test_commands(ctxt, service, cloud, capsys):
    images = [service.add(DATA) for _number in range(2)]
    for image in images:
        cloud.make(image)
    manage('image-cache', 'list')
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [[POOL, image] for image in images]
    assert manage('image-cache', 'evict', images[0]) == 0
    assert 'is being deleted' in capsys.readouterr().out
    manage('image-cache', 'list', '--json')
    assert [each['image'] for each in json.loads(capsys.readouterr().out)] == images[1:]
    with pytest.raises(exception.NotFound, match='is not cached in pool other'):
        manage('image-cache', 'evict', images[1], '--pool', 'other')
    volumes_db.overwrite(ctxt, cloud.entries()[0].volume_id, {'status': 'in-use'})
    assert manage('image-cache', 'evict', images[1]) == 1
    assert 'was not deleted' in capsys.readouterr().out


def test_uses_are_notified_of_with_their_rows(ctxt, service, cloud, options, told, monkeypatch):
    monkeypatch.setattr(notifications, 'notify_cache', NOTIFY)
    options(max_count=1)
    for _number in range(2):
        cloud.make(service.add(DATA))
    uses = [each for each in told.events if each[0].startswith('image')]
    assert [event for event, _payload, _changed in uses] == [
        f'image_volume_cache.{event}' for event in ('miss', 'hit', 'miss', 'evict', 'hit')]
    told.events[:] = [each for each in told.events if not each[0].endswith(('.miss', '.start'))]
    told.require_changes()
