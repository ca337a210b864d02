# SPDX-License-Identifier: Apache-2.0
"""Our drivers of object stores on fakes, with pauses that nothing waits for."""
import pytest

from cinder.backup.drivers.s3 import S3BackupDriver
from cinder.backup.drivers.swift import SwiftBackupDriver
from cinder.conf import CONF
from tests.fakes import object_store

SECRET = 'SecretOfTheService'
S3_OPTIONS = {'backup_s3_endpoint_url': 'http://store', 'backup_s3_store_access_key': 'AccessKey',
              'backup_s3_store_secret_key': SECRET, 'backup_s3_object_size': 65536}
SWIFT_OPTIONS = {'backup_swift_auth': 'single_user', 'backup_swift_user': 'test:tester',
                 'backup_swift_auth_url': 'http://store/auth/v1.0', 'backup_swift_key': SECRET,
                 'backup_swift_object_size': 65536, 'backup_swift_retry_attempts': 4}


def options(conf, values):
    for name, value in values.items():
        conf.set_override(name, value)
    return CONF


def quick(driver, server):
    """Put a driver on a fake and note the seconds of its pauses in `driver.pauses`."""
    driver.connections = server
    driver.pauses = []
    driver.policy.sleep = driver.pauses.append
    return driver


@pytest.fixture
def s3(conf):
    return quick(S3BackupDriver(options(conf, S3_OPTIONS)), object_store.S3())


@pytest.fixture
def swift(conf):
    driver = SwiftBackupDriver(options(conf, SWIFT_OPTIONS))
    quick(driver, object_store.Swift())
    driver.identity._connections = driver.connections
    return driver


@pytest.fixture(params=['s3', 'swift'])
def store(request):
    """Each driver, with the containers 'c' and 'd'."""
    driver = request.getfixturevalue(request.param)
    for container in ('c', 'd'):
        driver.connections.containers[container] = {}
    if request.param == 'swift':
        driver.check()  # authenticates
    driver.connections.requests.clear()
    return driver


def write(store, name, *data, container='c'):
    with store.writer(container, name) as stream:
        for part in data:
            stream.write(part)


def read(store, name, size=7, container='c'):
    with store.reader(container, name) as stream:
        return b''.join(iter(lambda: stream.read(size), b''))
