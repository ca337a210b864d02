# SPDX-License-Identifier: Apache-2.0
"""Images on encrypted volumes: what is on the disk, who opens it, and what never lies there."""
import os
import pathlib
import subprocess

import pytest

from cinder import exception
from cinder.brick import disks
from cinder.brick.luks import container, material
from cinder.db import operations as operations_db
from cinder.db import type_encryption
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.image import image_convert
from cinder.keymgr import keys
from cinder.volume.api import images as images_api
from cinder.volume.api import volumes as volumes_api
from cinder.volume.data import image_download
from cinder.volume.manager import encrypted_transfers
from tests.fakes import key_manager as fake_keys
from tests.unit.volume.manager.test_image_transfers import (  # noqa: F401 # fixtures
    Transfers,
    downloads,
    nothing_left,
    service,
)

GIB, MIB = 1024 ** 3, 1024 ** 2
MOST = 18 * MIB
DATA = os.urandom(70_000) + bytes(140_000) + os.urandom(5000)
TYPES = {
    'luks1': {'provider': 'luks', 'cipher': 'aes-xts-plain64', 'key_size': 256},
    'luks2': {'provider': 'luks2', 'cipher': None, 'key_size': None},
    'plain': {'provider': 'plain', 'cipher': 'aes-xts-plain64', 'key_size': 256}}


@pytest.fixture(autouse=True)
def key_manager(monkeypatch):
    monkeypatch.setattr(material, 'ITERATIONS', 1000)
    monkeypatch.setattr(material, 'STRIPES', 10)
    fake_keys.configure()
    yield keys.manager()
    fake_keys.clear()


class Encrypted(Transfers):
    """Volumes of an encrypted type.

    :ivar type: of those that come next.
    """

    type = None

    def use(self, name):
        """Let the next volumes have this type."""
        self.type = types_db.get_by_name_or_id(self.ctxt, name)

    def opened(self, ident):
        """What hosts see of a volume."""
        volume = volumes_db.get(self.ctxt, ident)
        with disks.opened(str(self.folder / volume.name)) as disk, container.opened(
                disk, GIB, keys.passphrase(self.ctxt, volume.encryption_key_id)) as inside:
            return inside.read(0, len(DATA))

    def stored(self, ident):
        """The beginning of what is on the storage; nothing was written behind it."""
        path = self.folder / f'volume-{ident}'
        assert path.stat().st_size == GIB and path.stat().st_blocks * 512 <= MOST
        with path.open('rb') as file:
            return file.read(MOST)


@pytest.fixture
def transfers(ctxt, service, manager, sent, folder, monkeypatch):  # noqa: F811
    made = Encrypted(ctxt, manager, sent, folder)
    for name, encryption in TYPES.items():
        kind = types_db.create(ctxt, {'name': name})
        type_encryption.create(ctxt, kind.id, {**encryption, 'control_location': 'front-end'})
    real = volumes_api.create
    monkeypatch.setattr(volumes_api, 'create', lambda *args, **values: real(
        *args, **{'volume_type': made.type, **values}))
    made.use('luks1')
    return made


@pytest.fixture
def qcow2(service, tmp_path):  # noqa: F811
    (tmp_path / 'raw').write_bytes(DATA.ljust(MIB, b'\0'))
    subprocess.run(['qemu-img', 'convert', '-O', 'qcow2', tmp_path / 'raw', tmp_path / 'qcow2'],
                   check=True)
    return service.add((tmp_path / 'qcow2').read_bytes(), disk_format='qcow2')


@pytest.mark.parametrize(('kind', 'name'), [
    ('raw', 'luks1'), ('raw', 'luks2'), ('qcow2', 'luks1')])
def test_an_image_is_encrypted_on_its_way(transfers, service, qcow2, monkeypatch,  # noqa: F811
                                          name, kind):
    seen = []
    real = image_convert.temporary_file
    monkeypatch.setattr(image_convert, 'temporary_file',
                        lambda *args: (seen.append(args), real(*args))[1])
    transfers.use(name)
    ident = transfers.accept(service.add(DATA) if kind == 'raw' else qcow2)
    assert transfers.run(ident).state == 'done'
    assert transfers.opened(ident) == DATA
    stored = transfers.stored(ident)
    assert DATA[5000:5064] not in stored
    # A raw image streams; another one lies there as it came, and nowhere as the data of the disk.
    assert len(seen) == (kind != 'raw')
    volume = volumes_db.get(transfers.ctxt, ident)
    assert (volume.status, volume.bootable) == ('available', True)


@pytest.mark.parametrize('kind', ['raw', 'qcow2'])
def test_several_volumes_fetch_once(transfers, service, qcow2, kind):  # noqa: F811
    image = service.add(DATA) if kind == 'raw' else qcow2
    made = [transfers.accept(image) for _number in range(2)]
    assert [transfers.run(ident).state for ident in made] == ['done'] * 2
    assert [transfers.opened(ident) for ident in made] == [DATA] * 2
    assert downloads(service) == 1
    one, other = map(transfers.stored, made)
    assert one[2068480:3 * MIB] != other[2068480:3 * MIB]


