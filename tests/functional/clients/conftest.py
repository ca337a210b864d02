# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests of client programs: one installation with two back ends in a cluster, and
per test a project of its own for each program. What the programs have used is kept per program.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterator

import pytest

from tests.functional.clients import programs
from tests.functional.suite import ROOT, WITH_BACKUP, Node, Suite

_OPTIONS = {'DEFAULT': {'cluster': 'cluster', 'default_group_type': 'usual',
                        'resource_query_filters_file': ROOT / 'etc/cinder/resource_filters.json'}}


@pytest.fixture(scope='session')
def clients_suite(installation, postgresql, image_service) -> Iterator[Suite]:
    default = _OPTIONS['DEFAULT'] | {'glance_api_servers': image_service.url}
    with installation('clients', postgresql.url('clients'), backends=('files', 'second'),
                      nodes=[Node('node1', WITH_BACKUP)], options={'DEFAULT': default}) as suite:
        yield suite


@pytest.fixture
def suite(clients_suite) -> Suite:
    """Four daemons on PostgreSQL and RabbitMQ; the volume daemon serves two back ends."""
    clients_suite.ensure_running()
    return clients_suite


@pytest.fixture(scope='session')
def used() -> dict[str, set[str]]:
    """What was used so far, by program."""
    return defaultdict(set)


@pytest.fixture
def whole_file(request) -> None:
    """Skip a test that judges what the others of its file have done, when they do not all run."""
    chosen = {item.function.__name__ for item in request.session.items
              if item.module is request.module}
    if any(name.startswith('test_') and name not in chosen for name in vars(request.module)):
        pytest.skip('only some of the tests of this file were chosen')


@pytest.fixture
def openstack(suite, client, used) -> programs.OpenStack:
    return programs.OpenStack(suite.endpoint, client.project, used['openstack'])


@pytest.fixture
def cinder(suite, client, used) -> programs.Cinder:
    return programs.Cinder(suite.endpoint, client.project, used['cinder'])


@pytest.fixture
def sdk(suite, client, used, image_service) -> programs.Library:
    return programs.Library(suite.endpoint, client.project, used['sdk'], image_service.url)


@pytest.fixture
def other_project() -> str:
    return uuid.uuid4().hex
