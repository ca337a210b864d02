# SPDX-License-Identifier: Apache-2.0
"""A database that cannot be written to (fault F16), as its disk is full or it is read only: writers
are told to come back, readers notice nothing, and nobody has to be started again."""

import contextlib
import os
import pathlib
import subprocess
import time

import pytest

from tests.functional import databases, scenarios
from tests.functional.oracle import Oracle
from tests.functional.processes import wait_until
from tests.functional.suite import Node

ANSWERS_AFTER = 5
SIZE_MIB = 48


@pytest.fixture(scope='module')
def small_disk():
    """A file system of some megabytes that the server can write to."""
    if os.geteuid():
        pytest.skip('only root can mount')
    folder = databases.home('postgres')
    mount = ['mount', '-t', 'tmpfs', '-o', f'size={SIZE_MIB}m,mode=1777', 'none', str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        folder.rmdir()
        pytest.skip('file systems cannot be mounted here')
    try:
        yield folder
    finally:
        subprocess.run(['umount', '-l', str(folder)], check=True)
        folder.rmdir()


@pytest.fixture(scope='module')
def full_suite(installation, postgresql, small_disk):
    data = small_disk / 'data'
    data.mkdir(mode=0o777)
    data.chmod(0o777)
    subprocess.run(['chown', 'postgres', str(data)], check=True)
    postgresql.execute(f"CREATE TABLESPACE small LOCATION '{data}'")
    postgresql.execute('CREATE DATABASE full_disk TABLESPACE small')
    try:
        with installation('full', postgresql.existing('full_disk'), transport='fake:/',
                          nodes=[Node('node1', ('all',))]) as suite:
            yield suite
    finally:
        postgresql.execute('DROP DATABASE full_disk WITH (FORCE)')
        postgresql.execute('DROP TABLESPACE small')


@contextlib.contextmanager
def filled(folder: pathlib.Path):
    """No byte is left in the file system for the length of a block."""
    path = folder / 'filler'
    with path.open('wb') as file, contextlib.suppress(OSError):
        while True:
            os.write(file.fileno(), bytes(4096))
    try:
        yield
    finally:
        path.unlink()


def refused(client, seconds=20):
    """Create volumes until that is refused; returns those that were accepted."""
    made, ends = [], time.monotonic() + seconds
    while time.monotonic() < ends:
        answer = client.request('POST', 'volumes', {'volume': {'size': 1, 'metadata': {
            f'key{number}': 'v' * 250 for number in range(40)}}})
        if answer.status == 503:
            assert answer.fault == 'serviceUnavailable' and int(answer.headers['retry-after']) > 0
            return made
        assert answer.status == 202, answer
        made.append(answer.json['volume']['id'])
    raise AssertionError(f'nothing was refused after {len(made)} volumes')


def check_recovered(suite, client, scenario, made, pids):
    wait_until(lambda: client.request('POST', 'volumes', {'volume': {'size': 1}}).status == 202,
               ANSWERS_AFTER, 'writes to be taken again')
    for volume_id in made:
        client.wait_for_status('volume', volume_id, 'available')
    scenario.check_done()
    assert suite.pids() == pids
    Oracle(suite).check()


def test_the_disk_of_the_database_is_full(full_suite, small_disk):
    client, pids = full_suite.client(), full_suite.pids()
    scenario = scenarios.Extend(client)
    scenario.prepare()
    with filled(small_disk):
        made = refused(client)
        assert client.show('volume', scenario.target['id'])['status'] == 'available'
        assert client.get('volumes/detail')['volumes']
        # What was accepted before the end may have to wait for its result to be written.
        time.sleep(3)
        assert {client.show('volume', each)['status'] for each in made} <= {
            'creating', 'available'}
    scenario.request()
    check_recovered(full_suite, client, scenario, made, pids)


def test_the_database_is_read_only(suite, client, postgresql):
    pids = suite.pids()
    scenario = scenarios.Extend(client)
    scenario.prepare()
    scenario.request()
    postgresql.execute('ALTER SYSTEM SET default_transaction_read_only = on')
    postgresql.execute('SELECT pg_reload_conf()')
    try:
        wait_until(lambda: client.request(
            'PUT', f'volumes/{scenario.target["id"]}', {'volume': {'name': 'x'}}).status == 503,
            10, 'the server to read its options')
        assert refused(client) == []
        assert client.get('volumes/detail')['volumes']
        assert client.get('os-services')['services']
    finally:
        postgresql.execute('ALTER SYSTEM RESET default_transaction_read_only')
        postgresql.execute('SELECT pg_reload_conf()')
    check_recovered(suite, client, scenario, [], pids)
