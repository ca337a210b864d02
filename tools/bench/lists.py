# SPDX-License-Identifier: Apache-2.0
"""Every list of the API with a thousand rows, against a bare reference: CPU of one request.

The reference is a WebOb application that reads as many rows of the table by SQLAlchemy Core and
makes the same bytes with the json module. Both run in this process on one SQLite file, so that no
server's own work is in either figure. Needs no servers: `.venv/bin/python tools/bench/lists.py`.
"""

import json
import pathlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
import webob
import webob.dec
from paste import deploy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from cinder import policy  # noqa: E402 - found through the line above
from cinder.api.middleware import sizelimit  # noqa: E402, F401 - registers its option
from cinder.conf import CONF  # noqa: E402
from cinder.db import models, session, types  # noqa: E402
from tests.api import conftest, test_lists, verbs  # noqa: E402
from tests.fakes.daemons import ADMIN, Daemons  # noqa: E402
from tools.bench import report  # noqa: E402

BOUND, ROUNDS = 3.0, 7
# What an answer lists -> the table it is in, where the names differ.
TABLES = {'attachments': 'volume_attachment', 'consistencygroups': 'groups',
          'cgsnapshots': 'group_snapshots', 'qos_specs': 'quality_of_service_specs',
          'default_types': 'default_volume_types', 'hosts': 'services'}


def measure() -> list[report.Figure]:
    """Measure all lists."""
    with tempfile.TemporaryDirectory(prefix='bench') as folder, \
            pytest.MonkeyPatch.context() as patch:
        api = _crowded(folder, patch)
        figures = [figure for each in test_lists.LISTS for figure in _figures(api, each.path)]
        session.reset()
    CONF.clear_override('connection', 'database')
    CONF.clear_override('auth_strategy')
    return figures


def _crowded(folder: str, patch: pytest.MonkeyPatch) -> conftest.Api:
    """Return a client of a service with a thousand of everything."""
    CONF([], project='cinder', default_config_files=[], default_config_dirs=[])
    CONF.set_override('connection', f'sqlite:///{folder}/cinder.sqlite', 'database')
    CONF.set_override('auth_strategy', 'noauth')
    session.reset()
    models.metadata.create_all(session.current().writer)
    types.create(ADMIN, {'name': '__DEFAULT__', 'is_public': True})
    policy.reset()
    api = conftest.Api(deploy.loadapp(f'config:{conftest.PASTE}', name='osapi_volume'))
    Daemons().install(patch)
    test_lists.crowd(verbs.World(api, verbs.populate(api)), session)
    return api


def _figures(api: conftest.Api, path: str) -> Iterator[report.Figure]:
    headers = {'X-Auth-Token': f'user:{api.project}', 'OpenStack-API-Version': 'volume 3.71'}

    def ask(application: Callable) -> webob.Response:
        # A new one each time: to find a route changes the request.
        answer = webob.Request.blank(f'/v3/{api.project}{path}', headers=headers).get_response(
            application)
        assert answer.status_int == 200, answer.body
        return answer

    answer = ask(api.app)
    bare = _bare(answer)
    assert ask(bare).json == answer.json
    ours, theirs = _seconds(lambda: ask(api.app), lambda: ask(bare))
    yield report.Figure(f'{path}: CPU per request', ours * 1000, 'ms')
    yield report.Figure(f'{path}: against the bare reference', ours / theirs, 'times', BOUND)


def _bare(answer: webob.Response) -> Callable:
    """Return an application that gives this answer after reading as many rows."""
    name, rows = next((key, value) for key, value in answer.json.items()
                      if not key.endswith('_links'))
    table = models.metadata.tables[TABLES.get(name, name)]
    query, document = sa.select(table).limit(len(rows)), answer.json

    @webob.dec.wsgify
    def application(_request: webob.Request) -> webob.Response:
        with session.current().reader.connect() as conn:
            found = [dict(row) for row in conn.execute(query).mappings()]
        assert len(found) == len(rows)
        return webob.Response(body=json.dumps(document).encode(), content_type='application/json')
    return application


def _seconds(*works: Callable[[], object]) -> list[float]:
    """Return the CPU seconds of each, the best of some rounds in turns."""
    best = [float('inf')] * len(works)
    for _ in range(ROUNDS):
        for index, work in enumerate(works):
            began = time.process_time()
            work()
            best[index] = min(best[index], time.process_time() - began)
    return best


if __name__ == '__main__':
    print(report.text(report.machine(), measure()))