def test_who_comes_while_it_streams_gets_it_decrypted(transfers, service, monkeypatch):  # noqa: F811
    image, late = service.add(DATA), []
    real = image_download.Fetch.go_on

    def go_on(*args):
        late.append(transfers.accept(image))
        transfers.waits(late[0])
        return real(*args)

    monkeypatch.setattr(image_download.Fetch, 'go_on', go_on)
    first = transfers.accept(image)
    assert transfers.run(first).state == transfers.run(late[0]).state == 'done'
    assert transfers.opened(first) == transfers.opened(late[0]) == DATA
    assert downloads(service) == 1


def test_a_disk_that_does_not_fit_beside_the_header(transfers, service, tmp_path):  # noqa: F811
    subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', tmp_path / 'large', '1G'],
                   check=True)
    image = service.add((tmp_path / 'large').read_bytes(), disk_format='qcow2')
    ident = transfers.accept(image)
    assert transfers.run(ident).state == 'failed'
    assert 'room' not in transfers.told(ident) and f'{GIB - 2068480} bytes' in transfers.told(ident)
    service.images[image]['virtual_size'] = GIB
    with pytest.raises(exception.ImageUnacceptable, match='at least 2 GiB'):
        transfers.accept(image)


def test_a_damaged_image_leaves_no_header(transfers, service):  # noqa: F811
    image = service.add(DATA)
    service.images[image]['os_hash_value'] = '0' * 128
    ident = transfers.accept(image)
    assert transfers.run(ident).state == 'failed'
    assert not transfers.stored(ident).startswith(b'LUKS')


def test_a_key_manager_that_is_away_is_waited_for(transfers, service, key_manager):  # noqa: F811
    ident = transfers.accept(service.add(DATA))
    key_manager.down = True
    with pytest.raises(exception.NotYet):
        transfers.run(ident)
    key_manager.down = False
    assert transfers.run(ident).state == 'done' and transfers.opened(ident) == DATA


# --------------------------------------------------------------------------- encrypted images
@pytest.fixture
def encrypted(transfers, service):  # noqa: F811
    """Return an encrypted image with the bytes of a volume of a type."""
    def make(name='luks1'):
        transfers.use(name)
        source = transfers.accept(service.add(DATA))
        transfers.run(source)
        with images_api.image_keys.of_volume(
                transfers.ctxt, volumes_db.get(transfers.ctxt, source), source) as key:
            return service.add(transfers.stored(source), **key)
    return make


@pytest.mark.parametrize('name', ['luks1', 'luks2'])
def test_an_encrypted_image_is_written_as_it_is(transfers, service, encrypted, key_manager,  # noqa: F811
                                                name):
    image = encrypted(name)
    ident = transfers.accept(image)
    assert transfers.run(ident).state == 'done'
    assert transfers.opened(ident) == DATA
    assert transfers.stored(ident) == service.data[image]
    volume = volumes_db.get(transfers.ctxt, ident)
    assert 'cinder_encryption_key_id' not in (volume.glance_metadata or {})
    # Those of the two volumes, and of the image.
    assert len(key_manager.kept) == 3
    assert len({key.get_encoded() for _owner, key in key_manager.kept.values()}) == 1


@pytest.mark.parametrize(('name', 'reason'), [
    ('luks2', 'luks1, but the volume type is luks2'), ('another key', 'does not open its data')])
def test_an_encrypted_image_that_hosts_could_not_open(transfers, service, encrypted,  # noqa: F811
                                                      key_manager, name, reason):
    image = encrypted()
    if name in TYPES:
        transfers.use(name)
    else:
        service.images[image]['cinder_encryption_key_id'] = key_manager.create_key(
            transfers.ctxt, 'aes', 256)
    ident = transfers.accept(image)
    assert transfers.run(ident).state == 'failed' and reason in transfers.told(ident)


def test_only_hosts_encrypt_without_a_header(transfers, service, key_manager):  # noqa: F811
    """What they have made can be written as it is."""
    transfers.use('plain')
    with pytest.raises(exception.InvalidInput, match='only hosts can encrypt'):
        transfers.accept(service.add(DATA))
    key = key_manager.create_key(transfers.ctxt, 'aes', 256)
    ident = transfers.accept(service.add(DATA, cinder_encryption_key_id=key))
    assert transfers.run(ident).state == 'done' and transfers.stored(ident).startswith(DATA)


def test_what_the_api_refuses(transfers, service, encrypted):  # noqa: F811
    image = encrypted()
    for values, reason in (({'disk_format': 'qcow2'}, "must be 'raw'"),
                           ({'cinder_encryption_key_id': 'x'}, 'not in the key manager')):
        ident = service.add(service.data[image], **{
            'cinder_encryption_key_id': service.images[image]['cinder_encryption_key_id'],
            **values})
        with pytest.raises(exception.ImageUnacceptable, match=reason):
            transfers.accept(ident)
    transfers.type = None
    with pytest.raises(exception.ImageUnacceptable, match='needs an encrypted type'):
        transfers.accept(image)


