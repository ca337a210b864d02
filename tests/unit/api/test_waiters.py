# SPDX-License-Identifier: Apache-2.0
"""Responses that come later: what is sent, when a wait ends, and the thread that looks."""
import threading

import pytest
import webob

from cinder import exception
from cinder.api import waiters

SECONDS = 30


class Room:
    """A server with room for some requests."""

    def __init__(self, free):
        self.free = free

    def has_room(self):
        return self.free > 0


@pytest.fixture
def ended():
    return []


@pytest.fixture
def waiting(ended):
    return waiters.Waiting(SECONDS, lambda: webob.Response(b'nothing', 200), ended.append)


def test_what_was_sent_before_anybody_listened_is_not_lost(waiting):
    told = []
    waiting.send(b'one')
    waiting.attach(told.append)
    assert told == [waiting] and waiting.take() == ([b'one'], False)
    waiting.send(b'two')
    waiting.finish()
    assert waiting.take() == ([b'two'], True)


def test_nothing_follows_the_end(waiting, ended):
    waiting.finish()
    waiting.send(b'late')
    waiting.finish(webob.Response(b'late'))
    assert waiting.take() == ([], True) and waiting.response is None
    waiting.close()
    waiting.close()
    assert ended == [waiting]


def test_who_gives_up_says_so(waiting):
    waiting.expire()
    assert waiting.response.body == b'nothing'


def test_a_wait_whose_end_fails_ends():
    waiting = waiters.Waiting(SECONDS, lambda: 1 / 0)
    waiting.expire()
    assert waiting.is_over


def test_a_server_that_holds_connections_gets_the_body(waiting):
    response = waiters.wait({waiters.PARKING: Room(1)}, waiting, webob.Response(b'', 202))
    assert response.app_iter is waiting and 'Content-Length' not in response.headers


def test_without_room_the_client_is_told(waiting, ended):
    with pytest.raises(exception.TooManyWaiting):
        waiters.wait({waiters.PARKING: Room(0)}, waiting, webob.Response())
    assert ended == [waiting]


class TestElsewhere:
    """A WSGI server of somebody else, whose threads wait."""

    def test_the_later_response_is_returned(self, waiting, ended):
        waiting.finish(webob.Response(b'later', 201))
        response = waiters.wait({}, waiting, webob.Response(b'', 202))
        assert (response.status_int, response.body, ended) == (201, b'later', [waiting])

    def test_the_time_ends(self):
        waiting = waiters.Waiting(0, lambda: webob.Response(b'nothing'))
        assert waiters.wait({}, waiting, webob.Response()).body == b'nothing'

    def test_pieces_come_one_by_one(self, waiting, ended):
        response = waiters.wait({}, waiting, webob.Response(), stream=True)
        pieces = iter(response.app_iter)
        waiting.send(b'one')
        assert next(pieces) == b'one'
        waiting.finish()
        assert list(pieces) == []
        response.app_iter.close()
        response.app_iter.close()
        assert ended == [waiting] and waiters._places._value == waiters.PLACES

    def test_a_bounded_number_waits(self):
        held = [waiters.wait({}, waiters.Waiting(SECONDS), webob.Response(), stream=True)
                for _number in range(waiters.PLACES)]
        with pytest.raises(exception.TooManyWaiting):
            waiters.wait({}, waiters.Waiting(SECONDS), webob.Response())
        for each in held:
            each.app_iter.close()
        assert waiters.has_room({})


class TestPoller:
    def test_it_looks_while_somebody_waits(self, waiting):
        looked, second = [], threading.Event()

        def look(those):
            looked.append(those)
            if len(looked) == 1:
                raise exception.DatabaseUnavailable()
            if len(looked) == 2:
                raise ValueError
            poller.remove(waiting)
            second.set()
        poller = waiters.Poller('looks', look, SECONDS)
        assert not looked and poller._thread is None
        poller.add(waiting)
        for _again in range(1000):
            poller.hurry()
            if second.wait(0.01):
                break
        assert looked[-1] == [waiting] and not poller._wanted.is_set()
