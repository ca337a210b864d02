# SPDX-License-Identifier: Apache-2.0
"""The tests of volumes that Tempest and its plugin for Cinder have: the judgement of strangers, who
know the original only.

Keystone, Glance and the daemons are real; what needs a server of Nova is skipped by Tempest.
"""
import json
import os
import pathlib

import pytest

from tests.functional import keystone
from tests.functional.strangers import Running
from tests.functional.suite import render

SECONDS = 900
WORKERS = 2
# Who a worker of Tempest may be: the name of a user, of its project, its role. Where any user will
# do it takes the first.
USERS = (('alt', 'two', 'member'), ('other', 'three', 'member'), ('member', 'one', 'member'),
         ('reader', 'one', 'reader'), ('admin', 'admins', 'admin'))
MIB = 1024 ** 2
LATEST = '3.71'

SERVER = 'needs a server of Nova'
# Name of a test -> why Tempest skips it here.
SKIPS = {
    r'test_backup_create_attached_volume$|test_volume_backup_incremental$': SERVER,
    r'VolumesExtendAttachedTest|EncryptedVolumesExtendAttachedTest': SERVER,
    r'test_snapshot_manage_with_attached_volume$': SERVER,
    r'test_attach_detach_volume_to_instance$|test_get_volume_attachment$': SERVER,
    r'test_force_detach_volume$|test_attach_volumes_with_nonexistent_volume_id$': SERVER,
    r'test_snapshot_create_delete_with_volume_in_use$': SERVER,
    r'test_snapshot_create_offline_delete_online$|test_attach_volumes_to_server$': SERVER,
    r'VolumeReplication(Negative)?Test$': 'no driver here replicates',
    r'AbsoluteLimitsTests$': 'wants users of its own making; the other run has it',
}
# The scenarios need servers, but for these, which do many things at once.
CHOICE = r'tempest\.api\.volume|cinder_tempest_plugin\.(api|scenario\.test_volume_concurrency)'
WITHOUT = {r'test_incremental_backup': f'{SERVER}, and does not look whether there is one'}
LEAST = 230

ROLES = r'cinder_tempest_plugin\.rbac|volume\.test_volume_absolute_limits'
LATER = 'the plugin waits for a fix of the original'
ROLE_SKIPS = {
    r'test_backups\.ProjectReaderTests\d+\.test_(create|delete|restore|update)_backup$': LATER,
    r'test_snapshots\.ProjectReaderTests\.test_(create|delete|update)_snapshot': LATER,
    r'test_user_messages\.ProjectReaderTests\.test_delete_message$': LATER,
    r'test_volume_actions\.ProjectReaderTests\.': LATER,
    r'test_volume_types\.\w+\.test_show_default_volume_type$': LATER,
    r'test_volume_types\.VolumeTypesReaderTests\.': LATER,
    r'test_volumes\.ProjectReaderTests\.': LATER,
}
ROLE_LEAST = 100


def _options(identity: keystone.Keystone, image: str, folder: pathlib.Path,
             auth: dict[str, object]) -> str:
    """Return what Tempest is told about this cloud."""
    return render({
        'DEFAULT': {'log_file': folder / 'tempest.log'},
        'oslo_concurrency': {'lock_path': folder / 'locks'},
        'auth': {'admin_username': keystone.ADMIN, 'admin_password': keystone.PASSWORD,
                 'admin_project_name': keystone.ADMIN, 'admin_domain_name': 'Default', **auth},
        'identity': {'uri_v3': identity.url, 'region': 'one', 'v3_endpoint_type': 'public'},
        'service_available': {
            'cinder': True, 'glance': True, 'nova': False, 'swift': False, 'horizon': False,
            # Said to be there, or classes with one test of a server would be skipped whole.
            'neutron': not auth['use_dynamic_credentials']},
        'compute': {'image_ref': image, 'image_ref_alt': image},
        'compute-feature-enabled': {'volume_multiattach': True},
        'image': {'catalog_type': 'image'},
        'enforce_scope': {'cinder': True},
        'volume': {'catalog_type': 'block-storage', 'min_microversion': '3.0',
                   'max_microversion': LATEST, 'build_interval': 1, 'build_timeout': 120,
                   'backend_names': 'files,second', 'storage_protocol': 'iSCSI',
                   'vendor_name': 'Open Source',
                   # How the driver for plain files names a snapshot.
                   'manage_snapshot_ref': 'source-name,snapshot-%s'},
        'volume-feature-enabled': {
            'backup': True, 'manage_volume': True, 'manage_snapshot': True, 'multi_backend': True,
            'consistency_group': True, 'volume_revert': True, 'concurrency_tests': True,
            'extend_attached_volume': True, 'extend_attached_encrypted_volume': True}})


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


@pytest.fixture(scope='module')
def cloud(guarded, guarded_images, tmp_path_factory):
    """The file of accounts, and what starts a run of Tempest on this cloud."""
    guarded.ensure_running()
    identity = guarded.keystone
    image = guarded_images.add(os.urandom(MIB), name='tempest', visibility='public',
                               token=identity.token(keystone.ADMIN))['id']
    accounts = tmp_path_factory.mktemp('tempest') / 'accounts.yaml'
    accounts.write_text(json.dumps(_accounts(identity)))  # JSON is YAML

    def run(auth, choose, workers, without) -> Running:
        folder = tmp_path_factory.mktemp('run')
        (folder / 'tempest.conf').write_text(_options(identity, image, folder, auth))
        return Running(folder, 'tempest.test_discover', choose, workers, without,
                       {'TEMPEST_CONFIG_DIR': str(folder)})
    return accounts, run


@pytest.mark.timeout(SECONDS + 300)
def test_volumes(cloud):
    accounts, run = cloud
    # Users of its own making would be a hundred writes into Keystone's SQLite.
    run({'use_dynamic_credentials': False, 'test_accounts_file': accounts},
        CHOICE, WORKERS, WITHOUT).outcome(SECONDS).judge(LEAST, SKIPS)


@pytest.mark.timeout(SECONDS + 300)
def test_roles(cloud):
    _accounts_file, run = cloud
    run({'use_dynamic_credentials': True}, ROLES, 1, {}).outcome(SECONDS).judge(
        ROLE_LEAST, ROLE_SKIPS)
