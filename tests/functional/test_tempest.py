# SPDX-License-Identifier: Apache-2.0
"""The tests of volumes that Tempest has: the judgement of strangers, who know the original only.

Keystone, Glance and the daemons are real; what needs a Nova or a Neutron is skipped by Tempest.
"""
import importlib.util
import json
import os
import pathlib
import re
import subprocess

import pytest

from tests.functional import keystone
from tests.functional.suite import render, script

SECONDS = 900
WORKERS = 2
# Who a worker of Tempest may be: the name of a user, of its project, its role. Where any user will
# do it takes the first.
USERS = (('alt', 'two', 'member'), ('other', 'three', 'member'), ('member', 'one', 'member'),
         ('reader', 'one', 'reader'), ('admin', 'admins', 'admin'))
MIB = 1024 ** 2
# Fewer than these mean that Tempest skipped what it should have run.
LEAST = 140
LATEST = '3.71'


@pytest.fixture
def settings(guarded, guarded_images, tmp_path) -> pathlib.Path:
    """The folder with Tempest's configuration."""
    guarded.ensure_running()
    identity = guarded.keystone
    image = guarded_images.add(os.urandom(MIB), name='tempest', visibility='public',
                               token=identity.token(keystone.ADMIN))
    accounts = tmp_path / 'accounts.yaml'
    accounts.write_text(json.dumps(_accounts(identity)))  # JSON is YAML
    (tmp_path / 'tempest.conf').write_text(render({
        'DEFAULT': {'log_file': tmp_path / 'tempest.log'},
        'oslo_concurrency': {'lock_path': tmp_path / 'locks'},
        # Users of its own making would be a hundred writes into Keystone's SQLite.
        'auth': {'use_dynamic_credentials': False, 'test_accounts_file': accounts,
                 'admin_username': keystone.ADMIN, 'admin_password': keystone.PASSWORD,
                 'admin_project_name': keystone.ADMIN, 'admin_domain_name': 'Default'},
        'identity': {'uri_v3': identity.url, 'region': 'one', 'v3_endpoint_type': 'public'},
        'service_available': {'cinder': True, 'glance': True, 'nova': False, 'neutron': False,
                              'swift': False, 'horizon': False},
        'compute': {'image_ref': image['id'], 'image_ref_alt': image['id']},
        'image': {'catalog_type': 'image'},
        'volume': {'catalog_type': 'block-storage', 'min_microversion': '3.0',
                   'max_microversion': LATEST, 'build_interval': 1, 'build_timeout': 60,
                   'storage_protocol': 'iSCSI', 'vendor_name': 'Open Source'},
        'volume-feature-enabled': {'backup': False, 'manage_volume': True,
                                   'manage_snapshot': True}}))
    return tmp_path


def _accounts(identity: keystone.Keystone) -> list[dict]:
    """Make the users, and tell them as Tempest's file of accounts does."""
    accounts = []
    for worker in range(WORKERS):
        for name, project, role in USERS:
            user, place = f'tempest-{worker}-{name}', f'tempest-{worker}-{project}'
            identity.add_user(user, place, role)
            accounts.append({
                'username': user, 'password': keystone.PASSWORD, 'project_name': place,
                'domain_name': 'Default', 'roles': [role],
                'types': ['admin'] if role == 'admin' else []})
    return accounts


@pytest.mark.timeout(SECONDS + 300)
def test_volumes(settings):
    folder = pathlib.Path(importlib.util.find_spec('tempest').origin).parent
    done = subprocess.run(
        [script('stestr'), '--test-path', folder / 'test_discover', '--top-dir', folder.parent,
         '--group_regex', r'([^\.]*\.)*', 'run', '--concurrency', str(WORKERS),
         r'tempest\.api\.volume'],
        cwd=settings, capture_output=True, text=True, timeout=SECONDS, check=False,
        env=os.environ | {'TEMPEST_CONFIG_DIR': str(settings), 'PYTHONWARNINGS': 'ignore'})
    _progress, _, failures = done.stdout.partition('\n======')
    assert done.returncode == 0, failures + done.stderr
    assert int(re.search(r'- Passed: (\d+)', done.stdout)[1]) >= LEAST, done.stdout[-2000:]
