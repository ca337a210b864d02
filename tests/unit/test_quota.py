# SPDX-License-Identifier: Apache-2.0
"""Quotas are decided on what the rows say, in the transaction that adds to them."""
import concurrent.futures

import pytest

from cinder import context, exception, quota
from cinder.conf import CONF
from cinder.db import quotas as quotas_db
from cinder.db import session
from cinder.db import types as types_db
from cinder.db import volumes as volumes_db


@pytest.fixture
def limits(ctxt, database):
    """Set limits of the caller's project."""
    return lambda **values: quotas_db.set_limits(ctxt, ctxt.project_id, values)


def _add(ctxt, size=1, volume_type=None):
    with session.writer(ctxt):
        quota.check_new_volume(ctxt, size, volume_type)
        return volumes_db.create(ctxt, {
            'project_id': ctxt.project_id, 'size': size, 'status': 'available',
            'volume_type_id': volume_type and volume_type.id})


def test_the_last_place_can_be_taken_once(ctxt, limits):
    limits(volumes=2)
    _add(ctxt)
    _add(ctxt)
    with pytest.raises(exception.VolumeLimitExceeded, match=r'\(2\)'):
        _add(ctxt)


def test_a_refused_request_leaves_no_row(ctxt, limits):
    limits(gigabytes=5)
    _add(ctxt, 3)
    with pytest.raises(exception.VolumeSizeExceedsAvailableQuota, match='3G is in use'):
        _add(ctxt, 3)
    assert len(volumes_db.list_rows(ctxt).rows) == 1


def test_deleting_gives_the_place_back(ctxt, limits):
    limits(volumes=1)
    volumes_db.destroy(ctxt, _add(ctxt).id)
    _add(ctxt)


def test_a_growth_in_progress_counts(ctxt, limits):
    limits(gigabytes=4)
    volume = _add(ctxt, 1)
    volumes_db.update(ctxt, volume.id, {'growth': 2})
    with session.writer(ctxt), pytest.raises(exception.VolumeSizeExceedsAvailableQuota):
        quota.check_growth(ctxt, ctxt.project_id, 1, 3, None)


def test_snapshots_count_their_gigabytes_unless_told_not_to(ctxt, limits):
    limits(gigabytes=1)
    with session.writer(ctxt), pytest.raises(exception.VolumeSizeExceedsAvailableQuota):
        quota.check_new_snapshot(ctxt, ctxt.project_id, 2, None)
    CONF.set_override('no_snapshot_gb_quota', True)
    try:
        with session.writer(ctxt):
            quota.check_new_snapshot(ctxt, ctxt.project_id, 2, None)
    finally:
        CONF.clear_override('no_snapshot_gb_quota')


def test_a_type_has_limits_of_its_own(ctxt, limits):
    fast = types_db.create(ctxt, {'name': 'fast', 'is_public': True})
    limits(volumes_fast=1)
    _add(ctxt, volume_type=fast)
    _add(ctxt)
    with pytest.raises(exception.VolumeLimitExceeded, match='volumes_fast'):
        _add(ctxt, volume_type=fast)


def test_one_volume_may_be_limited(ctxt, limits):
    limits(per_volume_gigabytes=2, gigabytes=-1)
    with pytest.raises(exception.VolumeSizeExceedsLimit, match='2G'):
        _add(ctxt, 3)


def test_the_default_class_stands_between_project_and_option(ctxt, limits):
    quotas_db.set_class(ctxt, 'default', {'volumes': 1})
    _add(ctxt)
    with pytest.raises(exception.VolumeLimitExceeded):
        _add(ctxt)
    limits(volumes=-1)
    _add(ctxt)


def test_projects_do_not_share(ctxt, limits):
    limits(volumes=0)
    other = context.RequestContext(project_id='p2', is_admin=True, overwrite=False)
    assert _add(other).project_id == 'p2'


def test_parallel_requests_never_pass_the_limit(limits):
    limits(volumes=5)

    def request(_number):
        try:
            _add(context.RequestContext(project_id='p1', is_admin=True, overwrite=False))
        except exception.VolumeLimitExceeded:
            return 0
        return 1

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(request, range(20))) == 5
