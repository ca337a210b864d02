# SPDX-License-Identifier: Apache-2.0
import threading

import pytest

from cinder import exception, injected_faults


@pytest.fixture(autouse=True)
def no_faults():
    yield
    injected_faults.remove()


def happens(verb):
    try:
        injected_faults.meet_operation(verb)
    except exception.InjectedFault as exc:
        return str(exc)
    return None


@pytest.mark.parametrize(('wanted', 'reason'), [
    ({}, 'either verb or request'),
    ({'verb': 'a', 'request': 'b'}, 'either verb or request'),
    ({'verb': 'a', 'action': 'explode'}, "action = 'explode'"),
    ({'request': 'a', 'action': 'stuck'}, "action = 'stuck'"),
    ({'verb': 'a', 'action': 'slow', 'seconds': -1}, 'seconds = -1'),
    ({'verb': 'a', 'action': 'slow', 'seconds': '1'}, "seconds = '1' has the wrong type"),
    ({'verb': 'a', 'action': 'slow', 'seconds': True}, 'seconds = True has the wrong type'),
    ({'verb': 'a', 'action': 'slow', 'seconds': float('inf')}, 'seconds = inf'),
    ({'verb': 'a', 'action': 'fail', 'times': 0}, 'times = 0'),
    ({'request': 'a', 'action': 'fail', 'status': 200}, 'status = 200'),
    ({'verb': 'a', 'action': 'fail', 'often': 1}, 'no field often')])
def test_a_fault_that_is_not_possible_is_refused(wanted, reason):
    with pytest.raises(exception.InvalidInput, match=reason):
        injected_faults.add(wanted)
    assert not injected_faults.are_there()


def test_a_fault_happens_as_often_as_it_should():
    assert happens('volume.create') is None
    injected_faults.add({'verb': 'volume.*', 'action': 'fail', 'times': 2, 'message': 'no luck'})
    assert [happens(verb) for verb in ('snapshot.create', 'volume.create', 'volume.delete',
                                       'volume.create')] == [None, 'no luck', 'no luck', None]
    assert not injected_faults.are_there()
    fault = injected_faults.add({'verb': '*', 'action': 'fail'})
    assert happens('backup.create') == happens('volume.create') == fault.message
    assert injected_faults.remove(fault.id) and not injected_faults.remove(fault.id)
    assert happens('backup.create') is None


def test_what_is_stuck_goes_on_when_the_fault_is_removed():
    fault = injected_faults.add({'verb': 'volume.create', 'action': 'stuck', 'times': 1})
    looked = threading.Event()
    thread = threading.Thread(target=injected_faults.meet_operation,
                              args=('volume.create', looked.set))
    thread.start()
    assert looked.wait(5) and thread.is_alive()
    # The fault has happened; it stays for the one that is stuck.
    assert happens('volume.create') is None
    injected_faults.remove(fault.id)
    thread.join(5)
    assert not thread.is_alive()


def test_what_is_stuck_ends_with_its_claim():
    injected_faults.add({'verb': 'volume.create', 'action': 'stuck'})

    def lost():
        raise exception.LockLost(name='volume-1')
    with pytest.raises(exception.LockLost):
        injected_faults.meet_operation('volume.create', lost)


def test_requests_and_their_replies():
    injected_faults.add({'request': 'POST volumes', 'action': 'fail', 'status': 507, 'times': 1})
    injected_faults.meet_request('GET', 'volumes')
    with pytest.raises(exception.InjectedRefusal) as refused:
        injected_faults.meet_request('POST', 'volumes')
    assert refused.value.code == 507
    injected_faults.meet_request('POST', 'volumes')
    injected_faults.add({'verb': 'volume.create', 'action': 'lose_reply', 'times': 1})
    injected_faults.meet_operation('volume.create')
    assert not injected_faults.loses_reply('POST', 'snapshots', ['snapshot.create'])
    assert injected_faults.loses_reply('POST', 'volumes', ['volume.create'])
    assert not injected_faults.are_there()
