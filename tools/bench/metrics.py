# SPDX-License-Identifier: Apache-2.0
"""What the metrics cost: CPU of a request with and without them, and a scrape with 100,000 volumes,
all routes and eight workers. Needs no servers: `.venv/bin/python tools/bench/metrics.py`."""

import contextlib
import os
import pathlib
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from cinder import metrics  # noqa: E402 - found through the line above
from cinder.api import deployment_metrics  # noqa: E402
from cinder.api.middleware import measured, sizelimit  # noqa: E402, F401 - registers its option
from cinder.api.v3 import router  # noqa: E402
from cinder.conf import CONF  # noqa: E402
from cinder.db import models, services, session, types  # noqa: E402
from cinder.objects.verbs import VERBS  # noqa: E402
from tests.api import conftest  # noqa: E402
from tests.fakes import daemons as fake_daemons  # noqa: E402
from tests.fakes.daemons import ADMIN, Daemons  # noqa: E402
from tools.bench import preload, report  # noqa: E402

ROUNDS, REQUESTS, WORKERS = 21, 150, 8
# A request over HTTP takes several times as much, so the share is smaller there.
SCRAPE_MILLISECONDS, PERCENT = 50, 8
CODES = ('200', '202', '400', '404')


def measure(many: int = 100_000) -> list[report.Figure]:
    """Measure both."""
    from paste import deploy
    with tempfile.TemporaryDirectory(prefix='bench') as folder, \
            pytest.MonkeyPatch.context() as patch, _options(folder):
        models.metadata.create_all(session.current().writer)
        types.create(ADMIN, {'name': '__DEFAULT__', 'is_public': True})
        application = deploy.loadapp(f'config:{conftest.PASTE}', name='osapi_volume')
        Daemons().install(patch)
        figures = [*_request(application, folder), *_scrape(folder, many)]
        session.reset()
    return figures


@contextlib.contextmanager
def _options(folder: str) -> Iterator[None]:
    CONF([], project='cinder', default_config_files=[], default_config_dirs=[])
    CONF.set_override('connection', f'sqlite:///{folder}/cinder.sqlite', 'database')
    CONF.set_override('auth_strategy', 'noauth')
    session.reset()
    yield
    CONF.clear_override('connection', 'database')
    CONF.clear_override('auth_strategy')


def _request(application: object, folder: str) -> Iterator[report.Figure]:
    """The CPU of GET /volumes/{id} in this process, without that of a server of HTTP."""
    volume = fake_daemons.volume(conftest.PROJECT, name='one')
    plain, counting = [], []
    for _round in range(ROUNDS):
        session.reset()
        plain.append(_cpu(application, volume['id']))
        metrics.start(_directory(folder))
        session.reset()
        counting.append(_cpu(measured.measured(application), volume['id']))
        metrics.stop()
    session.reset()
    # The best of each: what disturbs a round only makes it longer.
    more = min(counting) / min(plain)
    yield report.Figure('metrics: CPU of GET /volumes/{id} without them',
                        min(plain) * 1000, 'ms')
    yield report.Figure('metrics: more CPU with them', (more - 1) * 100, '%', PERCENT)


def _cpu(application: object, volume_id: str) -> float:
    api = conftest.Api(application)
    path = f'/v3/{conftest.PROJECT}/volumes/{volume_id}'
    api.request('GET', path, bare=True)
    began = time.process_time()
    for _request_number in range(REQUESTS):
        api.request('GET', path, bare=True)
    return (time.process_time() - began) / REQUESTS


def _scrape(folder: str, many: int) -> Iterator[report.Figure]:
    """A scrape when each of WORKERS has served every route."""
    print(f'Inserting {many} volumes ...', flush=True)
    preload.fill(f'sqlite:///{folder}/cinder.sqlite', conftest.PROJECT, 'a@b#c', many)
    for number in range(50):
        services.create(ADMIN, {'host': f'host{number}@lvm', 'binary': 'cinder-volume',
                                'topic': 'cinder-volume'})
    with session.writer(ADMIN) as conn:
        conn.execute(sa.insert(models.Operation.__table__), [
            {'id': str(number), 'verb': list(VERBS)[number % 10], 'resource_type': 'volume',
             'resource_id': str(number), 'stage': 'execute', 'state': 'queued', 'fence': 0,
             'attempt': 0, 'host': f'host{number % 50}@lvm'} for number in range(1000)])
    metrics.start(_directory(folder))
    for _worker in range(WORKERS):
        _fork(_count_all)
    store, sent = metrics.current(), []
    sa.event.listen(session.current().reader, 'before_cursor_execute',
                    lambda _conn, _cursor, statement, *_more: sent.append(statement))
    store.render(deployment_metrics.Deployment())
    sent.clear()
    times = []
    for _round in range(ROUNDS):
        began = time.process_time()
        text = store.render(deployment_metrics.Deployment())
        times.append(time.process_time() - began)
    metrics.stop()
    yield report.Figure(f'metrics: a scrape, {many} volumes, {WORKERS} workers, '
                        f'{len(text.splitlines())} lines', statistics.median(times) * 1000, 'ms',
                        SCRAPE_MILLISECONDS)
    yield report.Figure('metrics: statements of a scrape', len(sent) / ROUNDS, '', 1)


def _count_all() -> None:
    for path, methods in router.ROUTES.items():
        for method in methods:
            for code in CODES:
                metrics.count('cinder_api_requests_total', path, method, code)
            metrics.observe('cinder_api_request_seconds', 0.01, path, method)


def _fork(work: object) -> None:
    pid = os.fork()
    if not pid:
        work()
        # It keeps its slot until all have theirs.
        time.sleep(0.1)
        os._exit(0)


def _directory(folder: str) -> str:
    return tempfile.mkdtemp(dir=folder)


if __name__ == '__main__':
    print(report.text(report.machine(), measure()))
