# SPDX-License-Identifier: Apache-2.0
"""Promised space: what is counted, what fits, and which promises are not fulfilled yet."""
import pytest

from cinder.db import group_types, pools, session, types, volumes
from cinder.db import groups as groups_db
from cinder.db import operations as operations_db

pytestmark = pytest.mark.usefixtures('database')
HOST, POOL, OTHER = 'n1@b', 'n1@b#p', 'n2@b#p'


@pytest.fixture
def begin(ctxt, make_volume):
    """Return a function that makes a volume with an operation; keywords are columns."""
    def begin(verb, stage='execute', arguments=None, operation_host=HOST, cluster=None, **values):
        volume = make_volume(**{'size': 10, 'host': POOL, **values})
        return volume, operations_db.create(ctxt, verb, volume, stage=stage, host=operation_host,
                                            cluster=cluster, arguments=arguments)
    return begin


def open_of(ctxt, host=HOST, cluster=None):
    return sorted((entry.verb, entry.pool, *entry.gib)
                  for entry in pools.list_open(ctxt, host, cluster))


@pytest.mark.parametrize(('most', 'fits'), [
    ((None, None), True), ((7, 3), True), ((6, 3), False), ((7, 2), False), ((None, 2), False)])
def test_promise_is_counted_if_it_fits(ctxt, most, fits):
    pools.add(ctxt, [POOL])
    pools.promise(ctxt, pools.Promise(POOL, pools.Gib(7, 3)))
    wanted = pools.Promise(POOL, pools.Gib(5, 0), most)
    if fits:
        pools.promise(ctxt, wanted)
    else:
        with pytest.raises(pools.SpaceTaken):
            pools.promise(ctxt, wanted)
    assert pools.counts(ctxt, [POOL, OTHER]) == {POOL: (12 if fits else 7, 3)}


def test_promise_of_a_transaction_that_fails_is_not_counted(ctxt):
    pools.add(ctxt, [POOL])
    with pytest.raises(ZeroDivisionError), session.writer(ctxt):
        pools.promise(ctxt, pools.Promise(POOL, pools.Gib(5, 0)))
        raise ZeroDivisionError
    assert pools.counts(ctxt, [POOL]) == {POOL: (0, 0)}


def test_promise_is_one_statement(ctxt, statements):
    pools.add(ctxt, [POOL])
    statements.clear()
    pools.promise(ctxt, pools.Promise(POOL, pools.Gib(5, 0), (0, None)))
    assert len(statements) == 1


def test_pool_without_a_row(ctxt):
    pools.promise(ctxt, pools.Promise(POOL, pools.Gib(5, 0)))
    with pytest.raises(pools.SpaceTaken):
        pools.promise(ctxt, pools.Promise(POOL, pools.Gib(5, 0), (100, None)))
    assert pools.counts(ctxt, [POOL]) == {}


def test_rows_are_kept_when_they_are_added_again(ctxt):
    pools.add(ctxt, [POOL])
    pools.promise(ctxt, pools.Promise(POOL, pools.Gib(5, 1)))
    pools.add(ctxt, [POOL, 'n1@b#q', OTHER, 'n1@bb#p'])
    assert pools.counts_of_backend(ctxt, HOST) == {POOL: (5, 1), 'n1@b#q': (0, 0)}


@pytest.mark.parametrize(('values', 'pool'), [
    ({'host': POOL, 'cluster_name': None}, POOL),
    ({'host': POOL, 'cluster_name': 'c@b#p'}, 'c@b#p'), ({'host': None, 'cluster_name': None}, '')])
def test_promise_for_a_volume(make_volume, ctxt, values, pool):
    thick = types.create(ctxt, {'name': 'thick', 'is_public': True},
                         {'provisioning:type': 'thick'}).id
    for type_id, gib in ((None, 0), (types.default(ctxt).id, 0), (thick, 4)):
        volume = volumes.get(ctxt, make_volume(volume_type_id=type_id, **values).id)
        assert pools.for_volume(volume, 4) == pools.Promise(pool, pools.Gib(4, gib))


