# SPDX-License-Identifier: Apache-2.0
"""What the oracle of the functional tests says of notifications that are lost, invented or in
another order."""
import types

import pytest

from tests.functional import notified

LIVES = {
    'volume': ['volume.create.start', 'volume.create.end', 'volume.resize.start',
               'volume.resize.end', 'volume.delete.start', 'volume.delete.end'],
    'backup': ['backup.create.start', 'backup.createprogress', 'backup.create.end',
               'backup.restore.start', 'backup.restore.end', 'backup.delete.start',
               'backup.delete.end'],
    # It goes to the trash and comes back.
    'trash': ['volume.create.start', 'volume.create.end', 'volume.delete.start',
              'volume.delete.end', 'volume.create.start', 'volume.create.end',
              'volume.delete.start', 'volume.delete.end']}
VERBS = {'volume': ('volume.create', 'volume.extend', 'volume.delete'),
         'backup': ('backup.create', 'backup.restore', 'backup.delete'),
         'trash': ('volume.create', 'volume.delete', 'volume.restore', 'volume.delete')}


@pytest.fixture(params=LIVES)
def life(request):
    return request.param


def judge(told, verbs=(), state='done', present=False, known=True):
    operations = [types.SimpleNamespace(verb=verb, resource_id='v', state=state)
                  for verb in (VERBS[verbs] if isinstance(verbs, str) else verbs)]
    return list(notified._judge({'v': list(told)}, operations, {'v': True} if known else {},
                                {'v'} if present else set()))


def test_a_life(life):
    assert judge(LIVES[life], life) == []


def test_lives_without_all_operations():
    # An attempt that was superseded, and a deletion without a back end.
    assert judge(['volume.create.start', *LIVES['volume'][-2:]]) == []
    for kind in ('volume', 'backup'):
        assert judge([f'{kind}.create.start', f'{kind}.create.error'], [f'{kind}.create'],
                     'failed') == []
    assert judge(LIVES['trash'][:-2], VERBS['trash'][:-1], present=True) == []


@pytest.mark.parametrize(('name', 'place'), [
    (name, place) for name, told in LIVES.items() for place, event in enumerate(told)
    if event.endswith('.end')])
def test_one_is_lost(name, place):
    told = LIVES[name]
    assert judge([*told[:place], *told[place + 1:]], name)


@pytest.mark.parametrize(('name', 'event'), [
    (name, event) for name, told in LIVES.items() for event in sorted(set(told))])
def test_one_is_sent_again_with_another_id(name, event):
    assert judge([*LIVES[name], event], name)


@pytest.mark.parametrize(('name', 'place'), [
    (name, place) for name in ('volume', 'backup') for place in range(len(LIVES[name]) - 1)])
def test_two_change_places(name, place):
    told = list(LIVES[name])
    told[place:place + 2] = reversed(told[place:place + 2])
    # Nothing tells whether an extend or a restore was told of before the deletion began.
    assert judge(told, name) or (name, place) in (('volume', 3), ('backup', 4))


def test_what_has_not_happened(life):
    told = LIVES[life]
    assert judge(told, life, present=True)
    assert judge(told, life, known=False)
    assert judge([*told, f'{told[0].partition(".")[0]}.create.error'], life)


def test_what_is_not_billed_is_not_judged():
    assert list(notified._judge({}, [types.SimpleNamespace(
        verb='volume.create', resource_id='v', state='done')], {'v': False}, {'v'})) == []
