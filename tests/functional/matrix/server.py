# SPDX-License-Identifier: Apache-2.0
"""A compute service whose one server uses volumes. It copies them when it is asked to, in the order
of the real one; what it does can be held or made to fail like all other work."""
import threading
from typing import TYPE_CHECKING

from cinder import exception
from tests.functional.matrix.table import HOST

if TYPE_CHECKING:
    from tests.functional.matrix.site import Site

# Seconds in which a copy that was begun must have come to its end.
PATIENCE = 20


class Server:
    """It stands in for cinder.compute."""

    def __init__(self, site: 'Site') -> None:
        self._site = site
        self._copies: list[threading.Thread] = []

    def swap(self, server_id: str, volume_id: str, target_id: str) -> None:
        """Reserve the new volume, answer, and copy meanwhile.

        :raises ComputeRefused: it may not have the new one.
        :raises ServiceUnavailable: it does not answer, before or after it began.
        """
        self._passes('swap:before')
        found = self._ask('GET', f'/attachments?volume_id={volume_id}&instance_id={server_id}')
        former = found and found['attachments']
        if not former:
            raise exception.ComputeRefused()
        self._act(volume_id, 'os-begin_detaching')
        made = self._ask('POST', '/attachments', {'attachment': {
            'volume_uuid': target_id, 'instance_uuid': server_id}})
        if not made:
            self._act(volume_id, 'os-roll_detaching')
            raise exception.ComputeRefused()
        thread = threading.Thread(target=self._copy, args=(
            volume_id, target_id, former[0]['id'], made['attachment']['id']))
        self._copies.append(thread)
        thread.start()
        self._passes('swap:after')

    def is_busy(self) -> bool:
        """Whether it copies."""
        return any(thread.is_alive() for thread in self._copies)

    def wait(self) -> bool:
        """Let what was begun end; whether there was something.

        :raises AssertionError: it does not.
        """
        begun, self._copies = self._copies, []
        for thread in begun:
            thread.join(PATIENCE)
            assert not thread.is_alive(), 'the compute service does not end'
        return bool(begun)

    def _copy(self, volume_id: str, target_id: str, former: str, made: str) -> None:
        failed = not self._is_copied(volume_id, target_id, made)
        self._ask('DELETE', f'/attachments/{made if failed else former}')
        if failed:
            self._act(volume_id, 'os-roll_detaching')
        self._passes('complete:before', fine=True)
        self._act(volume_id, 'os-migrate_volume_completion', {
            'new_volume': target_id, 'error': failed})
        self._passes('complete:after', fine=True)
        if not failed:
            self._ask('POST', f'/attachments/{made}/action', {'os-complete': {}})

    def _is_copied(self, volume_id: str, target_id: str, made: str) -> bool:
        try:
            if not self._ask('PUT', f'/attachments/{made}', {'attachment': {'connector': HOST}}):
                return False
            self._passes('copy:before')
            self._site.copy_bytes(volume_id, target_id)
            self._passes('copy:after')
        except (exception.CinderException, OSError):
            return False
        return True

    def _passes(self, step: str, fine: bool = False) -> None:
        try:
            self._site.stage.passes(f'server.{step}')
        except exception.CinderException as exc:
            if not fine:
                raise exception.ServiceUnavailable() from exc

    def _ask(self, method: str, path: str, body: object = None) -> dict | None:
        answer = self._site.send(method, path, body)
        return (answer.json or {'done': True}) if answer.status < 300 else None

    def _act(self, volume_id: str, key: str, value: object = None) -> dict | None:
        return self._ask('POST', f'/volumes/{volume_id}/action', {key: value})