# ------------------------------------------------------------------- promises not yet fulfilled
def test_create_is_open_from_its_placement_to_its_end(ctxt, begin):
    _volume, operation = begin('volume.create', stage='schedule', operation_host=None)
    assert open_of(ctxt) == []
    _volume, operation = begin('volume.create')
    begin('volume.create', host=OTHER, operation_host='n2@b')
    assert open_of(ctxt) == [('volume.create', POOL, 10, 0)]
    operations_db.claim(ctxt, operation, 'me', 60)
    assert open_of(ctxt) == [('volume.create', POOL, 10, 0)]
    operations_db.finish(ctxt, operation)
    assert open_of(ctxt) == []


def test_volume_that_was_deleted_is_not_open(ctxt, begin):
    volume, _operation = begin('volume.create')
    volumes.destroy(ctxt, volume.id)
    assert open_of(ctxt) == []


def test_extend_is_open_with_its_growth(ctxt, begin):
    begin('volume.extend', growth=3)
    assert open_of(ctxt) == [('volume.extend', POOL, 3, 0)]


def test_volumes_of_a_cluster_are_in_the_pools_of_the_cluster(ctxt, begin):
    begin('volume.create', cluster='c@b', cluster_name='c@b#p', operation_host='n2@b')
    assert open_of(ctxt, cluster='c@b') == [('volume.create', 'c@b#p', 10, 0)]
    assert open_of(ctxt) == []


def test_thick_type(ctxt, begin):
    thick = types.create(ctxt, {'name': 'thick', 'is_public': True},
                         {'provisioning:type': 'thick'}).id
    begin('volume.create', volume_type_id=thick)
    begin('volume.extend', growth=1, volume_type_id=types.default(ctxt).id)
    assert open_of(ctxt) == [('volume.create', POOL, 10, 10), ('volume.extend', POOL, 1, 0)]


@pytest.mark.parametrize('verb', ['volume.migrate', 'volume.retype'])
def test_migration_is_open_until_its_target_exists(ctxt, begin, make_volume, verb):
    target = '11111111-1111-4111-8111-111111111111'
    place = {'host': POOL, 'cluster_name': None, 'availability_zone': 'nova'}
    begin(verb, host=OTHER, operation_host='n2@b',
          arguments={'target_id': target, 'destination': place})
    begin(verb, arguments={'target_id': 'x'})
    assert open_of(ctxt) == [(verb, POOL, 10, 0)]
    assert open_of(ctxt, 'n2@b') == []
    begin('volume.create', id=target)
    assert open_of(ctxt) == [('volume.create', POOL, 10, 0)]


def test_retype_counts_as_its_new_type(ctxt, begin):
    thick = types.create(ctxt, {'name': 'thick', 'is_public': True},
                         {'provisioning:type': 'thick'}).id
    begin('volume.retype', host=OTHER, operation_host='n2@b', arguments={
        'target_id': 'x', 'new_type_id': thick,
        'destination': {'host': POOL, 'cluster_name': None}})
    assert open_of(ctxt) == [('volume.retype', POOL, 10, 10)]


def test_copies_of_a_group_are_open_until_each_exists(ctxt, make_volume):
    kind = group_types.create(ctxt, {'name': 'g', 'is_public': True}, {})
    group = groups_db.create(ctxt, {'project_id': 'p1', 'status': 'creating', 'host': POOL},
                             [types.default(ctxt).id], kind)
    for status in ('creating', 'available'):
        make_volume(size=4, host=POOL, group_id=group.id, status=status)
    operations_db.create(ctxt, 'group.copy', group, host=HOST)
    assert open_of(ctxt) == [('group.copy', POOL, 4, 0)]


def test_migration_without_a_destination_breaks_no_report(ctxt, begin):
    begin('volume.migrate', arguments={'destination': None})
    assert open_of(ctxt) == []
