# SPDX-License-Identifier: Apache-2.0
"""update_where(): one statement for each set of columns, whatever is written, and in which order.
"""
from cinder.db import changes, models, session, volumes

T = models.Volume.__table__


def test_an_update_is_made_once_for_its_columns(database, ctxt):
    volume = volumes.create(ctxt, {'project_id': 'p1', 'size': 1, 'display_name': 'one'})
    changes._update.cache_clear()
    for size, name in ((2, None), (3, 'three')):
        assert changes.update_where(ctxt, T, [T.c.id == volume.id],
                                    {'size': size, 'display_name': name}) == 1
        seen = volumes.get(ctxt, volume.id)
        assert (seen.size, seen.display_name) == (size, name)
    assert seen.updated_at is not None
    assert changes._update.cache_info().currsize == 1
    # What is computed from a parameter is not kept: there would be one for each value.
    assert changes.update_where(ctxt, T, [T.c.id == volume.id], {'size': T.c.size + 4}) == 1
    assert volumes.get(ctxt, volume.id).size == 7
    assert changes._update.cache_info().currsize == 1
    assert changes.update_where(ctxt, T, [T.c.id == 'another'],
                                {'size': 5, 'display_name': ''}) == 0


def test_a_swap_is_made_once_for_what_it_compares(database, ctxt):
    volume = volumes.create(ctxt, {'project_id': 'p1', 'size': 1, 'status': 'available'})
    changes._update.cache_clear()
    for expected, done in (({'status': 'available', 'host': None, 'size': (1, 2)}, True),
                           ({'status': 'error', 'host': None, 'size': {3}}, False),
                           ({'status': 'available', 'host': None, 'size': [3]}, False)):
        assert changes.compare_and_swap(ctxt, T, volume.id, expected,
                                        {'display_name': 'two'}) is done
    assert changes._update.cache_info().currsize == 1
    assert not changes.compare_and_swap(ctxt, T, volume.id, {'host': 'a'}, {'display_name': ''})
    assert volumes.get(ctxt, volume.id).display_name == 'two'
    volumes.destroy(ctxt, volume.id)
    assert not changes.compare_and_swap(ctxt, T, volume.id, {}, {'display_name': ''})
    # The moment of the database is kept as a part of the statement, not once for each call.
    changes._update.cache_clear()
    for _attempt in range(2):
        assert changes.soft_delete(ctxt, T, [T.c.id == volume.id]) == 0
    assert changes._update.cache_info().currsize == 1


def test_values_are_assigned_in_the_order_in_which_they_are_given(database, ctxt, statements):
    volume = volumes.create(ctxt, {'project_id': 'p1', 'size': 1, 'status': 'creating'})
    for values in ({'previous_status': T.c.status, 'status': 'error'},
                   {'status': 'error', 'updated_at': session.utcnow(), 'migration_status': None}):
        changes.update_where(ctxt, T, [T.c.id == volume.id], values)
        # The last one records the event.
        assignments = statements[-2].partition(' SET ')[2].partition(' WHERE ')[0]
        names = [each.partition('=')[0].strip() for each in assignments.split(', ')]
        assert list(dict.fromkeys(names))[:len(values)] == list(values)
    seen = volumes.get(ctxt, volume.id)
    assert (seen.previous_status, seen.status) == ('creating', 'error')
