# SPDX-License-Identifier: Apache-2.0
"""What it takes to adopt a large cloud of the original: `cinder-manage db adopt` from one database
of a server into another one, as a process of its own."""

import os
import pathlib
import subprocess
import sys
import time

from tests import process_memory
from tests.fakes import original, original_site
from tests.functional.databases import Server
from tools.bench import report

MINUTES, MIB = 10, 300
_ROOT = pathlib.Path(__file__).resolve().parents[2]
# cinder-manage, which leaves its status file in the file that is its first argument.
_COMMAND = '''
import pathlib, sys
from cinder.cmd import manage
place = pathlib.Path(sys.argv.pop(1))
try:
    status = manage.main()
finally:
    place.write_text(pathlib.Path('/proc/self/status').read_text())
sys.exit(status)
'''


def measure(server: Server, folder: pathlib.Path, volumes: int) -> list[report.Figure]:
    """Make a cloud with so many volumes, and adopt it."""
    print(f'Making a cloud of {volumes} volumes ...', flush=True)
    url = server.url('bench_original')
    rows = original.fill(original.create(url), original_site.Site(volumes).pieces())
    print(f'Adopting {rows} rows ...', flush=True)
    config = folder / 'adopt.conf'
    # The back end that all volumes are on; no service of it is started.
    config.write_text(f'[DEFAULT]\nstate_path = {folder}\nenabled_backends = lvm\n'
                      '[lvm]\nvolume_driver = cinder.volume.drivers.file.FileVolumeDriver\n'
                      f'[database]\nconnection = {server.url("bench_adopted")}\n')
    start = time.monotonic()
    process = subprocess.Popen([
        sys.executable, '-c', _COMMAND, str(folder / 'status'), '--config-file', str(config),
        'db', 'adopt', url],
        env={**os.environ, 'PYTHONPATH': str(_ROOT)})
    _pid, status, used = os.wait4(process.pid, 0)
    seconds = time.monotonic() - start
    if status:
        raise RuntimeError(f'cinder-manage db adopt ended with {status}')
    many = rows >= 900_000
    what = f'adoption of {rows} rows with {volumes} volumes'
    return [report.Figure(what, seconds / 60, 'min', MINUTES if many else None),
            report.Figure(f'{what}: CPU of the command', used.ru_utime + used.ru_stime, 's'),
            report.Figure(f'{what}: memory', process_memory.most_kibibytes(
                folder / 'status') / 1024, 'MiB', MIB)]
