# SPDX-License-Identifier: Apache-2.0
"""How long a request waits."""
import types

import pytest
import urllib3

from cinder.backup.object_store.connections import Connections, Settings

URL = 'http://store'


class Manager:
    """A pool of urllib3 that keeps the timeout of the last request."""

    def urlopen(self, *_args, timeout, **_options):
        self.timeout = timeout
        return urllib3.HTTPResponse()


@pytest.mark.parametrize(('seconds', 'left'), [(None, 60), (100, 70)])
def test_only_the_time_of_a_short_request_is_limited_as_a_whole(monkeypatch, seconds, left):
    """The body of another one may take as long as it goes on."""
    clock = types.SimpleNamespace(monotonic=lambda: 0)
    monkeypatch.setattr('urllib3.util.timeout.time', clock)
    connections, manager = Connections(Settings(60)), Manager()
    monkeypatch.setattr(connections, '_take', lambda url: manager)
    connections.send('PUT', URL, {}, seconds=seconds)
    manager.timeout.start_connect()
    clock.monotonic = lambda: 30
    assert manager.timeout.read_timeout == left
