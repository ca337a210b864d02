# SPDX-License-Identifier: Apache-2.0
"""What authorization costs: requests of a member with the policy engine, and with its answers known
beforehand. One process with SQLite; the pipeline is Keystone's without the filter that asks it.

Needs no servers: `.venv/bin/python tools/bench/rights.py`.
"""

import io
import pathlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from paste import deploy  # noqa: E402 - found through the line above

from cinder import policy  # noqa: E402
from cinder.conf import CONF  # noqa: E402
from cinder.db import models, session  # noqa: E402
from tools.bench import preload, report  # noqa: E402

ROOT = pathlib.Path(__file__).parents[2]
PROJECT, MANY, ROUNDS = 'a' * 32, 1000, 25
# Kind of request, how often in a round, and the part of its CPU that authorization may add.
CASES = (('show', 100, 0.15), ('list', 2, 0.30))


def measure() -> list[report.Figure]:
    """Measure show and list, each in turns with and without."""
    with tempfile.TemporaryDirectory(prefix='bench') as folder:
        application = _application(pathlib.Path(folder))
        paths = {'list': '/v3/volumes/detail'}
        first = next(iter(_ids()))
        paths['show'] = f'/v3/volumes/{first}'
        figures = []
        for kind, number, bound in CASES:
            asked, with_it, without = _compare(application, _environ(paths[kind]), number)
            added = with_it - without
            figures += [
                report.Figure(f'{kind}: rules asked', asked, ''),
                report.Figure(f'{kind}: CPU of authorization', added * 1e6, 'us'),
                report.Figure(f'{kind}: authorization adds', added / without * 100, '%',
                              bound * 100)]
        session.current().dispose(close=True)
    CONF.clear_override('connection', 'database')
    CONF.clear_override('auth_strategy')
    return figures


def _application(folder: pathlib.Path) -> Callable:
    CONF([], project='cinder', default_config_files=[], default_config_dirs=[])
    url = f'sqlite:///{folder}/cinder.sqlite'
    CONF.set_override('connection', url, 'database')
    CONF.set_override('auth_strategy', 'keystone')
    models.metadata.create_all(session.current().writer)
    preload.fill(url, PROJECT, 'node@lvm#lvm', MANY)
    paste = folder / 'paste.ini'
    paste.write_text((ROOT / 'etc/cinder/api-paste.ini').read_text().replace(' authtoken ', ' '))
    return deploy.loadapp(f'config:{paste}', name='osapi_volume')


def _ids() -> Iterator[str]:
    with session.current().reader.connect() as conn:
        for row in conn.execute(models.Volume.__table__.select().limit(1)):
            yield row.id


def _compare(application: Callable, environ: dict, number: int) -> tuple[int, float, float]:
    """Return how many rules a request asks, and its CPU seconds with and without the engine."""
    answers: dict[str, bool] = {}
    asked = 0
    engine = policy.check

    def noting(ctxt, rule: str, target: object = None) -> bool:
        nonlocal asked
        asked += 1
        answers[rule] = engine(ctxt, rule, target)
        return answers[rule]

    def known(ctxt, rule: str, _target: object = None) -> bool:
        # The context notes in its credentials what is_admin was found to be.
        ctxt._policy_values = ctxt._policy_values or {}
        return answers[rule]

    best = {check: float('inf') for check in (engine, known)}
    try:
        policy.check = noting
        size = _call(application, environ)
        for _ in range(ROUNDS):
            for check in best:
                policy.check = check
                began = time.process_time()
                for _ in range(number):
                    assert _call(application, environ) == size
                best[check] = min(best[check], (time.process_time() - began) / number)
    finally:
        policy.check = engine
    return asked, best[engine], best[known]


def _call(application: Callable, environ: dict) -> int:
    """Return the number of bytes of the answer, which has to be a good one."""
    told: list = []
    body = b''.join(application(environ.copy(), lambda *answer: told.append(answer)))
    assert told[0][0].startswith('200'), (told[0], body[:300])
    return len(body)


def _environ(path: str) -> dict:
    return {'REQUEST_METHOD': 'GET', 'PATH_INFO': path, 'SCRIPT_NAME': '', 'QUERY_STRING': '',
            'SERVER_NAME': 'localhost', 'SERVER_PORT': '80', 'HTTP_HOST': 'localhost',
            'wsgi.url_scheme': 'http', 'wsgi.input': io.BytesIO(),
            'HTTP_OPENSTACK_API_VERSION': 'volume 3.71',
            'HTTP_X_IDENTITY_STATUS': 'Confirmed', 'HTTP_X_USER_ID': 'u' * 32,
            'HTTP_X_PROJECT_ID': PROJECT, 'HTTP_X_ROLES': 'member,reader'}


if __name__ == '__main__':
    print(report.text(report.machine(), measure()))
