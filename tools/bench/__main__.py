# SPDX-License-Identifier: Apache-2.0
"""The benchmark of docs and issues: `.venv/bin/python tools/bench --help`.

Starts RabbitMQ, a database and the three daemons with one API worker, preloads volumes, measures,
and prints a table with the bound of each figure. What is compared with the bare reference, which
runs next to it, is CPU seconds and not wall time.
"""

import argparse
import contextlib
import os
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from tests.functional import databases, rabbit  # noqa: E402 - found through the line above
from tests.functional.suite import Node, Suite  # noqa: E402
from tools.bench import (  # noqa: E402
    adopt,
    api,
    backup,
    creates,
    crowd,
    events,
    idle,
    images,
    life,
    lists,
    metrics,
    placement,
    rbd_images,
    rbd_pool,
    reads,
    repeats,
    report,
    rights,
    sizes,
    threads,
)

SERVERS = {'postgresql': databases.PostgreSQL, 'mariadb': databases.MariaDB}
PARTS = ('api', 'rights', 'lists', 'sizes', 'life', 'idle', 'reads', 'creates', 'events',
         'repeats', 'crowd', 'threads', 'placement', 'backup', 'adopt', 'rbd', 'rbd-images',
         'images', 'metrics')
# Parts that need no servers.
ALONE = {'api', 'rights', 'lists', 'sizes', 'placement', 'backup', 'metrics', 'rbd-images'}


def arguments() -> argparse.Namespace:
    parser = report.parser(__doc__)
    parser.add_argument('--database', choices=SERVERS, default='postgresql')
    parser.add_argument('--only', choices=PARTS, action='append',
                        help='a part to measure (default: all)')
    parser.add_argument('--many', type=int, default=100_000, metavar='N',
                        help='volumes of the large table (default: %(default)s)')
    parser.add_argument('--seconds', type=int, default=60, metavar='N',
                        help='how long to create at a steady rate (default: %(default)s)')
    parser.add_argument('--beside', type=int, default=0, metavar='N',
                        help='have so many copies run while it creates at a steady rate')
    parser.add_argument('--idle', type=int, default=120, metavar='N',
                        help='seconds to watch the daemons do nothing (default: %(default)s)')
    parser.add_argument('--images', type=int, default=2000, metavar='N',
                        help='images of the large pool of rbd-images (default: %(default)s)')
    return parser.parse_args()


def _title(args: argparse.Namespace) -> str:
    return f'{args.database}, one API worker, {report.machine()}'


def main() -> int:
    args = arguments()
    parts = args.only or PARTS
    figures: list[report.Figure] = api.measure() if 'api' in parts else []
    if 'rights' in parts:
        figures += rights.measure()
    if 'lists' in parts:
        figures += lists.measure()
    if 'sizes' in parts:
        figures += sizes.measure()
    if 'metrics' in parts:
        figures += metrics.measure(args.many)
    if 'placement' in parts:
        figures += placement.measure()
    if 'backup' in parts:
        figures += backup.measure()
    if 'rbd-images' in parts:
        figures += rbd_images.measure(args.images)
    if not set(parts) - ALONE:
        report.show(f'without servers, {report.machine()}', figures, args.rst)
        return 0
    if os.getloadavg()[0] > 0.5:
        print(f'This machine is busy (load {os.getloadavg()[0]:.1f}): times will be too long.')
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix='bench')))
        print('Starting the servers ...', flush=True)
        broker = rabbit.Rabbit(folder / 'rabbitmq')
        stack.callback(broker.stop)
        broker.start()
        server = stack.enter_context(
            databases.started(SERVERS[args.database], folder / args.database))
        if 'crowd' in parts:
            figures += crowd.measure(server, broker, folder)
        if 'threads' in parts:
            figures += threads.measure(server, folder)
        if 'adopt' in parts:
            figures += adopt.measure(server, folder, args.many)
        if 'rbd' in parts:
            figures += rbd_pool.measure(server, broker, folder)
        if 'images' in parts:
            figures += images.measure(server, broker, folder)
        if not set(parts) - ALONE - {'crowd', 'threads', 'adopt', 'rbd', 'images'}:
            report.show(_title(args), figures, args.rst)
            return 0
        # The intervals of production, and room for all that is created.
        suite = Suite(folder / 'suite', server.url('bench'), broker.url('bench'),
                      nodes=(Node('bench'),), faults=False, options={
                          'DEFAULT': {'report_interval': 10, 'operation_poll_interval': 5,
                                      'operation_lease': 60, 'service_down_time': 60,
                                      'periodic_interval': 60, 'quota_volumes': -1,
                                      'quota_gigabytes': -1, 'quota_snapshots': -1},
                          'files': {'max_over_subscription_ratio': 10000,
                                    **creates.options(args.beside)}})
        stack.callback(suite.stop)
        suite.manage('db', 'sync')
        events.allow_files()
        figures += life.measure(suite)
        if 'idle' in parts:
            figures += idle.measure(suite, server, broker, args.idle)
        if 'reads' in parts:
            figures += reads.measure(suite, server, folder, args.many)
        if 'creates' in parts:
            figures += creates.measure(suite, server, args.seconds, args.beside)
        if 'events' in parts:
            figures += events.measure(suite, args.seconds)
        if 'repeats' in parts:
            figures += repeats.measure(suite, server)
    report.show(_title(args), figures, args.rst)
    return 0


if __name__ == '__main__':
    sys.exit(main())
