# SPDX-License-Identifier: Apache-2.0
"""The order in which a back end comes up, and what a step that fails leaves behind."""
import pytest

from cinder.db import attachments as attachments_db
from cinder.db import backend_volumes
from cinder.db import group_types as group_types_db
from cinder.db import groups as groups_db
from cinder.db import messages as messages_db
from cinder.db import snapshots as snapshots_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.volume import manager as manager_package
from cinder.volume.host import audit, backup_snapshots, exports, init_host
from tests.fakes.hesitant import HesitantDriver
from tests.unit.volume.conftest import BACKEND, POOL

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
    conf.set_override('file_shared_storage', True, 'backend_defaults')
    yield start
    for manager in made:
        manager.stop()
    HesitantDriver.forget()
    conf.clear_override('image_conversion_dir')
    conf.clear_override('file_shared_storage', 'backend_defaults')
    conf.clear_override('enable_unsupported_driver', 'backend_defaults')


@pytest.fixture
def make_volume(database, ctxt):
    def make(**values):
        return volumes_db.create(ctxt, {'project_id': 'p1', 'user_id': 'u1', 'size': 2,
                                        'status': 'available', 'host': POOL, **values})
    return make


@pytest.fixture
def make_used(make_volume, ctxt):
    def make(**values):
        volume = make_volume(**{'status': 'in-use', **values})
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


ELSEWHERE = {'host': 'there@files#files', 'cluster_name': 'c@files#files', 'status': 'in-use'}


def test_what_all_hosts_of_a_cluster_have_is_exported_again_by_each(start, make_used):
    volume = make_used(**ELSEWHERE)
    assert start(cluster='c@files').is_working()
    assert f'ensure_export {volume.id}' in HesitantDriver.asked


def test_storage_of_one_host_is_refused_in_a_cluster(start, make_used, conf, ctxt, caplog):
    """And what another host has is left alone."""
    conf.set_override('file_shared_storage', False, 'backend_defaults')
    volume = make_used(**ELSEWHERE)
    HesitantDriver.failing.add(volume.id)
    assert not start(cluster='c@files').is_working()
    assert HesitantDriver.asked == [] and 'file_shared_storage' in caplog.text
    assert volumes_db.get(ctxt, volume.id).status == 'in-use'


@pytest.mark.parametrize('step', [
    init_host.synchronize_provider_info, init_host.count_allocated, init_host.export_again,
    audit.heal, backup_snapshots.remove_left, exports.restore], ids=lambda step: step.__name__)
@pytest.mark.parametrize('shared', [True, False])
def test_a_step_at_start_reads_the_rows_of_this_storage(start, conf, ctxt, monkeypatch, step,
                                                        shared):
    """Those of other hosts only where they are on the same storage."""
    conf.set_override('file_shared_storage', shared, 'backend_defaults')
    backend = start(cluster='c@files').backend
    asked = []
    for table, name in ((backend_volumes, 'on_backend'), (snapshots_db, 'on_backend'),
                        (backend_volumes, 'capacity_by_pool')):
        monkeypatch.setattr(table, name, lambda _ctxt, *place, statuses=(), empty={}: (
            asked.append(place), empty)[1])
    step(ctxt, backend)
    assert set(asked) == {(BACKEND, 'c@files' if shared else None)}


def test_a_host_that_left_its_cluster_has_its_own_volumes(start, make_volume, conf, ctxt):
    """As when it had no storage for a cluster: the cluster's queue is read by nobody."""
    conf.set_override('file_shared_storage', False, 'backend_defaults')
    ours = make_volume(cluster_name='c@files#files')
    theirs = make_volume(**ELSEWHERE)
    assert start().is_working()
    assert volumes_db.get(ctxt, ours.id).cluster_name is None
    assert volumes_db.get(ctxt, theirs.id).cluster_name == 'c@files#files'


def test_what_is_on_shared_storage_stays_in_its_cluster(start, make_volume, ctxt):
    ours = make_volume(cluster_name='c@files#files')
    assert start().is_working()
    assert volumes_db.get(ctxt, ours.id).cluster_name == 'c@files#files'


def test_left_over_image_files_of_this_back_end_go(start, conf, tmp_path):
    ours, others = tmp_path / f'abc#{BACKEND}', tmp_path / f'abc#t{BACKEND}'
    for path in (ours, others):
        path.touch()
    start()
    assert not ours.exists() and others.exists()


def test_copies_are_limited_as_the_back_end_says(start, conf):
    assert start().backend.driver.throttle.limit == 0
    conf.set_override('volume_copy_bps_limit', 10 ** 8, 'backend_defaults')
    try:
        assert start().backend.driver.throttle.limit == 10 ** 8
    finally:
        conf.clear_override('volume_copy_bps_limit', 'backend_defaults')
