# SPDX-License-Identifier: Apache-2.0
"""The cache of tokens and the options that end the start; with Keystone, tests/functional."""
import contextlib

import pytest
from keystonemiddleware import auth_token  # noqa: F401 - registers the options
from oslo_config import cfg

from cinder import exception
from cinder.api.middleware import tokens
from cinder.conf import CONF


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def section():
    """Sets options of [keystone_authtoken] for one test."""
    names = []

    def put(name, value):
        names.append(name)
        CONF.set_override(name, value, tokens.GROUP)
    yield put
    for name in names:
        CONF.clear_override(name, tokens.GROUP)
    with contextlib.suppress(cfg.NoSuchOptError):
        # The plugin's stay, and this one is required of whoever reads a configuration next.
        CONF.set_default('auth_url', 'unused', tokens.GROUP)


def test_an_entry_lives_for_its_time(clock):
    cache = tokens.TokenCache(clock=clock)
    cache.set('a', b'1', time=5)
    assert cache.get('a') == b'1' and cache.get('b') is None
    clock.now += 5
    assert cache.get('a') is None


@pytest.mark.parametrize('seconds', [0, -1])
def test_without_a_time_nothing_is_kept(clock, seconds):
    cache = tokens.TokenCache(clock=clock)
    cache.set('a', b'1', time=seconds)
    assert cache.get('a') is None


def test_the_oldest_entry_makes_room(clock):
    cache = tokens.TokenCache(size=2, clock=clock)
    for key in ('a', 'b', 'a', 'c'):
        cache.set(key, key.encode(), time=5)
    assert [cache.get(key) for key in 'abc'] == [b'a', None, b'c']


@pytest.mark.parametrize(('auth_type', 'told'), [
    (None, 'set auth_type'), ('v3password', 'auth_url'), ('nonsense', 'nonsense')])
def test_unusable_options_end_the_start(section, auth_type, told):
    section('auth_type', auth_type)
    with pytest.raises(exception.InvalidConfigurationValue, match=told) as raised:
        tokens.filter_factory({})(None)
    assert '[keystone_authtoken]' in str(raised.value)


def test_without_the_client_of_memcached_the_cache_is_that_of_the_process(
        section, monkeypatch, caplog):
    monkeypatch.setattr(tokens.importlib.util, 'find_spec', lambda _name: None)
    given = []
    monkeypatch.setattr(auth_token.AuthProtocol, '__init__',
                        lambda self, _app, conf: (given.append(conf), setattr(self, '_auth', 1)))
    section('memcached_servers', ['127.0.0.1:11211'])
    tokens.TokenFilter(lambda *_args: None, {})
    assert given == [{'cache': tokens.CACHE}]
    assert 'python-memcached is not installed' in caplog.text
