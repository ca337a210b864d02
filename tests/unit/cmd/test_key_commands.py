# SPDX-License-Identifier: Apache-2.0
"""Which keys are left in the key manager, and how an operator ends that."""
import json

import pytest
import sqlalchemy as sa

from cinder import context, exception
from cinder.cmd import key_commands, volume_doctor
from cinder.db import key_intents, models, session, unused_keys
from cinder.db import volumes as volumes_db

CTXT = context.RequestContext(user_id='u1', project_id='p1', overwrite=False)
WEEK = key_intents.KEPT_SECONDS


def age(table, ident, seconds):
    with session.writer(CTXT) as conn:
        conn.execute(sa.update(table.__table__).where(table.__table__.c.id == ident).values(
            created_at=session.in_seconds(-seconds)))


@pytest.fixture
def notes(database):
    """Old and recent notes of both kinds; the first of each is listed."""
    made = [key_intents.note(CTXT, 'p1'), key_intents.note(CTXT, 'p1')]
    for ident in ('unused', 'recent', 'used'):
        unused_keys.note(CTXT, ident, None, 'p2')
    volumes_db.create(CTXT, {'project_id': 'p2', 'size': 1, 'status': 'available',
                             'encryption_key_id': 'used'})
    age(models.KeyIntent, made[0], 2 * WEEK + 60)
    for ident in ('unused', 'used'):
        age(models.UnusedKey, ident, WEEK + 60)
        unused_keys.put_last(CTXT, ident)  # it was tried a moment ago, and is as old as before
    return made


def test_what_nobody_deletes_is_listed(notes, capsys):
    key_commands.show(as_json=True)
    one, other = json.loads(capsys.readouterr().out)
    assert one == {'id': notes[0], 'secret': f'name cinder-{notes[0]}', 'project': 'p1',
                   'user': 'u1', 'days': 14, 'reason': 'its request did not commit'}
    assert other == {'id': 'unused', 'secret': 'id unused', 'project': 'p2', 'user': None,
                     'days': 7, 'reason': 'it is not used any more'}
    key_commands.show()
    assert 'unused' in capsys.readouterr().out


def test_the_doctor_finds_them(notes, capsys):
    """With an exit status, unless it is asked about a back end."""
    assert volume_doctor.examine() == 1
    assert f'cinder-manage key forget {notes[0]}' in capsys.readouterr().out
    for ident in (notes[0], 'unused'):
        key_commands.forget(ident)
    assert volume_doctor.examine() == 0 and key_commands.left() == []


def test_only_what_is_listed_is_forgotten(notes):
    for ident in (notes[1], 'recent', 'used', 'another'):
        with pytest.raises(exception.NotFound):
            key_commands.forget(ident)
