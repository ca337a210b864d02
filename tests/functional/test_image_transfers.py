# SPDX-License-Identifier: Apache-2.0
"""Transfers of images between processes: two back ends of a host share one, a deletion ends each
stage, and a kill in any step leaves nothing behind. IMAGES_FULL=1 kills in every step."""
import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from tests.functional.oracle import Oracle
from tests.functional.processes import children, wait_until
from tests.functional.suite import BACKEND, Suite
from tests.functional.test_images import MIB, begun, upload

SLOW = 'slow'
RATE = 16 * MIB
# Seconds in which a deletion ends a transfer.
SECONDS = 2
STEPS = {'raw': ('execute:claim', 'driver', 'fetch', 'write', 'finish'),
         'qcow2': ('fetch', 'convert', 'share', 'driver', 'write')}
ALL = [(kind, f'volume.download:{step}:{when}') for kind, steps in STEPS.items()
       for step in steps for when in ('before', 'after')]
SOME = [('raw', 'volume.download:write:before'), ('qcow2', 'volume.download:convert:after'),
        ('qcow2', 'volume.download:share:after')]


@pytest.fixture(scope='module')
def transfer_suite(installation, postgresql, image_service, workspace) -> Iterator[Suite]:
    flags = workspace / 'transfers' / 'flags'
    with installation('transfers', postgresql.url('transfers'), backends=(BACKEND, SLOW), options={
            'DEFAULT': {'glance_api_servers': image_service.url, 'fault_points': ','.join(
                f'{point}=kill@{flags / point}' for point in dict(map(reversed, ALL)))},
            SLOW: {'volume_copy_bps_limit': RATE}}) as suite:
        for name in (BACKEND, SLOW):
            suite.client().post('types', {'volume_type': {
                'name': name, 'extra_specs': {'volume_backend_name': name}}})
        yield suite


@pytest.fixture
def suite(transfer_suite) -> Iterator[Suite]:
    """What is left in the folder of conversions is a fault of the test before."""
    transfer_suite.ensure_running()
    yield transfer_suite
    wait_until(lambda: not left(transfer_suite), 15, 'the folder of conversions to be empty')


def left(suite: Suite) -> list[str]:
    folder = suite.state / 'conversion'
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def same(suite: Suite, volume: dict, data: bytes) -> bool:
    """Whether a volume of any back end begins with some bytes, and the next ones are zeros."""
    path, = (folder / f'volume-{volume["id"]}' for folder in suite.folders()
             if (folder / f'volume-{volume["id"]}').exists())
    with path.open('rb') as file:
        return file.read(len(data) + 9 * MIB) == data + bytes(9 * MIB)


@pytest.fixture(scope='module')
def disk() -> bytes:
    return os.urandom(3 * MIB) + bytes(4 * MIB) + os.urandom(48 * MIB)


@pytest.fixture(scope='module')
def images(image_service, disk, tmp_path_factory) -> Callable[[str], str]:
    """Add an image of the disk in a format; return its id."""
    folder = tmp_path_factory.mktemp('images')
    (folder / 'raw').write_bytes(disk)
    subprocess.run(['qemu-img', 'convert', '-q', '-f', 'raw', '-O', 'qcow2', '-c', folder / 'raw',
                    folder / 'qcow2'], check=True)
    return lambda kind: image_service.add(folder / kind, kind)['id']


@pytest.mark.parametrize('kind', ['raw', 'qcow2'])
def test_the_processes_of_a_host_share_a_transfer(suite, client, image_service, images, disk,
                                                  kind):
    image = images(kind)
    made = [client.create_volume(imageRef=image, volume_type=name)
            for name in (BACKEND, SLOW, BACKEND, BACKEND)]
    for volume in made:
        client.wait_for_status('volume', volume['id'], 'available', 60)
        assert same(suite, volume, disk)
    assert image_service.transfers_of(image) == 1


# ------------------------------------------------------------------------------- deletions
def seconds_to_delete(client, volume: dict) -> float:
    began = time.monotonic()
    client.action(volume['id'], 'os-force_delete', {}, expect=202)
    client.wait_gone('volume', volume['id'])
    return time.monotonic() - began


@pytest.fixture
def reference(client) -> float:
    """How long it takes to delete a volume that is idle."""
    return seconds_to_delete(client, client.ready_volume())


@pytest.mark.parametrize('kind', ['raw', 'qcow2'])
def test_who_waits_needs_no_second_transfer(suite, client, image_service, images, disk, reference,
                                            kind):
    """The volume that began it is deleted halfway, then one that waits; the last gets the data."""
    data = os.urandom(192 * MIB) if kind == 'raw' else disk
    image = image_service.add(data)['id'] if kind == 'raw' else images(kind)
    first = client.create_volume(imageRef=image, volume_type=SLOW)
    wait_until(lambda: begun(suite), 30, 'the transfer to begin', pause=0.001)
    others = [client.create_volume(imageRef=image, volume_type=name) for name in (SLOW, BACKEND)]
    wait_for_all(client, others, 'downloading')
    if kind == 'raw':
        wait_until(lambda: shared(suite), 30, 'the file to have what the volume has', pause=0.01)
    assert client.show('volume', first['id'])['status'] == 'downloading'
    with image_service.paused():
        for each in (first, others[0]):
            assert seconds_to_delete(client, each) < SECONDS + 2 * reference
    client.wait_for_status('volume', others[1]['id'], 'available', 60)
    assert same(suite, others[1], data) and image_service.transfers_of(image) == 1


