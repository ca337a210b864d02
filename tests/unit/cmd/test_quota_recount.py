# SPDX-License-Identifier: Apache-2.0
"""The second way of counting quota usage: it agrees with the first, and shows when they differ."""

import pytest

from cinder.cmd import quota_recount
from cinder.db import backups, quotas, snapshots, types, volumes


@pytest.fixture
def rows(database, ctxt):
    gold = types.create(ctxt, {'name': 'gold', 'is_public': True})
    owner = {'user_id': 'u1', 'status': 'available'}
    made = [volumes.create(ctxt, {**owner, 'project_id': 'p1', 'size': size,
                                  'volume_type_id': gold.id}) for size in (1, 2, 3)]
    volumes.create(ctxt, {**owner, 'project_id': 'p1', 'size': 50, 'use_quota': False})
    volumes.create(ctxt, {**owner, 'project_id': 'p2', 'size': 7})
    snapshots.create(ctxt, {**owner, 'project_id': 'p1', 'volume_id': made[0].id,
                            'volume_size': 1, 'volume_type_id': gold.id})
    backups.create(ctxt, {**owner, 'project_id': 'p1', 'volume_id': made[0].id, 'size': 5})
    return made


def test_both_ways_agree(rows, ctxt, monkeypatch):
    monkeypatch.setattr(quota_recount, 'PAGE', 2)
    assert quota_recount.differences(ctxt) == []
    assert dict(quota_recount._rows(ctxt, 'p1')) == {
        'volumes': 3, 'volumes_gold': 3, 'snapshots': 1, 'snapshots_gold': 1,
        'gigabytes': 7, 'gigabytes_gold': 7, 'backups': 1, 'backup_gigabytes': 5}


def test_a_volume_that_grows_counts_with_its_growth(rows, ctxt):
    volumes.overwrite(ctxt, rows[0].id, {'status': 'extending', 'growth': 4})
    assert quota_recount.differences(ctxt) == []
    assert quota_recount._rows(ctxt, 'p1')['gigabytes'] == 11


def test_a_difference_is_named(rows, ctxt, monkeypatch):
    def wrong(ctxt, project_id, names=None):
        return quotas.QuotaState({}, {}, {'volumes': 9, 'gigabytes': 7, 'groups': 3})
    monkeypatch.setattr(quotas, 'limits_and_usage', wrong)
    assert quota_recount.differences(ctxt, 'p2') == [('p2', 'volumes', 9, 1)]
