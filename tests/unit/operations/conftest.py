# SPDX-License-Identifier: Apache-2.0
"""An operation on a volume, and a runner of the service that has it."""
import pytest

from cinder import operations
from cinder.db import operations as operations_db
from cinder.db import volumes as volumes_db

HOST = 'here@files'


@pytest.fixture
def volume(ctxt, database):
    return volumes_db.create(ctxt, {'project_id': 'p1', 'size': 1, 'status': 'extending',
                                    'previous_status': 'in-use', 'host': f'{HOST}#p'})


@pytest.fixture
def operation(ctxt, volume):
    return operations_db.create(ctxt, 'volume.extend', volume, host=HOST,
                                arguments={'new_size': 2})


def make_runner(handlers=None, host=HOST, **more):
    return operations.OperationRunner(host, 'execute', handlers or {}, **more)
