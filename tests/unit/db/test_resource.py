# SPDX-License-Identifier: Apache-2.0
"""What all resources have in common, asked of each: errors, updates, the end of a transition."""
import pytest

from cinder import exception
from cinder.db import (
    attachments,
    backups,
    group_snapshots,
    group_types,
    groups,
    messages,
    qos_specs,
    resource,
    rows,
    snapshots,
    transfers,
    types,
    volumes,
)
from cinder.objects import states

pytestmark = pytest.mark.usefixtures('database')
MODULES = (attachments, backups, group_snapshots, group_types, groups, messages, qos_specs,
           snapshots, transfers, types, volumes)
KINDS = {made.table.name: (module, made) for module in MODULES
         for made in vars(module).values() if isinstance(made, rows.Rows)}
# Those with a state table -> columns that a row needs.
STATES = {'volumes': {'size': 1}, 'snapshots': {'volume_id': 'v', 'volume_size': 1},
          'groups': {'group_type_id': 't'}, 'backups': {'volume_id': 'v', 'size': 1},
          'group_snapshots': {'group_id': 'g'}}


@pytest.fixture
def parents(ctxt, make_volume):
    """What rows of STATES belong to."""
    make_volume(id='v')
    kind = group_types.create(ctxt, {'id': 't', 'name': 'kind', 'is_public': True})
    groups.create(ctxt, {'id': 'g', 'project_id': 'p1', 'status': 'available'},
                  [types.get_by_name(ctxt, '__DEFAULT__').id], kind)


@pytest.fixture(params=STATES)
def kind(request, ctxt, parents):
    """(module, its Resource, an object in status 'available')."""
    module, made = KINDS[request.param]
    return module, made, made.insert(ctxt, {
        'project_id': 'p1', 'status': 'available', **STATES[request.param]})


def test_each_module_has_one():
    assert len(KINDS) == len(MODULES)
    assert set(STATES) == {name for name, (_, made) in KINDS.items()
                           if getattr(made, 'verbs', None)}


@pytest.mark.parametrize('name', KINDS)
def test_what_is_not_there_is_an_error_of_the_kind(ctxt, name):
    _module, made = KINDS[name]
    calls = [lambda: made.get_row(ctxt, 'none')]
    if isinstance(made, resource.Resource):
        calls += [lambda: made.get(ctxt, 'none'), lambda: made.update(ctxt, 'none', {})]
    for call in calls:
        with pytest.raises(made.errors.not_found, match='none'):
            call()


def test_a_verb_is_refused_by_the_table(ctxt, kind):
    _module, made, row = kind
    made.overwrite(ctxt, row.id, {'status': 'deleting'})
    refused = next(verb for verb, rule in made.verbs.items()
                   if rule.allowed and 'deleting' not in rule.allowed and rule.http == 400)
    with pytest.raises(made.errors.invalid, match=f"{made.kind} {row.id} is in status 'deleting'"):
        made.transition(ctxt, row, refused)
    made.destroy(ctxt, row.id)
    with pytest.raises(made.errors.not_found, match=row.id):
        made.transition(ctxt, row, refused)


@pytest.mark.parametrize('name', ['volumes', 'snapshots'])
def test_where_the_table_says_409_it_is_a_conflict(ctxt, parents, name):
    _module, made = KINDS[name]
    row = made.insert(ctxt, {'project_id': 'p1', 'status': 'error', **STATES[name]})
    with pytest.raises(exception.Conflict, match=f'Invalid {made.kind}: .* must be in one of'):
        made.transition(ctxt, row, 'revert')


def test_a_transition_ends_in_the_status_that_it_expects_only(ctxt, kind):
    _module, made, row = kind
    made.transition(ctxt, row, 'delete')
    assert row.status == 'deleting'
    assert not made.finish_transition(ctxt, row.id, 'creating', 'error', {})
    if 'previous_status' in made.table.c:
        assert made.finish_transition(ctxt, row.id, 'deleting', states.PREVIOUS, {})
        assert made.get_row(ctxt, row.id)['status'] == 'available'
    assert made.finish_transition(ctxt, row.id, None, 'error', {})
    assert made.finish_transition(ctxt, row.id, 'error', None, {})
    assert made.get_row(ctxt, row.id)['status'] == 'error'


def test_a_row_is_imported_under_its_former_id(ctxt, kind):
    _module, made, row = kind
    values = {'id': row.id, 'project_id': 'p1', 'status': 'error', **STATES[made.table.name]}
    with pytest.raises(made.errors.invalid, match=f'{made.kind} {row.id} already exists'):
        made.import_row(ctxt, values)
    made.destroy(ctxt, row.id)
    assert made.import_row(ctxt, values).id == row.id
    assert made.get_row(ctxt, row.id)['status'] == 'error'

