# SPDX-License-Identifier: Apache-2.0
"""Volumes of images, over REST and with a Glance of our own, beside the programs that one would use
by hand: in turns, so that the load of the machine is the same for both."""
from __future__ import annotations

import contextlib
import os
import pathlib
import subprocess
import threading
from collections.abc import Iterator

from tests.functional import databases, glance, rabbit
from tests.functional.suite import BACKEND, Node, Suite
from tools.bench import measure as kernel
from tools.bench.report import Figure
from tools.bench.turns import in_turns, seconds

GIB, MIB = 2**30, 2**20
ROUNDS, MANY = 5, 20
CACHED = 'cached'
# Seconds between two looks of a client, and of the meter of memory.
PAUSE, METER = 0.02, 0.05
PATIENCE = 600
RAW, QCOW2, CLONE, CROWD, MEMORY_MIB, ENCRYPTED = 1.2, 1.15, 1.3, 1.5, 150, 1.5
PROVIDERS = ('luks', 'luks2')


def measure(server: databases.Server, broker: rabbit.Rabbit, folder: pathlib.Path) -> list[Figure]:
    """Start Glance and the daemons, and measure."""
    print('Starting Glance ...', flush=True)
    with (glance.running(folder / 'glance') as images,
          _suite(images, server, broker, folder) as suite):
        bench = Bench(suite, images, folder)
        with Meter(suite) as meter:
            figures = [*bench.raw(), *bench.qcow2(), *bench.cached(), *bench.crowd()]
        with Meter(suite) as encrypting:
            figures += bench.encrypted()
        return [*figures, *(
            Figure(f'memory of cinder-volume with its children{when}, highest PSS', each.highest,
                   'MiB', MEMORY_MIB)
            for when, each in (('', meter), (', while it encrypts', encrypting)))]


@contextlib.contextmanager
def _suite(images: glance.Glance, server: databases.Server, broker: rabbit.Rabbit,
           folder: pathlib.Path) -> Iterator[Suite]:
    suite = Suite(folder / 'images', server.url('images'), broker.url('images'),
                  nodes=(Node('images'),), backends=(BACKEND, CACHED), faults=False, options={
                      'DEFAULT': {'glance_api_servers': images.url, 'quota_volumes': -1,
                                  'quota_gigabytes': -1, 'report_interval': 10,
                                  'operation_poll_interval': 5, 'operation_lease': 60,
                                  'service_down_time': 60,
                                  'cinder_internal_tenant_project_id': 'c0ffee' * 5 + 'c0',
                                  'cinder_internal_tenant_user_id': 'nobody'},
                      'key_manager': {'fixed_key': '0123456789abcdef' * 4},
                      BACKEND: {'max_over_subscription_ratio': 1000},
                      CACHED: {'max_over_subscription_ratio': 1000,
                               'image_volume_cache_enabled': True}})
    suite.start()
    try:
        yield suite
    finally:
        suite.stop()


class Meter:
    """Notes the most memory that cinder-volume has with all its children, in MiB."""

    def __init__(self, suite: Suite) -> None:
        self.highest = 0.0
        self._pid, self._stopped = suite.processes['volume'].pid, threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Meter:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        parent = self._pid
        while not self._stopped.wait(METER):
            for pid in kernel.tree(parent)[1:]:
                with contextlib.suppress(OSError, ValueError):
                    self.highest = max(self.highest, sum(map(
                        kernel.pss_mebibytes, kernel.tree(pid))))


