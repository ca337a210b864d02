# SPDX-License-Identifier: Apache-2.0
"""What the fault tests interrupt: for each verb of the journal a request, what has to be there
before it, and how to tell that it was carried out in full or not at all."""

import dataclasses
import uuid

from tests.functional import storage
from tests.functional.client import Client, WrongState


@dataclasses.dataclass
class Scenario:
    """One request of one client.

    `target` is the volume or snapshot that it is about, `content` what was written there before.
    """

    client: Client
    name: str = dataclasses.field(default_factory=lambda: uuid.uuid4().hex)
    target: dict | None = None
    content: bytes | None = None

    def prepare(self) -> None:
        """Make what the request needs."""

    def request(self) -> None:
        """Send it."""

    def check_done(self) -> None:
        """Wait for what the request asked for."""

    def check_not_done(self) -> None:
        """Everything is as before the request."""

    def _volume(self, size: int = 1) -> dict:
        volume = self.client.ready_volume(size)
        self.content = storage.sample()
        storage.write(self.client, volume['id'], self.content)
        return volume

    def _only(self, kind: str) -> dict:
        """Return the one resource that was made; a second would be an operation run twice."""
        found = self.client.find(kind, self.name)
        if len(found) != 1:
            raise WrongState(f'{len(found)} {kind}s of one request: {found}')
        return self.client.wait_for_status(kind, found[0]['id'], 'available')


class CreateEmpty(Scenario):
    def request(self):
        self.client.create_volume(1, name=self.name)

    def check_done(self):
        made = self._only('volume')
        assert storage.read(self.client, made['id']) == (
            self.content or bytes(storage.SAMPLE_MIB * 2 ** 20))

    def check_not_done(self):
        assert self.client.find('volume', self.name) == []


class Clone(CreateEmpty):
    def prepare(self):
        self.target = self._volume()

    def request(self):
        self.client.create_volume(1, name=self.name, source_volid=self.target['id'])


class CreateFromSnapshot(CreateEmpty):
    def prepare(self):
        self.target = self.client.ready_snapshot(self._volume()['id'])

    def request(self):
        self.client.create_volume(1, name=self.name, snapshot_id=self.target['id'])


class Delete(Scenario):
    def prepare(self):
        self.target = self._volume()

    def request(self):
        self.client.delete(f'volumes/{self.target["id"]}', expect=202)

    def check_done(self):
        self.client.wait_gone('volume', self.target['id'])

    def check_not_done(self):
        self.client.wait_for_status('volume', self.target['id'], 'available')
        assert storage.read(self.client, self.target['id']) == self.content


class Extend(Scenario):
    def prepare(self):
        self.target = self._volume()

    def request(self):
        self.client.action(self.target['id'], 'os-extend', {'new_size': 2}, expect=202)

    def check_done(self):
        self.check_size(2)

    def check_not_done(self):
        self.check_size(1)

    def check_size(self, size):
        shown = self.client.wait_for_status('volume', self.target['id'], 'available')
        assert shown['size'] == size
        assert storage.read(self.client, self.target['id']) == self.content


class CreateSnapshot(Scenario):
    def prepare(self):
        self.target = self._volume()

    def request(self):
        self.client.create_snapshot(self.target['id'], name=self.name)

    def check_done(self):
        snapshot = self._only('snapshot')
        copy = self.client.ready_volume(1, snapshot_id=snapshot['id'])
        assert storage.read(self.client, copy['id']) == self.content

    def check_not_done(self):
        assert self.client.find('snapshot', self.name) == []


class DeleteSnapshot(Scenario):
    def prepare(self):
        self.target = self.client.ready_snapshot(self._volume()['id'])

    def request(self):
        self.client.delete(f'snapshots/{self.target["id"]}', expect=202)

    def check_done(self):
        self.client.wait_gone('snapshot', self.target['id'])

    def check_not_done(self):
        self.client.wait_for_status('snapshot', self.target['id'], 'available')


# Name -> scenario and the verb whose fault points it passes.
ALL = {
    'create': (CreateEmpty, 'volume.create'), 'clone': (Clone, 'volume.create'),
    'create-from-snapshot': (CreateFromSnapshot, 'volume.create'),
    'delete': (Delete, 'volume.delete'), 'extend': (Extend, 'volume.extend'),
    'snapshot-create': (CreateSnapshot, 'snapshot.create'),
    'snapshot-delete': (DeleteSnapshot, 'snapshot.delete'),
}