def test_a_transfer_that_nobody_wants_ends(suite, client, image_service, disk, reference):
    image = image_service.add(3 * disk)['id']
    made = [client.create_volume(imageRef=image, volume_type=name) for name in (SLOW, BACKEND)]
    wait_until(lambda: begun(suite), 30, 'the transfer to begin', pause=0.001)
    wait_for_all(client, made, 'downloading')
    with image_service.paused():
        for each in made:
            assert seconds_to_delete(client, each) < SECONDS + 2 * reference
        wait_until(lambda: not left(suite), SECONDS, 'the transfer to end')


def shared(suite: Suite) -> bool:
    """Whether a file has all data, without zeros, of a transfer onto a volume."""
    folder = suite.state / 'conversion'
    with contextlib.suppress(FileNotFoundError, StopIteration):
        told = next(folder.glob('shared-*.claim')).read_text()
        part = next(folder.glob('*.part#*'))
        return part.stat().st_blocks * 512 >= json.loads(told)['done'] > 0
    return False


def wait_for_all(client, volumes: list[dict], status: str) -> None:
    for volume in volumes:
        client.wait_for_status('volume', volume['id'], status, 30)


@pytest.mark.parametrize('kind', ['raw', 'qcow2'])
def test_a_deletion_while_it_is_fetched(suite, client, image_service, images, reference, kind):
    """Also from an image service that sends nothing more; and one that waits goes on then."""
    image = images(kind)
    volume = client.create_volume(imageRef=image, volume_type=SLOW)
    wait_until(lambda: begun(suite), 30, 'the transfer to begin', pause=0.001)
    other = client.create_volume(imageRef=image, volume_type=BACKEND)
    third = client.create_volume(imageRef=image, volume_type=BACKEND)
    with image_service.paused():
        time.sleep(0.2)
        for each in (third, volume):  # that waits, and that fetches
            assert seconds_to_delete(client, each) < SECONDS + 2 * reference
    client.wait_for_status('volume', other['id'], 'available', 60)


def test_a_deletion_while_it_is_converted(suite, client, images, reference):
    volume = client.create_volume(imageRef=images('qcow2'), volume_type=BACKEND)
    wait_until(lambda: _stop_conversion(suite), 30, 'the conversion to begin', pause=0.001)
    assert seconds_to_delete(client, volume) < SECONDS + 2 * reference


@pytest.mark.parametrize('disk_format', ['raw', 'qcow2'])
def test_a_deletion_while_an_image_is_made(suite, client, image_service, reference, disk_format):
    """The image service takes nothing more, or qemu-img does not go on."""
    volume = client.ready_volume(volume_type=SLOW)
    made = upload(client, volume, disk_format=disk_format)
    with contextlib.ExitStack() as stalled:
        if disk_format == 'raw':
            wait_until(lambda: image_service.show(made)['status'] == 'saving', 30, 'the transfer')
            stalled.enter_context(image_service.paused())
            time.sleep(1)  # until all buffers are full
        else:
            wait_until(lambda: _stop_conversion(suite), 30, 'the conversion', pause=0.001)
        assert seconds_to_delete(client, volume) < SECONDS + 2 * reference


def test_a_deletion_while_it_is_written(suite, client, image_service, images, reference):
    """The copy of a verified file at a low rate; it has taken half of its time then."""
    image = images('qcow2')
    volume = client.create_volume(imageRef=image, volume_type=SLOW)
    path = suite.folder(SLOW) / f'volume-{volume["id"]}'
    wait_until(lambda: path.exists() and path.stat().st_blocks, 30, 'the copy', pause=0.005)
    assert client.show('volume', volume['id'])['status'] == 'downloading'
    assert seconds_to_delete(client, volume) < SECONDS + 2 * reference


def _stop_conversion(suite: Suite) -> bool:
    found = [pid for pid in _descendants(suite.processes['volume'].pid)
             if _name_of(pid) == 'qemu-img']
    for pid in found:
        os.kill(pid, signal.SIGSTOP)
    return bool(found)


def _descendants(pid: int) -> list[int]:
    found = [pid]
    for each in found:
        found.extend(children(each))
    return found


def _name_of(pid: int) -> str:
    try:
        with open(f'/proc/{pid}/comm', encoding='ascii') as file:
            return file.read().strip()
    except OSError:
        return ''


# ----------------------------------------------------------------------------------- kills
@pytest.mark.parametrize(('kind', 'point'), ALL if os.environ.get('IMAGES_FULL') else SOME)
def test_killed_at(suite, client, images, disk, kind, point):
    """A raw image streams onto its volume; a qcow2 one is shared by two."""
    image = images(kind)
    with suite.killed_at(point, 60):
        made = [client.create_volume(imageRef=image, volume_type=BACKEND)
                for _number in range(1 if kind == 'raw' else 2)]
    suite.ensure_running()
    for volume in made:
        client.wait_for_status('volume', volume['id'], 'available', 60)
        assert same(suite, volume, disk)


def test_nothing_is_left(suite):
    Oracle(suite).check()