class Bench:
    """The measurements.

    :param folder: where the programs by hand write, on the same file system as the volumes.
    """

    def __init__(self, suite: Suite, images: glance.Glance, folder: pathlib.Path) -> None:
        self.suite, self.images, self.folder = suite, images, folder
        self.client = suite.client()
        self.client.pause = PAUSE
        for name in (BACKEND, CACHED):
            self.client.post('types', {'volume_type': {
                'name': name, 'extra_specs': {'volume_backend_name': name}}})
        self.disk = folder / 'disk.raw'
        _fill(self.disk, GIB)
        # One of which many copies fit on a small machine: the rest of it is zeros.
        self.sparse = folder / 'sparse.raw'
        _fill(self.sparse, GIB // 8)
        self.raw_image = images.add(self.disk)['id']
        # What is done once, at the first request, is not what is measured.
        self._volume(images.add(b'small')['id'])

    def raw(self) -> list[Figure]:
        """Compare a volume of a raw image with curl and sha256sum."""
        target = self.folder / 'by-hand.raw'
        ours, by_hand = in_turns(lambda: self._volume(self.raw_image), lambda: _shell(
            f'curl -sf {self._url(self.raw_image)} | tee {target} | sha256sum && sync {target}',
            target), rounds=ROUNDS)
        return [Figure('raw image of 1 GiB: until the volume is available', ours, 's'),
                Figure('raw image: against curl | tee | sha256sum', ours / by_hand, 'times', RAW)]

    def qcow2(self) -> list[Figure]:
        """Compare a volume of a qcow2 image with curl, sha256sum and qemu-img."""
        made = self.folder / 'disk.qcow2'
        # With the tables of the format it has less than 1 GiB.
        _shell(f'head -c {GIB - 64 * MIB} {self.disk} | '
               f'dd of={self.folder}/part bs=1M iflag=fullblock status=none && '
               f'qemu-img convert -f raw -O qcow2 {self.folder}/part {made}')
        image = self.images.add(made, 'qcow2')['id']
        target = self.folder / 'by-hand.raw'
        ours, by_hand = in_turns(lambda: self._volume(image), lambda: _shell(
            f'curl -sf {self._url(image)} | tee {made} | sha256sum && '
            f'qemu-img convert -f qcow2 -O raw {made} {target} && sync {target}', target),
            rounds=ROUNDS)
        return [Figure('qcow2 image of 1 GiB: until the volume is available', ours, 's'),
                Figure('qcow2 image: against curl, sha256sum and qemu-img convert',
                       ours / by_hand, 'times', QCOW2)]

    def encrypted(self) -> list[Figure]:
        """Compare volumes of encrypted types with others; the headers take a part of them."""
        size, figures = GIB - 64 * MIB, []
        part, made = self.folder / 'part', self.folder / 'part.qcow2'
        _shell(f'head -c {size} {self.disk} > {part} && '
               f'qemu-img convert -f raw -O qcow2 {part} {made}')
        for provider in PROVIDERS:
            kind = self.client.post('types', {'volume_type': {
                'name': provider, 'extra_specs': {'volume_backend_name': BACKEND}}})['volume_type']
            self.client.post(f'types/{kind["id"]}/encryption', {'encryption': {
                'provider': provider, 'control_location': 'front-end'}})
        for name, path in (('raw', part), ('qcow2', made)):
            image = self.images.add(path, name)['id']
            plain, *others = in_turns(*(
                lambda kind=kind, image=image: self._volume(image, kind)
                for kind in (BACKEND, *PROVIDERS)), rounds=ROUNDS)
            figures += [Figure(f'{name} image, {provider}: against a volume that is not encrypted',
                               other / plain, 'times', ENCRYPTED)
                        for provider, other in zip(PROVIDERS, others, strict=True)]
        return figures

    def cached(self) -> list[Figure]:
        """Compare a volume of a cached image with a clone."""
        source = self._volume(self.raw_image, CACHED, keep=True)
        hit, clone = in_turns(
            lambda: self._volume(self.raw_image, CACHED),
            lambda: self._delete(self.client.ready_volume(source_volid=source, seconds=PATIENCE)),
            rounds=ROUNDS)
        self._delete({'id': source})
        return [Figure('cached image: against a clone', hit / clone, 'times', CLONE)]

    def crowd(self) -> list[Figure]:
        """Compare volumes that are created together with a single one and as many clones."""
        figures = []
        for name in (BACKEND, CACHED):
            image, other = (self.images.add(self.sparse)['id'] for _number in range(2))
            single = seconds(lambda name=name, other=other: self._volume(other, name))
            source = self._volume(other, name, keep=True)
            clones = seconds(lambda source=source: self._many(source_volid=source))
            together = seconds(lambda image=image, name=name: self._many(
                imageRef=image, volume_type=name))
            self._delete({'id': source})
            how = 'with the cache' if name == CACHED else 'without a cache'
            figures += [
                Figure(f'{MANY} volumes of one image {how}: downloads',
                       self.images.transfers_of(image), '', 1),
                Figure(f'{MANY} volumes of one image {how}: against one and {MANY} clones',
                       together / (single + clones), 'times', CROWD)]
        return figures

    # ------------------------------------------------------------------------------------- steps
    def _url(self, image: str) -> str:
        return f'{self.images.url}/v2/images/{image}/file'

    def _volume(self, image: str, name: str = BACKEND, keep: bool = False) -> str:
        made = self.client.ready_volume(imageRef=image, volume_type=name, seconds=PATIENCE)
        if not keep:
            self._delete(made)
        return made['id']

    def _many(self, **values: object) -> None:
        made = [self.client.create_volume(**values) for _number in range(MANY)]
        for volume in made:
            self.client.wait_for_status('volume', volume['id'], 'available', PATIENCE)
        for volume in made:
            self._delete(volume)

    def _delete(self, volume: dict) -> None:
        self.client.delete(f'volumes/{volume["id"]}', expect=202)
        self.client.wait_gone('volume', volume['id'])


def _fill(path: pathlib.Path, size: int) -> None:
    """Write a disk of 1 GiB with `size` bytes that no program can skip or compress."""
    with path.open('wb') as file:
        for _number in range(size // MIB):
            file.write(os.urandom(MIB))
        file.truncate(GIB)


def _shell(line: str, made: pathlib.Path | None = None) -> None:
    subprocess.run(['bash', '-o', 'pipefail', '-c', line], check=True,
                   stdout=subprocess.DEVNULL)
    if made:
        made.unlink()
