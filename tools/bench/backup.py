# SPDX-License-Identifier: Apache-2.0
"""What backups cost: the engine with the posix store against `dd | sha256sum | zstd` and
`zstd -d | dd` on the same file system, in turns; and against the original, if PEER names its
environment. Needs no servers: `.venv/bin/python tools/bench/backup.py`.

Both have the same volume, both make their result durable. Bounds hold for CPU and for wall time.
"""

import argparse
import datetime
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from tests import process_memory  # noqa: E402 - found through the line above
from tests.functional import backup_peer  # noqa: E402
from tools.bench import report  # noqa: E402

MIB, GIB = 2**20, 2**30
ROUNDS, CROWD = 3, 15
WRITE_BOUND, READ_BOUND, EMPTY_SECONDS, CROWD_MIB = 1.3, 1.2, 5, 1024
WRITE = ('dd if={volume} bs=1M status=none | tee >(sha256sum >{folder}/sum) | '
         'zstd -q -3 -f -o {folder}/plain.zst && sync {folder}/plain.zst')
READ = ('zstd -q -d -c {folder}/plain.zst | '
        'dd of={folder}/target bs=1M status=none conv=fsync iflag=fullblock')


def measure() -> list[report.Figure]:
    """Measure everything."""
    with tempfile.TemporaryDirectory(prefix='bench', dir=os.environ.get('BENCH_DIR')) as name:
        folder = pathlib.Path(name)
        figures = _compare(folder, '4 GiB with 1 GiB random', 4 * GIB, GIB, bounds=True)
        # For information: the pipe compares nothing when it reads, and has one digest less.
        figures += _compare(folder, '1 GiB random', GIB, GIB, bounds=False)
        print('Measuring an empty volume ...', flush=True)
        _volume(folder / 'volume', 100 * GIB, 0)
        empty = _child('write', folder)
        figures.append(report.Figure('backup of 100 GiB empty', empty['wall'], 's', EMPTY_SECONDS))
        figures.append(report.Figure('backup of 100 GiB empty: CPU', empty['cpu'], 's'))
        print(f'Measuring {CROWD} restores at once ...', flush=True)
        _volume(folder / 'volume', 256 * MIB, 128 * MIB)
        _child('write', folder)
        crowd = _child('crowd', folder)
        figures.append(report.Figure(f'memory of {CROWD} restores at once', crowd['rss'] / 1024,
                                     'MiB', CROWD_MIB))
    return figures


def _compare(folder: pathlib.Path, what: str, size: int, data: int,
             bounds: bool) -> list[report.Figure]:
    """Write and read a volume in turns with the reference; the medians of the ratios count."""
    print(f'Measuring {what} ...', flush=True)
    _volume(folder / 'volume', size, data)
    figures = []
    for action, command, bound in (('write', WRITE, WRITE_BOUND), ('read', READ, READ_BOUND)):
        pairs = [(_reference(command, folder), _child(action, folder)) for _round in range(ROUNDS)]
        name = {'write': 'backup', 'read': 'restore'}[action]
        for kind, unit in (('wall', 's'), ('cpu', 's of CPU')):
            figures.append(report.Figure(f'{name} of {what}', _median(
                ours[kind] for _bare, ours in pairs), unit))
            figures.append(report.Figure(f'{name} of {what}: {kind} against the pipe', _median(
                ours[kind] / bare[kind] for bare, ours in pairs), 'times',
                bound if bounds else None))
        figures.append(report.Figure(f'{name} of {what}: memory', max(
            ours['rss'] for _bare, ours in pairs) / 1024, 'MiB'))
    if os.environ.get('PEER', 'no') != 'no':
        figures += _peer(folder, what, size)
    return figures


