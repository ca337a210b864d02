# SPDX-License-Identifier: Apache-2.0
"""What each service of a daemon waits for. Every service keeps a file of its state in the directory
of the metrics, so that any process of the daemon can report all of them."""
import contextlib
import datetime
import glob
import json
import logging
import os
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any

from cinder import masking, metrics
from cinder.conf import CONF

LOG = logging.getLogger(__name__)

_PREFIX = 'state-'
# What a service that does not work waits for, if its manager does not say more.
START, ITSELF = 'start', 'service'


class State:
    """The state of one service, which its process writes at its start and with each heartbeat;
    nothing is kept while the metrics are off.

    :param name: such as 'cinder-volume on host@backend'
    """

    def __init__(self, name: str) -> None:
        self._name = name
        # What is waited for -> since when, in seconds since 1970.
        self._since: dict[str, float] = {}
        self.write({START: 'it has not been started yet'})

    @contextlib.contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """Report during the block that the service waits for something."""
        self.write({what: ''})
        yield

    def write(self, waits_for: Mapping[str, str], **facts: Any) -> None:
        """Store the state.

        :param waits_for: what the service needs -> why it is not there; empty: it is ready
        :param facts: further facts that can be written as JSON
        """
        store, now = metrics.current(), time.time()
        if store is None:
            return
        self._since = {what: self._since.get(what, now) for what in waits_for}
        state = {'service': self._name, 'ready': not waits_for, 'at': now, 'waits_for': [
            {'what': what, 'reason': masking.masked(reason), 'since': iso(self._since[what])}
            for what, reason in waits_for.items()], **facts}
        path = os.path.join(store.directory, _PREFIX + urllib.parse.quote(self._name, safe=''))
        new = f'{path}.{os.getpid()}.new'
        try:
            with open(new, 'w', encoding='utf-8') as file:
                json.dump(state, file)
            os.replace(new, path)
        except OSError as exc:
            LOG.warning('The state of %s cannot be stored: %s', self._name, exc)


def iso(at: float) -> str:
    """Return a time in seconds since 1970 as text."""
    return datetime.datetime.fromtimestamp(at, datetime.UTC).isoformat(timespec='seconds')


def all_states() -> list[dict[str, Any]]:
    """Return the states of all services of this daemon. One that was not written for
    service_down_time is that of a process which has ended or does nothing."""
    store = metrics.current()
    if store is None:
        return []
    paths = glob.glob(os.path.join(glob.escape(store.directory), f'{_PREFIX}*'))
    found = [state for path in sorted(paths) if not path.endswith('.new')
             and (state := _read(path))]
    return [_aged(state) for state in found]


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding='utf-8') as file:
            state: dict[str, Any] = json.load(file)
            return state
    except (OSError, ValueError):
        return {}


def _aged(state: dict[str, Any]) -> dict[str, Any]:
    at = state.pop('at')
    age = time.time() - at
    if state['ready'] and age > CONF.service_down_time:
        state['ready'] = False
        state['waits_for'] = [{'what': ITSELF, 'since': iso(at),
                               'reason': f'it has reported nothing for {age:.0f} s'}]
    return {**state, 'reported_at': iso(at)}


def page() -> tuple[int, str, bytes]:
    """Return the answer to /readyz of a daemon without HTTP API: status, type and body."""
    states = all_states()
    ready = bool(states) and all(state['ready'] for state in states)
    return 200 if ready else 503, 'application/json', json.dumps(
        {'ready': ready, 'services': states}, indent=1).encode()
