# SPDX-License-Identifier: Apache-2.0
"""The daemons on native threads: some of what others try on eventlet, once more. All of it is tried
with OS_DEFAULT__CONCURRENCY_BACKEND=threading in the environment of tools/test."""
import os
import subprocess
import sys
import threading
import uuid

import pytest

from tests.functional import scenarios
from tests.functional.clients import programs
from tests.functional.daemon import ROOT, SECONDS
from tests.functional.oracle import Oracle
from tests.functional.test_processes import (  # noqa: F401 - run here once more
    refused,
    test_a_missing_broker_is_waited_for_and_does_not_hinder_the_stop,
    test_all_in_one_process_starts_by_itself_and_stops_cleanly,
    test_daemons_load_only_what_they_use,
    test_each_backend_is_a_process_and_a_bad_one_is_skipped,
    test_https,
    test_reload_takes_mutable_options_and_survives_a_broken_file,
    test_stop_has_a_time_limit,
    test_systemd_is_told_when_it_is_ready,
    test_workers_share_a_free_port_and_dead_ones_are_replaced,
)
from tests.functional.test_sockets import (  # noqa: F401
    service,
    test_a_body_in_chunks,
    test_a_trailer_does_not_smuggle_a_request,
    test_broken_chunks,
    test_chunks_beyond_the_limit,
    test_lines_and_headers,
    test_two_lengths_do_not_smuggle_a_request,
    test_what_becomes_no_request_is_answered_with_a_fault,
    test_what_is_no_request,
)

VARIABLE = 'OS_DEFAULT__CONCURRENCY_BACKEND'
AT_A_TIME = 100
# Prints what of the modules imported before the patch is something that the patch replaces.
EARLY = '''
import sys
import cinder.conf.early
NAMES = ('_thread', 'os', 'queue', 'select', 'selectors', 'socket', 'ssl', 'subprocess',
         'threading', 'time')
before = dict(sys.modules)
kept = {name: dict(vars(__import__(name))) for name in NAMES}
import eventlet
eventlet.monkey_patch()
stale = {id(value) for name in NAMES for key, value in kept[name].items()
         if callable(value) and getattr(__import__(name), key, value) is not value}
print(*(f'{name}.{key}' for name, module in before.items() if name.startswith(('cinder', 'oslo'))
        for key, value in list(vars(module).items()) if id(value) in stale), sep='')
'''


@pytest.fixture(scope='module', autouse=True)
def native_threads():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, 'threading')
        yield


def test_one_life(installation, postgresql):
    """Of each operation, by three daemons on a broker and a database server; and for a client."""
    with installation('native', postgresql.url('native')) as suite:
        running = [make(suite.client()) for make, _verb in scenarios.ALL.values()]
        for scenario in running:
            scenario.prepare()
        for scenario in running:
            scenario.request()
        for scenario in running:
            scenario.check_done()
        Oracle(suite).check()
        cinder = programs.Cinder(suite.endpoint, uuid.uuid4().hex, set())
        cinder('create --name @one 1 --poll')
        cinder('snapshot-create --name @taken @one')
        assert [row['Status'] for row in cinder.rows('list')] == ['available']


def test_as_many_slow_requests_at_a_time_as_the_option_says(daemon, tmp_path):
    """By one worker: each waits until all of them are there."""
    (tmp_path / 'meeting.py').write_text(
        'import threading\n'
        f'all_there = threading.Barrier({AT_A_TIME})\n'
        'def factory(global_conf, **local_conf):\n'
        '    def application(environ, start_response):\n'
        f'        all_there.wait({SECONDS})\n'
        "        start_response('200 OK', [('Content-Length', '0')])\n"
        "        return [b'']\n"
        '    return application\n')
    (tmp_path / 'paste.ini').write_text('[composite:osapi_volume]\nuse = egg:Paste#urlmap\n'
                                        '/slow: slow\n/healthcheck: health\n'
                                        '[app:slow]\npaste.app_factory = meeting:factory\n'
                                        '[app:health]\nuse = egg:oslo.middleware#healthcheck\n')
    api = daemon('api', osapi_volume_workers=1, api_paste_config=tmp_path / 'paste.ini',
                 env={'PYTHONPATH': f'{ROOT}:{tmp_path}'}).begin()
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(api.ask('/slow')[0]))
               for _ in range(AT_A_TIME)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * AT_A_TIME


@pytest.mark.parametrize('module', ['api', 'all'])
def test_threads_that_do_not_exist_are_one_line_and_status_1(daemon, monkeypatch, module):
    monkeypatch.delenv(VARIABLE)
    line = refused(daemon(module, concurrency_backend='gevent'))
    assert 'concurrency_backend = gevent' in line and 'threading' in line


def test_what_is_imported_before_the_patch_keeps_nothing_of_it():
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', EARLY], capture_output=True,
                          text=True, check=True, timeout=SECONDS, cwd=ROOT, env=dict(os.environ))
    assert done.stdout.strip() == ''
