# SPDX-License-Identifier: Apache-2.0
"""When a service that receives no messages is noticed, and how many messages that takes; the time
is that of a clock in the test."""
import types

import pytest

from cinder import context
from cinder.service import liveness

INTERVAL, DOWN_TIME = 10, 60


class Heart(liveness.Liveness):
    """A liveness check whose messages arrive at once, or are lost."""

    def __init__(self, clock):
        super().__init__('cinder-volume', 'h@b', INTERVAL, DOWN_TIME)
        self._patience = 0
        self.clock, self.sent, self.lost = clock, [], ()

    def _send(self, ctxt, to, method, **arguments):
        self.sent.append(method)
        if method not in self.lost:
            getattr(self, method)(ctxt, life=self._life, **arguments)


@pytest.fixture
def heart(monkeypatch):
    clock = types.SimpleNamespace(now=1000.0)
    monkeypatch.setattr(liveness, 'time', types.SimpleNamespace(monotonic=lambda: clock.now))
    return Heart(clock)


CTXT = context.get_admin_context()
ALL, WORK = ('ping', 'probe'), ('probe',)


def run(heart, seconds):
    """Check at each heartbeat; (seconds, answer) of each."""
    began, answers = heart.clock.now, []
    while heart.clock.now < began + seconds:
        answers.append((heart.clock.now - began, heart.check(CTXT)))
        heart.clock.now += INTERVAL
    return answers


def test_a_quiet_hour_takes_a_message_in_fifty_seconds(heart):
    assert all(up for _at, up in run(heart, 3600))
    assert heart.sent == ['probe'] * 72


@pytest.mark.parametrize('second', range(100, 220, 5))
def test_who_hears_nothing_is_down_as_soon_as_with_a_message_in_each_heartbeat(heart, second):
    lost_at = heart.clock.now + second
    while True:
        heart.lost = ALL if heart.clock.now > lost_at else ()
        if not heart.check(CTXT):
            break
        heart.clock.now += INTERVAL
    noticed_at = heart.clock.now + INTERVAL / 2
    # What its row tells then is the age of its last heartbeat.
    down_at = max(noticed_at, heart.clock.now - heart.unverified_seconds() + DOWN_TIME)
    # The heartbeat after the first message that is missed, and the time it is waited for.
    assert lost_at < noticed_at <= down_at <= lost_at + DOWN_TIME + 1.5 * INTERVAL


def test_one_lost_message_is_no_loss_of_the_service(heart):
    run(heart, 100)
    heart.lost = ALL
    assert all(up for _at, up in run(heart, INTERVAL))
    heart.lost = ()
    assert all(up for _at, up in run(heart, 300))


def test_who_never_heard_anything_is_not_up(heart):
    heart.lost = ALL
    assert not heart.check(CTXT)
    heart.lost = ()
    assert heart.check(CTXT)


def test_long_queues_of_work_are_no_death_until_they_count_as_lost(heart):
    run(heart, 100)
    heart.lost = WORK
    answers = run(heart, 300)
    last = max(at for at, up in answers if up)
    assert DOWN_TIME <= last <= 2 * DOWN_TIME
    assert not answers[-1][1]
    heart.lost = ()
    assert heart.check(CTXT)


def test_what_was_lost_with_the_broker_is_sent_again_when_it_is_back(heart):
    run(heart, 100)
    heart.lost = ALL
    run(heart, 80)
    assert not heart.check(CTXT)
    heart.lost = ()
    assert all(up for _at, up in run(heart, 300))


@pytest.mark.parametrize(('age', 'lost', 'hears', 'sent'), [
    (0, ALL, True, 0), (1, (), True, 1), (1, ALL, False, 1), (1, WORK, True, 1)])
def test_whether_messages_arrive_is_asked_when_somebody_wants_to_know(
        heart, age, lost, hears, sent):
    heart.check(CTXT)
    del heart.sent[:]
    heart.clock.now += age
    heart.lost = lost
    assert heart.receives_messages(CTXT) is hears
    assert heart.sent == ['ping'] * sent


def test_messages_of_a_former_life_do_not_count(heart):
    heart.ping(CTXT, life='another', number=99)
    heart.probe(CTXT, life='another')
    heart.lost = ALL
    assert not heart.check(CTXT)
