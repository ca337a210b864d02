# SPDX-License-Identifier: Apache-2.0
"""Buckets of tokens with a clock of ours, and who is counted for what."""
import types

import pytest

from cinder import exception
from cinder.api.middleware import ratelimit


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def buckets(clock):
    return ratelimit.Buckets(2, 3, clock)


def takes(buckets, caller, times):
    return [buckets.take(caller) for _ in range(times)]


def test_a_burst_then_the_rate(buckets, clock):
    assert takes(buckets, 'p', 4) == [0, 0, 0, 0.5]
    clock.now += 0.5
    assert takes(buckets, 'p', 2) == [0, 0.5]
    clock.now += 3600
    assert takes(buckets, 'p', 4) == [0, 0, 0, 0.5], 'a bucket holds no more than a burst'


def test_being_refused_costs_nothing(buckets, clock):
    takes(buckets, 'p', 100)
    clock.now += 0.5
    assert buckets.take('p') == 0


def test_callers_do_not_share(buckets):
    takes(buckets, 'p', 9)
    assert buckets.take('q') == 0


def test_looking_takes_nothing(buckets):
    assert [buckets.wait('p') for _ in range(9)] == [0] * 9
    takes(buckets, 'p', 3)
    assert buckets.wait('p') == 0.5


def test_what_is_given_back_is_there_again(buckets):
    takes(buckets, 'p', 3)
    buckets.give_back('p')
    assert takes(buckets, 'p', 2) == [0, 0.5]
    for _ in range(9):
        buckets.give_back('p')
    assert takes(buckets, 'p', 4) == [0, 0, 0, 0.5], 'a bucket holds no more than a burst'


def test_memory_is_bounded_and_the_quietest_is_forgotten(clock):
    buckets = ratelimit.Buckets(2, 3, clock, most=5)
    takes(buckets, 'busy', 3)
    for number in range(4):
        buckets.take(f'one {number}')
    buckets.wait('busy')
    buckets.take('one 5')
    assert len(buckets) == 5
    assert buckets.take('busy') == 0, 'busy was the quietest and starts anew'


def test_hundreds_of_callers_have_their_own(clock):
    # Of thousands it is likely that more than eight share a set, and one of them is forgotten.
    buckets = ratelimit.Buckets(2, 3, clock)
    for number in range(500):
        assert takes(buckets, f'p{number}', 4) == [0, 0, 0, 0.5]
    clock.now += 0.5
    for number in range(500):
        assert takes(buckets, f'p{number}', 2) == [0, 0.5]
    assert len(buckets) == 500


@pytest.mark.parametrize(('address', 'caller'), [
    ('192.0.2.1', '192.0.2.1'), ('6.6.6.6, 192.0.2.1', '192.0.2.1'),
    ('2001:db8::1', '2001:db8::/64'), ('[2001:db8::ffff:1]', '2001:db8::/64'),
    ('2001:db8:0:1::1', '2001:db8:0:1::/64'), ('::ffff:192.0.2.1', '192.0.2.1'),
    ('', ''), ('unknown', 'unknown'), ('x' * 9000, 'x' * 64)])
def test_who_an_address_is(address, caller):
    assert ratelimit.network_of(address) == caller


def pipeline(cls, buckets, status='200 OK'):
    def app(_environ, start_response):
        start_response(status, [])
        return [b'']
    limiter = cls(app, buckets)
    return lambda **environ: limiter(environ, lambda *_args: None)


def test_a_project_is_told_when_to_come_back(buckets):
    send = pipeline(ratelimit.ProjectLimiter, buckets)
    environ = {'cinder.context': types.SimpleNamespace(project_id='p', user_id='u')}
    for _ in range(3):
        send(**environ)
    with pytest.raises(exception.TooManyRequests) as caught:
        send(**environ)
    assert caught.value.headers == {'Retry-After': '1'}
    assert 'in 1 s' in str(caught.value)
    send(**{'cinder.context': types.SimpleNamespace(project_id=None, user_id='p')})


def test_no_token_costs_the_address_and_a_good_one_does_not(buckets):
    send = pipeline(ratelimit.AddressLimiter, buckets)
    for _ in range(9):
        send(REMOTE_ADDR='192.0.2.1', HTTP_X_AUTH_TOKEN='good')
    for _ in range(3):
        send(REMOTE_ADDR='192.0.2.1')
    with pytest.raises(exception.TooManyRequests):
        send(REMOTE_ADDR='192.0.2.1')
    send(REMOTE_ADDR='192.0.2.2')


def test_wrong_tokens_cost_the_address_too(buckets):
    send = pipeline(ratelimit.AddressLimiter, buckets, '401 Unauthorized')
    for _ in range(3):
        send(REMOTE_ADDR='192.0.2.1', HTTP_X_AUTH_TOKEN='bad')
    with pytest.raises(exception.TooManyRequests):
        send(REMOTE_ADDR='192.0.2.1', HTTP_X_AUTH_TOKEN='bad')


def test_without_a_token_one_401_costs_once(buckets):
    send = pipeline(ratelimit.AddressLimiter, buckets, '401 Unauthorized')
    for _ in range(3):
        send(REMOTE_ADDR='192.0.2.1')
