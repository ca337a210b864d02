# SPDX-License-Identifier: Apache-2.0
"""Operations that need a key manager which is down wait for it, and say why they end."""
import pytest

from cinder import exception
from cinder.db import journal, type_encryption
from cinder.db import messages as messages_db
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db
from cinder.volume.api import volumes as volumes_api
from cinder.volume.manager import key_waiting
from tests.fakes.journal import wake
from tests.unit.volume.conftest import POOL


@pytest.fixture
def clone(ctxt, manager, sent, key_manager):
    """Accept a clone of an encrypted volume, and return a function that has the service make it."""
    kind = types_db.create(ctxt, {'name': 'secret', 'is_public': True})
    type_encryption.create(ctxt, kind.id, {
        'provider': 'luks', 'cipher': 'aes-xts-plain64', 'key_size': 256,
        'control_location': 'front-end'})
    source = volumes_api.create(ctxt, size=1, volume_type=types_db.get(ctxt, kind.id))
    volumes_db.overwrite(ctxt, source.id, {'status': 'available', 'host': POOL})
    source = volumes_db.get(ctxt, source.id)
    manager.backend.driver.create_volume(source)
    made = volumes_api.create(ctxt, source_volume=source)
    volumes_db.overwrite(ctxt, made.id, {'host': POOL})

    def run():
        operation, = journal.unfinished_for(ctxt, made.id)
        wake(ctxt, operation)
        try:
            manager.runner.handlers['volume.create'](ctxt, operation)
        except exception.NotYet:
            return 'waits'
        return volumes_db.get(ctxt, made.id)
    return run


def test_a_clone_is_made_when_the_key_manager_is_back(clone, key_manager):
    key_manager.down = True
    assert clone() == 'waits'
    key_manager.down = False
    assert clone().status == 'available'


@pytest.mark.parametrize(('down', 'reason'), [(True, 'unavailable'), (False, 'refuses')])
def test_what_ends_a_clone(ctxt, clone, key_manager, monkeypatch, down, reason):
    from castellan.common import exception as castellan_exception

    def refuse(*_args):
        raise castellan_exception.Forbidden()
    monkeypatch.setattr(key_waiting, 'KEY_MANAGER_SECONDS', -1)
    key_manager.down = down
    if not down:
        monkeypatch.setattr(key_manager, 'get', refuse)
    made = clone()
    assert made.status == 'error'
    message, = messages_db.list_rows(ctxt, filters={'resource_uuid': made.id}).rows
    assert reason in message['user_message']
