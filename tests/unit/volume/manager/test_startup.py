# SPDX-License-Identifier: Apache-2.0
"""The order in which a back end comes up, and what a step that fails leaves behind."""
import pytest

from cinder.db import attachments as attachments_db
from cinder.db import group_types as group_types_db
from cinder.db import groups as groups_db
from cinder.db import messages as messages_db
from cinder.db import snapshots as snapshots_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.volume import manager as manager_package
from tests.fakes.hesitant import HesitantDriver
from tests.unit.volume.manager.conftest import BACKEND, POOL

DRIVER = 'tests.fakes.hesitant.HesitantDriver'


@pytest.fixture
def start(database, conf, sent):
    """Return a function that starts a manager of the driver that notes its calls."""
    made = []

    def start(**arguments):
        cluster = arguments.pop('cluster', None)
        manager = manager_package.VolumeManager(BACKEND, cluster=cluster)
        made.append(manager)
        manager.init_host(**arguments)
        return manager
    conf.set_override('volume_driver', DRIVER, 'backend_defaults')
    conf.set_override('image_conversion_dir', conf.state_path)
    yield start
    for manager in made:
        manager.stop()
    HesitantDriver.forget()
    conf.clear_override('image_conversion_dir')
    conf.clear_override('enable_unsupported_driver', 'backend_defaults')


@pytest.fixture
def make_volume(database, ctxt):
    def make(**values):
        return volumes_db.create(ctxt, {'project_id': 'p1', 'user_id': 'u1', 'size': 2,
                                        'status': 'available', 'host': POOL, **values})
    return make


@pytest.fixture
def make_used(make_volume, ctxt):
    def make():
        volume = make_volume(status='in-use')
        attachments_db.create(ctxt, {'volume_id': volume.id, 'attach_status': 'attached',
                                     'connector': {'initiator': 'iqn.a'}})
        return volume
    return make


def test_the_order(start, make_volume, make_used, sent):
    used = make_used()
    make_volume()
    assert start().is_working()
    assert HesitantDriver.asked == [
        'do_setup', 'check_for_setup_error', 'init_capabilities', 'update_provider_info',
        f'ensure_export {used.id}']
    method, arguments = sent[-1]
    assert method == 'update_service_capabilities'
    assert arguments['capabilities']['pools'][0]['allocated_capacity_gb'] == 4


def test_what_the_driver_corrects_is_stored(start, make_used, ctxt):
    volume = make_used()
    snapshot = snapshots_db.create(ctxt, {'project_id': 'p1', 'volume_id': volume.id})
    start()
    volume = volumes_db.get(ctxt, volume.id)
    assert (volume.provider_id, volume.provider_location) == ('corrected', 'exported again')
    assert snapshots_db.get(ctxt, snapshot.id).provider_id == 'too'


def test_a_driver_that_is_not_supported_is_refused_unless_asked_for(start, conf, caplog):
    HesitantDriver.supported = False
    assert not start().is_working()
    assert HesitantDriver.asked == []
    assert 'enable_unsupported_driver' in caplog.text
    conf.set_override('enable_unsupported_driver', True, 'backend_defaults')
    assert start().is_working()


@pytest.mark.parametrize('step', ['do_setup', 'check_for_setup_error', 'init_capabilities'])
def test_a_driver_that_fails_leaves_the_back_end_down_until_it_works(start, ctxt, sent, caplog,
                                                                     step):
    HesitantDriver.failing.add(step)
    manager = start()
    assert not manager.is_working() and HesitantDriver.asked[-1] == step
    assert f'{step} is no fun' in caplog.text
    assert sent == []
    HesitantDriver.failing.clear()
    manager.report_capabilities(ctxt)
    assert manager.is_working() and sent[-1][0] == 'update_service_capabilities'


def test_an_export_that_fails_costs_its_volume_alone(start, make_used, ctxt):
    bad, good = make_used(), make_used()
    HesitantDriver.failing.add(bad.id)
    assert start().is_working()
    assert [volumes_db.get(ctxt, each.id).status for each in (bad, good)] == ['error', 'in-use']
    (message,) = messages_db.list_rows(ctxt).rows
    assert (message['resource_uuid'], message['project_id']) == (bad.id, 'p1')
    assert 'no fun' not in str(message)


def test_a_cluster_takes_what_its_new_member_has(start, make_volume, ctxt):
    volume, elsewhere = make_volume(), make_volume(host='there@files#files')
    group_type = group_types_db.create(ctxt, {'name': 'some', 'is_public': True})
    group = groups_db.create(ctxt, {'project_id': 'p1', 'host': POOL, 'status': 'available'},
                             [types_db.default(ctxt).id], group_type)
    assert start(cluster='c@files', added_to_cluster=True).is_working()
    assert volumes_db.get(ctxt, volume.id).cluster_name == 'c@files#files'
    assert groups_db.get(ctxt, group.id).cluster_name == 'c@files#files'
    assert volumes_db.get(ctxt, elsewhere.id).cluster_name is None


def test_a_start_that_was_refused_takes_them_at_the_next(start, make_volume, ctxt):
    volume = make_volume()
    HesitantDriver.supported = False
    start(cluster='c@files', added_to_cluster=True)
    assert volumes_db.get(ctxt, volume.id).cluster_name is None
    HesitantDriver.supported = True
    start(cluster='c@files', added_to_cluster=False)
    assert volumes_db.get(ctxt, volume.id).cluster_name == 'c@files#files'


def test_left_over_image_files_of_this_back_end_go(start, conf, tmp_path):
    ours, others = tmp_path / f'abc#{BACKEND}', tmp_path / f'abc#t{BACKEND}'
    for path in (ours, others):
        path.touch()
    start()
    assert not ours.exists() and others.exists()


def test_copies_are_limited_as_the_back_end_says(start, conf):
    assert start().backend.driver.pace.limit == 0
    conf.set_override('volume_copy_bps_limit', 10 ** 8, 'backend_defaults')
    try:
        assert start().backend.driver.pace.limit == 10 ** 8
    finally:
        conf.clear_override('volume_copy_bps_limit', 'backend_defaults')
