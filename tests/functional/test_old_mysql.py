# SPDX-License-Identifier: Apache-2.0
"""A MySQL that is too old for this service: each program says so in one line and makes no table
there. As the source of an adoption it serves, see test_adoption.py."""
import concurrent.futures
import os
import subprocess
import sys

import pytest
import sqlalchemy as sa

from tests.fakes import original
from tests.functional import mysql
from tests.functional.daemon import ROOT

SECONDS = 120
LINE = (f'[database] connection leads to MySQL {mysql.VERSION}, which is too old for this service: '
        'use MySQL 8.0 or newer, or MariaDB 10.6 or newer.')
MANAGE = ('-c', 'import sys; from cinder.cmd import manage; sys.exit(manage.main())',
          '--config-file', '{config}')
# What is run -> its words, and its exit status.
PROGRAMS = {
    'volume': (('-m', 'cinder.cmd.volume', '--config-file', '{config}'), 1),
    'wsgi': (('-c', 'import cinder.wsgi.api'), 1),
    'status': (('-c', 'import sys; from cinder.cmd import status; sys.exit(status.main())',
                '--config-file', '{config}', 'upgrade', 'check'), 2),
    'db sync': ((*MANAGE, 'db', 'sync'), 1),
    'db version': ((*MANAGE, 'db', 'version'), 1),
    'db adopt': ((*MANAGE, 'db', 'adopt', '{source}'), 1),
}


@pytest.fixture
def values(old_mysql, tmp_path):
    """The configuration for an empty database there, and the URL of one with the original's
    tables."""
    source = old_mysql.url('source_of_the_same_server')
    original.create(source).dispose()
    config = tmp_path / 'cinder.conf'
    config.write_text(
        f'[DEFAULT]\nstate_path = {tmp_path}\ntransport_url = fake:/\nauth_strategy = noauth\n'
        'enabled_backends = files\nrpc_response_timeout = 2\n'
        f'api_paste_config = {ROOT}/etc/cinder/api-paste.ini\n'
        f'[database]\nconnection = {old_mysql.url("too_old")}\n'
        '[files]\nvolume_driver = cinder.volume.drivers.file.FileVolumeDriver\n'
        'target_helper = local\n')
    return {'config': config, 'source': source}


def _run(values, words):
    return subprocess.run(
        [sys.executable, *(word.format(**values) for word in words)], capture_output=True,
        text=True, timeout=SECONDS, cwd=values['config'].parent,
        env={**os.environ, 'PYTHONPATH': str(ROOT),
             'OS_CINDER_CONFIG_FILES': str(values['config'])})


def test_each_program_says_what_is_needed(values, old_mysql):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        runs = {name: pool.submit(_run, values, words) for name, (words, _status)
                in PROGRAMS.items()}
    for name, run in runs.items():
        done = run.result()
        told = [line for line in done.stderr.splitlines() if LINE in line]
        assert done.returncode == PROGRAMS[name][1] and len(told) == 1, (name, done)
        assert 'Traceback' not in done.stderr + done.stdout, (name, done)
    with sa.create_engine(old_mysql.url('too_old')).connect() as conn:
        assert sa.inspect(conn).get_table_names() == []
