# SPDX-License-Identifier: Apache-2.0
"""What the API costs before it does anything: its import, and finding a route among few or many.

Needs no servers: `.venv/bin/python tools/bench/api.py`.
"""

import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from cinder import context  # noqa: E402 - found through the line above
from cinder.api import dispatch, wsgi  # noqa: E402
from tools.bench import report  # noqa: E402

IMPORT_SECONDS, DISPATCH_MICROSECONDS, SPREAD = 1.2, 60, 1.1
FEW, MANY, CALLS, ROUNDS = 3, 300, 4000, 15
STATEMENT = ('import cinder.wsgi, cinder.api.v3.router, cinder.api.middleware.auth, '
             'cinder.api.middleware.fault, cinder.api.middleware.sizelimit')


def measure() -> list[report.Figure]:
    """Measure both, in CPU time of one process."""
    few, many = _dispatch_seconds(FEW, MANY)
    return [
        report.Figure('import of the API application: CPU', import_seconds(), 's', IMPORT_SECONDS),
        report.Figure(f'dispatch among {FEW} routes', few * 1e6, 'us'),
        report.Figure(f'dispatch among {MANY} routes', many * 1e6, 'us', DISPATCH_MICROSECONDS),
        report.Figure(f'dispatch among {MANY} routes against {FEW}', many / few, 'times', SPREAD)]


def import_seconds(rounds: int = 5) -> float:
    """Return the CPU seconds of a Python that imports the application and ends; the best."""
    found = []
    with tempfile.TemporaryDirectory(prefix='bench') as cache:
        # Compiled once, as an installed service is: by the first round.
        env = os.environ | {'PYTHONPYCACHEPREFIX': cache}
        env.pop('PYTHONDONTWRITEBYTECODE', None)
        for _ in range(rounds):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([sys.executable, '-W', 'ignore', '-c', STATEMENT], check=True, env=env,
                           cwd=pathlib.Path(__file__).parents[2], stderr=subprocess.DEVNULL)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(found)


def _dispatch_seconds(*sizes: int) -> list[float]:
    """Return the CPU seconds of one request for each number of routes; taken in turns, as a
    machine is not the same from one second to the next."""
    applications = [(_application(size), _environ(size)) for size in sizes]
    best = [float('inf')] * len(sizes)
    for _ in range(ROUNDS):
        for index, (application, environ) in enumerate(applications):
            began = time.process_time()
            for _ in range(CALLS):
                application(environ.copy(), _start_response)
            best[index] = min(best[index], (time.process_time() - began) / CALLS)
    return best


def _application(size: int) -> dispatch.Application:
    def show(req: wsgi.Request, thing_id: str) -> None:
        """Answers nothing."""
    return dispatch.Application({f'/things{index}/{{thing_id}}': {'GET': show}
                                 for index in range(size)})


def _environ(size: int) -> dict[str, object]:
    project = 'a' * 32
    return {'REQUEST_METHOD': 'GET', 'PATH_INFO': f'/{project}/things{size - 1}/1',
            'SCRIPT_NAME': '/v3', 'QUERY_STRING': '', 'HTTP_OPENSTACK_API_VERSION': 'volume 3.71',
            'cinder.context': context.RequestContext(
                is_admin=True, project_id=project, overwrite=False)}


def _start_response(_status: str, _headers: list) -> None:
    """Nobody reads it."""


if __name__ == '__main__':
    print(report.text(report.machine(), measure()))
