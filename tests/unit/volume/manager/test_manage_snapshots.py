# SPDX-License-Identifier: Apache-2.0
"""Taking over and letting go of snapshots, from the accepted request to files and rows."""
import os

import pytest

from cinder import exception
from cinder.db import messages as messages_db
from cinder.db import quotas as quotas_db
from cinder.db import snapshots as snapshots_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.volume.api import manage_snapshots
from tests.unit.volume.conftest import POOL

GIB = 2 ** 30


@pytest.fixture
def volume(ctxt, manager, folder):
    """A volume of 2 GiB."""
    made = volumes_db.create(ctxt, {
        'project_id': ctxt.project_id, 'user_id': ctxt.user_id, 'size': 2, 'host': POOL,
        'status': 'in-use', 'attach_status': 'attached', 'use_quota': True,
        'volume_type_id': types_db.default(ctxt).id})
    (folder / made.name).write_bytes(b'')
    os.truncate(folder / made.name, 2 * GIB)
    return volumes_db.get(ctxt, made.id)


@pytest.fixture
def theirs(folder, manager):
    path = folder / 'theirs'
    path.write_bytes(b'their bytes')
    os.truncate(path, GIB)
    return path


def _run(ctxt, manager, sent):
    _method, arguments = sent[-1]
    manager.runner.handlers[arguments['operation'].verb](ctxt, **arguments)
    return arguments['operation'].resource_id


def test_taking_over_keeps_the_bytes(ctxt, manager, sent, volume, theirs, folder):
    accepted = manage_snapshots.manage(ctxt, volume, reference={'source-name': 'theirs'},
                                       name='mine', metadata={'k': 'v'})
    assert (accepted.status, accepted.volume_size) == ('creating', 2)
    made = snapshots_db.get(ctxt, _run(ctxt, manager, sent))
    assert (made.status, made.volume_size, made.progress) == ('available', 1, '100%')
    assert made.metadata == {'k': 'v'}
    with (folder / made.name).open('rb') as file:
        assert file.read(11) == b'their bytes'
    assert not theirs.exists()


@pytest.mark.parametrize(('size', 'name', 'reason'), [
    (3, 'theirs', 'is greater than the 2 GiB of its volume'),
    (1, 'nothing', 'has nothing of that name')])
def test_what_cannot_be_a_snapshot_says_why(ctxt, manager, sent, volume, theirs, size, name,
                                            reason):
    os.truncate(theirs, size * GIB)
    manage_snapshots.manage(ctxt, volume, reference={'source-name': name})
    failed = snapshots_db.get(ctxt, _run(ctxt, manager, sent))
    assert failed.status == 'error'
    message, = messages_db.list_rows(ctxt, filters={'resource_uuid': failed.id}).rows
    assert reason in message['user_message']
    assert theirs.exists()


def test_a_snapshot_of_ours_is_refused_and_the_quota_asked(ctxt, manager, sent, volume, theirs):
    manage_snapshots.manage(ctxt, volume, reference={'source-name': 'theirs'})
    made = snapshots_db.get(ctxt, _run(ctxt, manager, sent))
    with pytest.raises(exception.ManageExistingAlreadyManaged):
        manage_snapshots.manage(ctxt, volume, reference={'source-name': f'_{made.name}'})
    quotas_db.set_limit(ctxt, ctxt.project_id, 'snapshots', 1)
    with pytest.raises(exception.SnapshotLimitExceeded):
        manage_snapshots.manage(ctxt, volume, reference={'source-name': 'more'})


def test_what_was_let_go_keeps_its_name(ctxt, manager, sent, volume, theirs, folder):
    manage_snapshots.manage(ctxt, volume, reference={'source-name': 'theirs'})
    made = snapshots_db.get(ctxt, _run(ctxt, manager, sent))
    manage_snapshots.unmanage(ctxt, made)
    assert snapshots_db.get(ctxt, made.id).status == 'unmanaging'
    _run(ctxt, manager, sent)
    with pytest.raises(exception.SnapshotNotFound):
        snapshots_db.get(ctxt, made.id)
    assert (folder / made.name).exists()


def test_a_snapshot_in_use_is_not_let_go(ctxt, manager, sent, volume, theirs):
    manage_snapshots.manage(ctxt, volume, reference={'source-name': 'theirs'})
    accepted = snapshots_db.get(ctxt, sent[-1][1]['operation'].resource_id)
    with pytest.raises(exception.InvalidSnapshot, match='creating'):
        manage_snapshots.unmanage(ctxt, accepted)


def test_the_list_of_a_back_end(ctxt, manager, sent, volume, theirs):
    manage_snapshots.manage(ctxt, volume, reference={'source-name': 'theirs'})
    made = snapshots_db.get(ctxt, _run(ctxt, manager, sent))
    endpoint = next(each for each in manager.additional_endpoints
                    if hasattr(each, 'get_manageable_snapshots'))
    entry, = endpoint.get_manageable_snapshots(ctxt, limit=10)
    assert entry['cinder_id'] == made.id
    assert entry['source_reference'] == {'source-name': volume.name}
