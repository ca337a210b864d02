# SPDX-License-Identifier: Apache-2.0
"""What the oracle of the functional tests says of notifications that are lost, invented or in
another order."""
import types

import pytest

from tests.functional import notified

LIFE = ['volume.create.start', 'volume.create.end', 'volume.resize.start', 'volume.resize.end',
        'volume.delete.start', 'volume.delete.end']
VERBS = ('volume.create', 'volume.extend', 'volume.delete')


def judge(told, verbs=VERBS, state='done', present=False, known=True):
    operations = [types.SimpleNamespace(verb=verb, resource_id='v', state=state)
                  for verb in verbs]
    return list(notified._judge({'v': list(told)}, operations, {'v': True} if known else {},
                                {'v'} if present else set()))


def test_a_life():
    assert judge(LIFE) == []
    # An attempt that was superseded, and a deletion without a back end.
    assert judge(['volume.create.start', *LIFE[-2:]], ()) == []
    assert judge(['volume.create.start', 'volume.create.error'], ['volume.create'], 'failed') == []


@pytest.mark.parametrize('lost', [event for event in LIFE if event.endswith('.end')])
def test_one_is_lost(lost):
    assert judge([event for event in LIFE if event != lost])


@pytest.mark.parametrize('again', LIFE)
def test_one_is_sent_again_with_another_id(again):
    assert judge([*LIFE, again])


@pytest.mark.parametrize('place', range(len(LIFE) - 1))
def test_two_change_places(place):
    told = [*LIFE[:place], LIFE[place + 1], LIFE[place], *LIFE[place + 2:]]
    # Nothing tells whether an extend was told of before the deletion began.
    assert judge(told) or place == 3


def test_what_has_not_happened():
    assert judge(LIFE, present=True)
    assert judge(LIFE, known=False)
    assert judge([*LIFE, 'volume.resize.error'])


def test_what_is_not_billed_is_not_judged():
    assert list(notified._judge({}, [types.SimpleNamespace(
        verb='volume.create', resource_id='v', state='done')], {'v': False}, {'v'})) == []
