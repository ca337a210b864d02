# SPDX-License-Identifier: Apache-2.0
"""However an operation that comes to nothing ends, what it had begun in its rows ends with it."""
import pytest

from cinder import operations
from cinder.db import backups as backups_db
from cinder.db import operations as operations_db
from cinder.db import snapshots as snapshots_db
from cinder.db import volumes as volumes_db
from cinder.objects import states
from cinder.operations import outcome

# What the API writes when it accepts an operation, and nothing but its end takes back.
BEGUN = {'migration_status': 'starting', 'growth': 3}
ROWS = [name for name, row in states.VOLUME.items() if row.failed]


@pytest.fixture
def begin(ctxt, database):
    """(row of the state table) -> volume and operation under way."""
    def begin(name):
        row = states.VOLUME[name]
        made = volumes_db.create(ctxt, {'project_id': 'p1', 'size': 1, **BEGUN,
                                        'status': row.meanwhile or row.allowed[0]})
        verb = f'volume.{name.partition("_")[0]}'
        return made, operations_db.create(ctxt, verb, made, stage='schedule',
                                          arguments={'transition': name})
    return begin


def _claim(ctxt, operation):
    operations.OperationRunner('here', 'schedule', {}).claim(ctxt, operation)


def _fail(ctxt, volume, operation):
    _claim(ctxt, operation)
    operations.fail(ctxt, operation, volume, 'why')


def _fail_after_a_reset(ctxt, volume, operation):
    volumes_db.overwrite(ctxt, volume.id, {'status': 'error'})
    _fail(ctxt, volume, operation)


def _abandon(ctxt, volume, operation):
    volumes_db.overwrite(ctxt, volume.id, {'status': 'error'})
    _claim(ctxt, operation)
    operations.abandon(ctxt, operation, operations.SUPERSEDED, volume)


def _call_off(ctxt, volume, operation):
    operations.cancel_queued(ctxt, volume, 'why')


ENDS = (_fail, _fail_after_a_reset, _abandon, _call_off)


@pytest.mark.parametrize('end', ENDS, ids=lambda end: end.__name__)
@pytest.mark.parametrize('name', ROWS)
def test_the_columns_of_a_failure_are_written_at_every_end(ctxt, begin, name, end):
    volume, operation = begin(name)
    end(ctxt, volume, operation)
    present = volumes_db.get(ctxt, volume.id)
    wanted = dict(states.VOLUME[name].failed)
    assert {column: present[column] for column in wanted} == wanted
    assert operations_db.get(ctxt, operation.id).state == 'failed'


def test_the_table_knows_what_the_api_begins():
    assert {column for name in ROWS for column, _ in states.VOLUME[name].failed} == set(BEGUN)


def test_who_holds_an_operation_ends_it_himself(ctxt, begin):
    volume, operation = begin('extend')
    _claim(ctxt, operation)
    operations.cancel_queued(ctxt, volume, 'why')
    assert operations_db.get(ctxt, operation.id).state == 'running'
    assert volumes_db.get(ctxt, volume.id).growth == BEGUN['growth']


@pytest.mark.parametrize('verb', outcome._ALONG)
def test_what_is_under_way_with_a_resource_is_let_go_when_that_is_called_off(ctxt, database, verb):
    tables = {'volume': volumes_db, 'snapshot': snapshots_db, 'backup': backups_db}
    rules = {'volume': states.VOLUME, 'snapshot': states.SNAPSHOT, 'backup': states.BACKUP}
    volume = volumes_db.create(ctxt, {'project_id': 'p1', 'size': 1, 'status': 'reverting'})
    common = {'project_id': 'p1', 'volume_id': volume.id, 'status': 'creating'}
    made = {'volume': volume,
            'snapshot': snapshots_db.create(ctxt, {**common, 'volume_size': 1}),
            'backup': backups_db.create(ctxt, {**common, 'size': 1})}
    subject = made[verb.partition('.')[0]]
    for _argument, kind, name in outcome._ALONG[verb]:
        tables[kind].overwrite(ctxt, made[kind].id, {'status': rules[kind][name].meanwhile})
    operations_db.create(ctxt, verb, subject, arguments={
        argument: made[kind].id for argument, kind, _name in outcome._ALONG[verb]})
    operations.cancel_queued(ctxt, subject, 'why')
    for _argument, kind, name in outcome._ALONG[verb]:
        wanted = rules[kind][name].error
        wanted = 'available' if wanted == states.PREVIOUS else wanted
        assert tables[kind].get(ctxt, made[kind].id).status == wanted, (kind, name)
