# SPDX-License-Identifier: Apache-2.0
"""What is kept of a transfer's key, and that a transfer is taken over once and as a whole."""
import pytest
import sqlalchemy as sa

from cinder import context, exception
from cinder.db import models, quotas, session, snapshots, volumes
from cinder.volume.api import transfers

DIGEST = '1a3b3de2354729fa5b8d426099cfb591feabfff9'


@pytest.fixture
def volume(ctxt, database):
    made = volumes.create(ctxt, {'project_id': 'p1', 'size': 2, 'status': 'available'})
    snapshots.create(ctxt, {'project_id': 'p1', 'volume_id': made.id, 'volume_size': 2,
                            'status': 'available'})
    return volumes.get(ctxt, made.id)


@pytest.fixture
def taker():
    """A member of another project."""
    return context.RequestContext(is_admin=False, roles=['member'], user_id='u2',
                                  project_id='p2', overwrite=False)


def test_the_key_is_stored_as_a_salted_hash_only(ctxt, volume):
    made = transfers.create(ctxt, volume, 'n')
    with session.reader(ctxt) as conn:
        stored = dict(conn.execute(sa.select(models.Transfer.__table__)).mappings().one())
    assert made['auth_key'] not in ' '.join(map(str, stored.values()))
    assert len(stored['salt']) == 8 and len(stored['crypt_hash']) == 64
    transfers.delete(ctxt, made)
    again = transfers.create(ctxt, volumes.get(ctxt, volume.id), 'n')
    assert again['auth_key'] != made['auth_key'] and again['crypt_hash'] != made['crypt_hash']


def test_a_key_of_the_original_is_accepted_until_it_is_used(ctxt, volume, taker):
    made = transfers.create(ctxt, volume)
    # Computed by Cinder 29.0.0.
    stored = {'salt': 'saltsalt', 'crypt_hash': DIGEST}
    with session.writer(ctxt) as conn:
        conn.execute(sa.update(models.Transfer.__table__).values(**stored))
    for key in ('keykeykeykeykey2', DIGEST, made['auth_key'], ''):
        with pytest.raises(exception.TransferNotFound):
            transfers.accept(taker, made['id'], key)
    transfers.accept(taker, made['id'], 'keykeykeykeykey1')
    assert volumes.get(ctxt, volume.id).project_id == 'p2'
    with pytest.raises(exception.TransferNotFound):
        transfers.accept(taker, made['id'], 'keykeykeykeykey1')


def test_a_transaction_that_is_run_again_checks_the_quota_again(ctxt, volume, taker, monkeypatch):
    made = transfers.create(ctxt, volume)
    asked, fails = [], [exception.DatabaseBusy()]
    receive, change_owner = transfers.quota.check_transfer, snapshots.change_owner
    monkeypatch.setattr(transfers.quota, 'check_transfer',
                        lambda *args: (asked.append(args[1]), receive(*args)))

    def break_once(*args, **kwargs):
        if fails:
            raise fails.pop()
        change_owner(*args, **kwargs)
    monkeypatch.setattr(snapshots, 'change_owner', break_once)
    transfers.accept(taker, made['id'], made['auth_key'])
    assert asked == ['p2', 'p2']
    assert {row.project_id for row in snapshots.for_volume(ctxt, volume.id)} == {'p2'}


def test_a_refused_taker_changes_nothing(ctxt, volume, taker):
    made = transfers.create(ctxt, volume)
    quotas.set_limit(ctxt, 'p2', 'snapshots', 0)
    with pytest.raises(exception.SnapshotLimitExceeded):
        transfers.accept(taker, made['id'], made['auth_key'])
    after = volumes.get(ctxt, volume.id)
    assert (after.project_id, after.status) == ('p1', 'awaiting-transfer')
    quotas.delete_limits(ctxt, 'p2')
    transfers.accept(taker, made['id'], made['auth_key'])
    with pytest.raises(exception.TransferNotFound):
        transfers.accept(taker, made['id'], made['auth_key'])


def test_the_key_of_an_offer_that_was_cut_off_opens_nothing(ctxt, volume, taker):
    former = transfers.create(ctxt, volume)
    volumes.overwrite(ctxt, volume.id, {'status': 'available'})
    transfers.create(ctxt, volumes.get(ctxt, volume.id))
    with pytest.raises(exception.TransferNotFound):
        transfers.accept(taker, former['id'], former['auth_key'])