def _volume(path: pathlib.Path, size: int, data: int) -> None:
    """Make a sparse file with random data in its middle."""
    path.unlink(missing_ok=True)
    with path.open('wb') as stream:
        stream.truncate(size)
        stream.seek((size - data) // 2 // MIB * MIB)
        for _piece in range(data // MIB):
            stream.write(os.urandom(MIB))
        os.fsync(stream.fileno())


def _median(values) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2]


def _reference(command: str, folder: pathlib.Path) -> dict[str, float]:
    (folder / 'target').unlink(missing_ok=True)
    return _timed(lambda: subprocess.run(
        ['/bin/bash', '-c', command.format(volume=folder / 'volume', folder=folder)], check=True))


def _timed(function: Callable[[], object]) -> dict[str, float]:
    """Return the wall and CPU seconds of child processes."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    function()
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return {'wall': wall, 'cpu': (after.ru_utime + after.ru_stime
                                  - before.ru_utime - before.ru_stime)}


def _child(action: str, folder: pathlib.Path) -> dict[str, float]:
    """Run an action of the engine in a process of its own; what it imports does not count."""
    done = subprocess.run([sys.executable, __file__, action, folder], check=True,
                          stdout=subprocess.PIPE, env=os.environ | {'PYTHONWARNINGS': 'ignore'})
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _peer(folder: pathlib.Path, what: str, size: int) -> list[report.Figure]:
    """The same with the original."""
    import shutil
    print(f'Measuring {what} with the original ...', flush=True)
    place = folder / 'peer'
    peer = backup_peer.Peer(backup_peer.python(), place)
    row = {'id': str(uuid.uuid4()), 'volume_id': str(uuid.uuid4()), 'size': size // GIB}
    made = peer.backup(folder / 'volume', row, backup_compression_algorithm='zstd')
    (folder / 'target').unlink(missing_ok=True)
    with (folder / 'target').open('wb') as stream:
        stream.truncate(size)
    back = peer.restore([row], folder / 'target', True)
    shutil.rmtree(place)
    return [report.Figure(f'the original: {name} of {what}{suffix}', value, unit)
            for name, found in (('backup', made), ('restore', back))
            for suffix, value, unit in (('', found['seconds'], 's'), ('', found['cpu'], 's of CPU'),
                                        (': memory', found['rss'] / 1024, 'MiB'))]


# ----------------------------------------------------------------------- what runs in the children
def _act(action: str, folder: pathlib.Path) -> dict[str, float]:
    """Back up `volume`, or restore the backup to `target`, or to many at once."""
    import shutil
    import threading

    from cinder import objects
    from cinder.backup.chunked import reader, writer
    from cinder.backup.drivers.posix import PosixBackupDriver
    from cinder.backup.facts import Source, Target
    from cinder.backup.volume_data import Descriptor
    from cinder.conf import CONF
    CONF([], project='cinder', default_config_files=[], default_config_dirs=[])
    CONF.set_override('backup_posix_path', str(folder / 'store'))
    driver = PosixBackupDriver(CONF)
    backup = objects.Backup(
        id=str(uuid.UUID(int=1)), volume_id=str(uuid.UUID(int=2)), display_name='bench', size=1,
        display_description=None, parent_id=None, container=None,
        created_at=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC))
    backup.container, backup.service_metadata = (driver.container_of(backup),
                                                 driver.prefix_of(backup))
    size = (folder / 'volume').stat().st_size

    def write() -> None:
        with (folder / 'volume').open('rb') as stream:
            writer.write(driver, backup, Source(Descriptor(stream.fileno()), size),
                         spool=str(folder))

    def read(name: str = 'target') -> None:
        with (folder / name).open('w+b') as stream:
            stream.truncate(size)
            reader.restore(driver, [backup], Target(Descriptor(stream.fileno()), size, zeroed=True),
                           spool=str(folder))

    def crowd() -> None:
        threads = [threading.Thread(target=read, args=(f'target{number}',))
                   for number in range(CROWD)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    if action == 'write':
        shutil.rmtree(folder / 'store', ignore_errors=True)
        (folder / 'store').mkdir()
    (folder / 'target').unlink(missing_ok=True)
    start, used = time.monotonic(), time.process_time()
    {'write': write, 'read': read, 'crowd': crowd}[action]()
    return {'wall': time.monotonic() - start, 'cpu': time.process_time() - used,
            'rss': process_memory.most_kibibytes()}


if __name__ == '__main__':
    if len(sys.argv) == 3:
        print(json.dumps(_act(sys.argv[1], pathlib.Path(sys.argv[2]))))
    else:
        argparse.ArgumentParser(description=__doc__).parse_args()
        print(report.text(report.machine(), measure()))
