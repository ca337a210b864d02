# SPDX-License-Identifier: Apache-2.0
"""Taking over and letting go of volumes, from the accepted request to files and rows."""
import os

import pytest

from cinder import exception, operations
from cinder.db import backend_volumes
from cinder.db import messages as messages_db
from cinder.db import operations as operations_db
from cinder.db import quotas as quotas_db
from cinder.db import services as services_db
from cinder.db import volumes as volumes_db
from cinder.volume.api import manage_volumes
from cinder.volume.api import volumes as volumes_api
from tests.unit.volume.conftest import BACKEND, POOL

GIB = 2 ** 30


@pytest.fixture
def theirs(folder, manager):
    """A file of 1.5 GiB that somebody put into the folder of the back end."""
    path = folder / 'theirs'
    path.write_bytes(b'their bytes')
    os.truncate(path, GIB * 3 // 2)
    return path


@pytest.fixture
def accept(ctxt, manager, sent):
    """Take over as far as the API and the scheduler go: (volume, operation)."""
    service = services_db.create(ctxt, {'host': BACKEND, 'binary': 'cinder-volume',
                                        'topic': 'cinder-volume', 'availability_zone': 'nova'})
    services_db.heartbeat(ctxt, service.id)

    def make(reference, **values):
        volume = manage_volumes.manage(ctxt, host=BACKEND, reference=reference, **values)
        operation = sent[-1][1]['operation']
        operations.OperationRunner('s', 'schedule', {}).claim(ctxt, operation)
        volumes_db.update(ctxt, volume.id, {'host': POOL})
        operations_db.requeue(ctxt, operation, stage='execute', host=BACKEND)
        return volumes_db.get(ctxt, volume.id), operation
    return make


def _run(ctxt, manager, operation, volume=None):
    manager.runner.handlers[operation.verb](ctxt, operation, volume)
    return volumes_db.get(ctxt, operation.resource_id)


def _reason(ctxt, volume):
    message, = messages_db.list_rows(ctxt, filters={'resource_uuid': volume.id}).rows
    return message['user_message']


def test_taking_over_keeps_the_bytes_and_counts_the_size(ctxt, manager, accept, theirs, folder):
    volume, operation = accept({'source-name': 'theirs', 'source-id': '7'}, name='mine')
    assert (volume.status, volume.size) == ('managing', 0)
    made = _run(ctxt, manager, operation, volume)
    assert (made.status, made.size, made.availability_zone) == ('available', 2, 'nova')
    assert [path.name for path in folder.iterdir()] == [made.name]
    assert (folder / made.name).stat().st_size == 2 * GIB
    with (folder / made.name).open('rb') as file:
        assert file.read(11) == b'their bytes'
    used = quotas_db.limits_and_usage(ctxt, ctxt.project_id, ['volumes', 'gigabytes']).usage
    assert (used['volumes'], used['gigabytes']) == (1, 2)


@pytest.mark.parametrize('done', [False, True])
def test_an_interrupted_take_over_is_finished_by_the_next(ctxt, manager, accept, theirs, folder,
                                                          done):
    volume, operation = accept({'source-name': 'theirs'})
    volumes_db.update(ctxt, volume.id, {'size': 2})
    if done:
        theirs.rename(folder / volume.name)
        os.truncate(folder / volume.name, 2 * GIB)
    made = _run(ctxt, manager, operation)
    assert (made.status, made.size) == ('available', 2)


def test_what_is_too_big_for_the_quota_stays_theirs(ctxt, manager, accept, theirs):
    quotas_db.set_limit(ctxt, ctxt.project_id, 'gigabytes', 1)
    volume, operation = accept({'source-name': 'theirs'})
    failed = _run(ctxt, manager, operation, volume)
    assert (failed.status, failed.size) == ('error_managing', 0)
    assert 'VolumeSizeExceedsAvailableQuota' in _reason(ctxt, failed)
    assert theirs.exists()


def test_what_cannot_be_taken_over_says_why_and_is_deleted_without_touching_anything(
        ctxt, manager, sent, accept, theirs, folder):
    volume, operation = accept({'source-name': 'nothing'})
    failed = _run(ctxt, manager, operation, volume)
    assert failed.status == 'error_managing'
    assert 'has nothing of that name' in _reason(ctxt, failed)
    (folder / failed.name).write_bytes(b'left by a former attempt')
    volumes_api.delete(ctxt, failed)
    method, arguments = sent[-1]
    assert method == 'forget_volume'
    assert volumes_db.get(ctxt, failed.id).status == 'error_managing_deleting'
    manager.runner.handlers['volume.forget'](ctxt, **arguments)
    with pytest.raises(exception.VolumeNotFound):
        volumes_db.get(ctxt, failed.id)
    assert (folder / failed.name).exists() and theirs.exists()


def test_a_volume_of_ours_is_refused_by_its_name_or_by_its_owner(ctxt, manager, accept, theirs,
                                                                 monkeypatch):
    mine = _run(ctxt, manager, *reversed(accept({'source-name': 'theirs'})))
    with pytest.raises(exception.ManageExistingAlreadyManaged, match='already managed'):
        accept({'source-name': mine.name})
    monkeypatch.setattr(backend_volumes, 'is_on_storage', lambda *_args: False)
    volume, operation = accept({'source-name': mine.name})
    assert _run(ctxt, manager, operation, volume).status == 'error_managing'
    assert volumes_db.get(ctxt, mine.id).status == 'available'


def test_what_was_let_go_keeps_its_name_and_can_be_taken_over_again(ctxt, manager, sent, accept,
                                                                    theirs, folder):
    mine = _run(ctxt, manager, *reversed(accept({'source-name': 'theirs'})))
    manage_volumes.unmanage(ctxt, mine)
    assert volumes_db.get(ctxt, mine.id).status == 'unmanaging'
    manager.runner.handlers['volume.unmanage'](ctxt, **sent[-1][1])
    with pytest.raises(exception.VolumeNotFound):
        volumes_db.get(ctxt, mine.id)
    assert [path.name for path in folder.iterdir()] == [mine.name]
    again = _run(ctxt, manager, *reversed(accept({'source-name': mine.name})))
    assert again.status == 'available'
    assert [path.name for path in folder.iterdir()] == [again.name]


def test_a_volume_that_is_on_no_back_end_is_forgotten_at_once(ctxt, manager, sent):
    volume = volumes_api.create(ctxt, size=1)
    volumes_db.overwrite(ctxt, volume.id, {'status': 'error'})
    sent.clear()
    manage_volumes.unmanage(ctxt, volumes_db.get(ctxt, volume.id))
    assert sent == []
    with pytest.raises(exception.VolumeNotFound):
        volumes_db.get(ctxt, volume.id)


def test_encrypted_volumes_are_not_let_go(ctxt, manager, accept, theirs):
    mine = _run(ctxt, manager, *reversed(accept({'source-name': 'theirs'})))
    mine.encryption_key_id = 'a5ac2b4c-0001-4000-8000-000000000000'
    with pytest.raises(exception.InvalidVolume, match='encrypted'):
        manage_volumes.unmanage(ctxt, mine)


def test_only_a_back_end_that_is_there_is_asked(ctxt, manager, accept):
    with pytest.raises(exception.NotFound):
        manage_volumes.list_manageable(ctxt, 'no@where', None, limit=1)
    with pytest.raises(exception.NotFound):
        manage_volumes.list_manageable(ctxt, None, 'no@where', limit=1)
    with pytest.raises(exception.InvalidHost):
        manage_volumes.manage(ctxt, host='no@where', reference={'source-name': 'x'})


def test_the_quota_of_volumes_is_asked_at_once(ctxt, manager, accept):
    quotas_db.set_limit(ctxt, ctxt.project_id, 'volumes', 0)
    with pytest.raises(exception.VolumeLimitExceeded):
        accept({'source-name': 'theirs'})


def test_the_list_of_a_back_end(ctxt, manager, accept, theirs, folder):
    mine = _run(ctxt, manager, *reversed(accept({'source-name': 'theirs'})))
    (folder / 'a').write_bytes(b'1')
    (folder / 'b').write_bytes(b'2')
    endpoint = next(each for each in manager.additional_endpoints
                    if hasattr(each, 'get_manageable_volumes'))

    def names(**arguments):
        entries = endpoint.get_manageable_volumes(ctxt, **{'limit': 10, **arguments})
        return [entry['reference']['source-name'] for entry in entries]

    assert names() == [mine.name, 'b', 'a']
    assert names(sort=[['reference', 'asc']]) == ['a', 'b', mine.name]
    assert names(sort=[['size', 'desc'], ['reference', 'desc']]) == [mine.name, 'b', 'a']
    assert names(limit=1, offset=1) == ['b']
    assert names(marker={'source-name': 'b'}) == ['a']
    assert names(limit=0) == []
    entry, = endpoint.get_manageable_volumes(ctxt, limit=1)
    assert (entry['cinder_id'], entry['safe_to_manage']) == (mine.id, False)
