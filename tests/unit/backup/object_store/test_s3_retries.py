# SPDX-License-Identifier: Apache-2.0
"""The retry modes, on a clock that only their pauses move."""
import pytest

from cinder import exception
from cinder.backup.object_store import faults, s3_retries
from cinder.conf import backup_s3


def policy(mode, retries=3):
    made = s3_retries.policy(mode, retries)
    made.now = 0.0

    def sleep(seconds):
        made.now += seconds
    made.sleep, made.clock = sleep, lambda: made.now
    return made


def fail(made, **kwargs):
    def attempt():
        calls.append(1)
        raise faults.Fault('503', **kwargs)
    calls = []
    with pytest.raises(exception.BackupStoreUnavailable):
        faults.run(made, 'x', attempt)
    return len(calls)


@pytest.mark.parametrize('mode', backup_s3.RETRY_MODES)
def test_each_mode_tries_as_often_as_the_option_says(mode):
    assert fail(policy(mode)) == 4 and fail(policy(mode, 0)) == 1


@pytest.mark.parametrize('mode', backup_s3.RETRY_MODES)
def test_pauses_grow_with_a_limit(mode, monkeypatch):
    monkeypatch.setattr(faults.random, 'random', lambda: 1.0)
    made = policy(mode)
    pauses = [made.seconds(retry, faults.Fault('x')) for retry in range(1, 12)]
    assert pauses[:3] == [1, 2, 4] and pauses[-1] == (60 if mode == backup_s3.LEGACY else 20)
    assert made.seconds(1, faults.Fault('x', seconds=7)) == 7


@pytest.mark.parametrize(('mode', 'kwargs', 'retries'), [
    (backup_s3.STANDARD, {}, 100), (backup_s3.STANDARD, {'timed_out': True}, 50),
    (backup_s3.ADAPTIVE, {}, 100)])
def test_all_retries_together_have_a_budget(mode, kwargs, retries):
    made = policy(mode)
    assert sum(fail(made, **kwargs) - 1 for _request in range(200)) == retries
    assert fail(made) == 1
    for _request in range(5):
        faults.run(made, 'x', lambda: None)
    assert fail(made) == 2


def test_a_limited_rate_is_kept_and_grows_again(monkeypatch):
    monkeypatch.setattr(faults.random, 'random', lambda: 0.0)
    made = policy(backup_s3.ADAPTIVE)
    for _request in range(100):
        faults.run(made, 'x', lambda: None)
    assert made.now == 0
    fail(made, throttled=True)
    limit = made._limit
    began = made.now
    for _request in range(20):
        faults.run(made, 'x', lambda: None)
    assert 20 / made._limit <= made.now - began <= 21 / limit
    assert made._limit == pytest.approx(limit + 20 * s3_retries.GROWTH)
