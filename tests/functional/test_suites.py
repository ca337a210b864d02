# SPDX-License-Identifier: Apache-2.0
"""The functional suites that cinderclient, openstackclient and openstacksdk ship in their packages.

openstacksdk runs alone, one test at a time: it takes the newest volume type for the default one,
which may not go meanwhile.
"""
import json
from collections.abc import Iterator

import pytest

from tests.functional import keystone
from tests.functional.strangers import Running
from tests.functional.suite import script

SECONDS = 1500
# Name of a cloud in the suites -> the user, who has a project of his name, or all of the system.
CLOUDS = {'devstack': 'demo', 'devstack-alt': 'alt_demo', 'devstack-admin': keystone.ADMIN,
          'devstack-system-admin': 'system-admin'}
OPENSTACKCLIENT_WITHOUT = {
    r'test_volume_type_create_list': 'wants the default type to have the name that DevStack gives '
                                     'it, lvmdriver-1'}
SDK_WITHOUT = {r'TestAttachment': 'needs a server of Nova, and does not look whether there is one'}


def _cloud(identity: keystone.Keystone, user: str) -> dict:
    where = {'system_scope': 'all'} if user == 'system-admin' else {
        'project_name': user, 'project_domain_id': 'default'}
    return {'auth': {'auth_url': identity.url, 'username': user, 'password': keystone.PASSWORD,
                     'user_domain_id': 'default', **where},
            'region_name': 'one', 'identity_api_version': '3'}


@pytest.fixture(scope='module')
def settings(guarded, guarded_images, tmp_path_factory) -> Iterator[dict[str, str]]:
    """The environment of the suites: where the cloud is, and who asks."""
    guarded.ensure_running()
    identity = guarded.keystone
    for user in ('demo', 'alt_demo'):
        identity.add_user(user, user, 'member')
    # openstacksdk takes it that backups are in an object store, and looks for one.
    store = identity.add_endpoint('object-store', 'http://127.0.0.1:1')
    guarded_images.add(b'picture', name='suites', visibility='public',
                       token=identity.token(keystone.ADMIN))
    clouds = tmp_path_factory.mktemp('suites') / 'clouds.yaml'
    clouds.write_text(json.dumps({'clouds': {
        name: _cloud(identity, user) for name, user in CLOUDS.items()}}))
    yield {'OS_USERNAME': keystone.ADMIN, 'OS_PASSWORD': keystone.PASSWORD,
           'OS_PROJECT_NAME': keystone.ADMIN, 'OS_AUTH_URL': identity.url,
           'OS_USER_DOMAIN_ID': 'default', 'OS_PROJECT_DOMAIN_ID': 'default',
           'OS_REGION_NAME': 'one', 'OS_TEST_TIMEOUT': '300',
           'OS_CINDERCLIENT_EXEC_DIR': script('').rstrip('/'),
           'OS_CLIENT_CONFIG_FILE': str(clouds), 'OPENSTACKSDK_IMAGE': 'suites'}
    # Others put the store of theirs into the same catalog.
    identity.remove_service(store)


@pytest.fixture(scope='module')
def programs(settings, tmp_path_factory):
    """The suites of both command lines, which run at the same time."""
    started = {}
    try:
        for name, package, without in (
                ('cinder', 'cinderclient.tests.functional', {}),
                ('openstack', 'openstackclient.tests.functional.volume.v3',
                 OPENSTACKCLIENT_WITHOUT)):
            folder = tmp_path_factory.mktemp(name)
            # openstackclient drops OS_CLIENT_CONFIG_FILE from the environment of its commands.
            (folder / 'clouds.yaml').symlink_to(settings['OS_CLIENT_CONFIG_FILE'])
            started[name] = Running(folder, package, '', 2, without, settings)
        yield started
    finally:
        for run in started.values():
            run.stop()


@pytest.mark.timeout(SECONDS + 300)
def test_cinderclient(programs):
    programs['cinder'].outcome(SECONDS).judge(44, {})


@pytest.mark.timeout(SECONDS + 300)
def test_openstackclient(programs):
    programs['openstack'].outcome(SECONDS).judge(17, {})


@pytest.mark.timeout(SECONDS * 2 + 300)
def test_openstacksdk(settings, programs, tmp_path):
    for run in programs.values():
        run.wait(SECONDS)
    run = Running(tmp_path, 'openstack.tests.functional.block_storage.v3', '', 1, SDK_WITHOUT,
                  settings)
    try:
        run.outcome(SECONDS).judge(22, {})
    finally:
        run.stop()