# --------------------------------------------------------------------------- over a volume
def reimage(transfers, ident, image):
    images_api.reimage(transfers.ctxt, volumes_db.get(transfers.ctxt, ident), image)
    return transfers.run(ident)


@pytest.mark.parametrize('kind', ['raw', 'qcow2'])
def test_a_reimaged_volume_has_another_key_of_its_data(transfers, service, qcow2, kind):  # noqa: F811
    ident = transfers.accept(service.add(b'before' * 50_000))
    transfers.run(ident)
    former = transfers.stored(ident)
    assert reimage(transfers, ident, service.add(DATA) if kind == 'raw' else qcow2).state == 'done'
    assert transfers.opened(ident) == DATA
    now = transfers.stored(ident)
    assert former[2068480:3 * MIB] != now[2068480:3 * MIB]
    assert now[MIB + 2068480 + 4096:].strip(b'\0') == b''


def test_reimage_with_an_encrypted_image(transfers, service, encrypted):  # noqa: F811
    image = encrypted()
    other = transfers.accept(service.add(DATA))
    transfers.run(other)
    with pytest.raises(exception.ImageUnacceptable, match='not encrypted with the key of volume'):
        reimage(transfers, other, image)
    volume = volumes_db.get(transfers.ctxt, other)
    key = service.images[image]['cinder_encryption_key_id']
    volumes_db.update(transfers.ctxt, volume.id, {'encryption_key_id': key})
    assert reimage(transfers, other, image).state == 'done' and transfers.opened(other) == DATA


# --------------------------------------------------------------------------- onto images
def test_an_upload_has_a_copy_of_the_key(transfers, service, key_manager, monkeypatch):  # noqa: F811
    ident = transfers.accept(service.add(DATA))
    transfers.run(ident)
    volume = volumes_db.get(transfers.ctxt, ident)
    image = service.images[images_api.upload(transfers.ctxt, volume, name='mine')['id']]
    assert image['cinder_encryption_key_deletion_policy'] == 'on_image_deletion'
    key = image['cinder_encryption_key_id']
    assert key != volume.encryption_key_id
    assert keys.are_equal(transfers.ctxt, key, volume.encryption_key_id)
    # The upload fails, which deletes the image and its key.
    monkeypatch.setattr('cinder.volume.data.image_upload.send',
                        lambda *_args: (_ for _ in ()).throw(exception.ImageUnacceptable(
                            image_id=image['id'], reason='no')))
    assert transfers.run(ident).state == 'failed'
    assert image['id'] not in service.images and set(key_manager.kept) == {
        volume.encryption_key_id}


def test_what_an_encrypted_volume_cannot_become(transfers, service, key_manager):  # noqa: F811
    ident = transfers.accept(service.add(DATA))
    transfers.run(ident)
    volume = volumes_db.get(transfers.ctxt, ident)
    with pytest.raises(exception.InvalidInput, match="disk_format must be 'raw'"):
        images_api.upload(transfers.ctxt, volume, name='mine', disk_format='qcow2')
    service.troubles = [403]
    with pytest.raises(exception.NotAuthorized):
        images_api.upload(transfers.ctxt, volume, name='mine')
    assert set(key_manager.kept) == {volume.encryption_key_id}


def test_secrets_are_in_no_process(transfers, qcow2, monkeypatch, caplog):
    """What the machine shows of qemu-img while it works on an encrypted volume."""
    found = []
    real = image_convert.nbd._next

    def look(*args):
        for pid in (p for p in os.listdir('/proc') if p.isdecimal()):
            try:
                if b'qemu-img' in (line := pathlib.Path(f'/proc/{pid}/cmdline').read_bytes()):
                    environment = pathlib.Path(f'/proc/{pid}/environ').read_bytes()
                    limits = pathlib.Path(f'/proc/{pid}/limits').read_text()
                    found.append((line + environment, limits))
            except OSError:
                continue
        return real(*args)

    monkeypatch.setattr(image_convert.nbd, '_next', look)
    caplog.set_level(0)
    ident = transfers.accept(qcow2)
    assert transfers.run(ident).state == 'done'
    volume = volumes_db.get(transfers.ctxt, ident)
    secret = keys.passphrase(transfers.ctxt, volume.encryption_key_id)
    assert found and all(secret not in seen for seen, _limits in found)
    assert any('Max core file size        0                    0' in limits
               for _seen, limits in found)
    assert secret.decode() not in caplog.text and secret not in transfers.stored(ident)
    assert encrypted_transfers.EncryptedTransfer._passphrase == b''
    assert operations_db.get(transfers.ctxt, transfers.operation(ident).id).arguments.get(
        'passphrase') is None
