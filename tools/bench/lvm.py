# SPDX-License-Identifier: Apache-2.0
"""The benchmark of LVM, inside a lab: `tools/lvm-lab run -- .venv/bin/python tools/bench/lvm.py`.

Counts of commands, and ratios of times taken in turns in one run: a lab is several times slower
than the machine it runs on, so that its times alone say nothing.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from cinder.privsep import command  # noqa: E402 - found through the line above
from cinder.volume.drivers import lvm  # noqa: E402
from tests.fakes import volumes  # noqa: E402
from tests.lvm import group, service  # noqa: E402
from tools.bench import report  # noqa: E402
from tools.bench.report import Figure  # noqa: E402
from tools.bench.turns import in_turns  # noqa: E402

ROUNDS = 5
MANY = 1000
# What a request may cost in a guest beside its commands: three daemons, a broker, a database.
FIXED_SECONDS = 0.150
THIN = """
        {name} {{
            id = "{id}"
            status = ["READ", "WRITE", "VISIBLE"]
            flags = []
            segment_count = 1
            segment1 {{
                start_extent = 0
                extent_count = 256
                type = "thin"
                thin_pool = "{pool}"
                transaction_id = 0
                device_id = {number}
            }}
        }}
"""


class Counter:
    """An executor that notes the programs."""

    def __init__(self):
        self.programs: list[str] = []

    def __call__(self, *argv, **kwargs):
        self.programs.append(argv[0])
        return command.execute(*argv, **kwargs)

    def during(self, run: Callable[[], object]) -> int:
        self.programs.clear()
        run()
        return len(self.programs)




def counts(driver: lvm.LVMVolumeDriver, counter: Counter) -> list[Figure]:
    volume, snapshot, clone = volumes.volume(), None, volumes.volume()
    snapshot = volumes.snapshot(volume)
    steps = (('create', 1, lambda: driver.create_volume(volume)),
             ('snapshot', 1, lambda: driver.create_snapshot(snapshot)),
             ('clone', 2, lambda: driver.create_cloned_volume(clone, volume)),
             ('extend', 1, lambda: driver.extend_volume(volume, 2)),
             ('statistics', 2, lambda: driver.get_volume_stats(refresh=True)),
             ('delete of a snapshot', 2, lambda: driver.delete_snapshot(snapshot)),
             ('delete', 2, lambda: driver.delete_volume(volume)))
    found = [Figure(f'commands: {name}', counter.during(step), '', bound)
             for name, bound, step in steps]
    driver.delete_volume(clone)
    return found


def sizes(driver: lvm.LVMVolumeDriver) -> list[Figure]:
    """Clones and snapshots of 100 GiB against 1 GiB, with some blocks written in both."""
    sources = [volumes.volume(size) for size in (1, 100)]
    for source in sources:
        driver.create_volume(source)
        with open(driver.local_path(source), 'r+b', buffering=0) as device:
            device.write(os.urandom(32 * 2 ** 20))
            os.fsync(device.fileno())
    clones = in_turns(*(lambda each=each: driver.create_cloned_volume(
        volumes.volume(each.size), each) for each in sources), rounds=ROUNDS)
    snapshots = in_turns(*(lambda each=each: driver.create_snapshot(volumes.snapshot(each))
                           for each in sources), rounds=ROUNDS)
    return [Figure(f'{what} of 100 GiB against 1 GiB', big / small, 'times', 1.3)
            for what, (small, big) in (('clone', clones), ('snapshot', snapshots))]


def many(driver: lvm.LVMVolumeDriver) -> list[Figure]:
    """The cost of statistics with many thin volumes, which a restored description makes at once."""
    with tempfile.TemporaryDirectory() as folder:
        backup = pathlib.Path(folder, 'group')
        group.run('vgcfgbackup', '-qq', '-f', str(backup), group.NAME)
        text = backup.read_text()
        wanted = ''.join(THIN.format(
            name=f'many{number}', id=_lvm_id(number), pool=group.POOL, number=100_000 + number)
            for number in range(MANY))
        backup.write_text(re.sub(r'(\n\tlogical_volumes \{\n)', lambda found: found[1] + wanted,
                                 text, count=1))
        subprocess.run(['vgcfgrestore', '-qq', '-y', '--force', '-f', str(backup), group.NAME],
                       check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    assert len(group.volumes_of_group()) >= MANY
    bare, stats = in_turns(lambda: group.run('lvs', group.NAME),
                           lambda: driver.get_volume_stats(refresh=True), rounds=ROUNDS)
    return [Figure(f'statistics of {MANY} thin volumes against bare lvs', stats / bare, 'times', 2)]


def rest(folder: pathlib.Path) -> list[Figure]:
    """Thin volumes made over REST against bare lvcreate in the same pool, in turns."""
    made = []

    def bare() -> None:
        made.append(f'bare{len(made)}')
        group.run('lvcreate', '-qq', '-T', f'{group.NAME}/{group.POOL}', '-V', '1g', '-n',
                  made[-1])

    with service.running(folder) as suite:
        client = suite.client()
        # What is done once, at the first request, is not what is measured.
        service.ready(client)
        bare_seconds, over_rest = in_turns(bare, lambda: service.ready(client), rounds=ROUNDS)
    return [Figure('bare lvcreate of a thin volume', bare_seconds * 1000, 'ms'),
            Figure('thin volume over REST, until it is available', over_rest * 1000, 'ms'),
            Figure(f'the same above {FIXED_SECONDS * 1000:.0f} ms, against bare lvcreate',
                   (over_rest - FIXED_SECONDS) / bare_seconds, 'times', 1.3)]


def _lvm_id(number: int) -> str:
    digits = f'{number:032d}'
    return '-'.join((digits[:6], digits[6:10], digits[10:14], digits[14:18], digits[18:22],
                     digits[22:26], digits[26:]))


def main() -> int:
    args = report.parser(__doc__).parse_args()
    if group.lab.DEVICE not in os.environ:
        print('Run this in a lab: tools/lvm-lab run -- .venv/bin/python tools/bench/lvm.py')
        return 2
    counter = Counter()
    group.make()
    driver = lvm.LVMVolumeDriver(
        volumes.options(volume_group=group.NAME, lvm_type='thin'), counter, host='bench@lvm')
    driver.check_for_setup_error()
    figures = [*counts(driver, counter), *sizes(driver), *many(driver)]
    with tempfile.TemporaryDirectory(prefix='bench') as folder:
        figures += rest(pathlib.Path(folder))
    report.show(f'LVM in a lab, {report.machine()}', figures, args.rst)
    return 0


if __name__ == '__main__':
    sys.exit(main())
