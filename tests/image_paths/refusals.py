# SPDX-License-Identifier: Apache-2.0
"""The requests of table.REFUSALS. Each must be refused and leave all as it was, which the paths
that follow show."""
from tests.functional.client import Answer, Client
from tests.functional.processes import wait_until
from tests.image_paths import table
from tests.image_paths.place import GIB, Place


class Refusals:
    """A part of walk.Walk: a method for each request, which returns the answer, or the id of the
    volume that gets the status `error`."""

    place: Place
    client: Client
    row: table.Row

    def refused(self, refusal: table.Refusal) -> None:
        """Send a request, and look why it is refused."""
        found = getattr(self, refusal.request)()
        if refusal.status is not None:
            assert found.status == refusal.status and refusal.words in str(found), (refusal, found)
            return
        if isinstance(found, Answer):
            assert found.status == 202, (refusal, found)
            found = found.json['volume']['id']
        wait_until(lambda: self.client.show('volume', found)['status'] in ('error', 'available'),
                   self.place.seconds, lambda: f'{refusal}: {self.client.show("volume", found)}')
        shown = self.client.show('volume', found)
        said = [each['user_message'] for each in self.client.messages(found)]
        assert shown['status'] == 'error' and any(refusal.words in each for each in said), (
            refusal, shown, said)
        self._gone(self.client, 'volume', found)

    def disk_as_large_as_the_volume(self) -> Answer:
        self.images['large'] = self.add_image(b'disk', 'qcow2', GIB)
        return self._create(self.row.kind, 'large')

    def retype_without_copy(self) -> Answer:
        return self._retype('never')

    def retype_with_snapshots(self) -> Answer:
        return self._retype('on-demand')

    def upload_as_qcow2(self) -> Answer:
        return self._action('first', 'os-volume_upload_image', {
            'image_name': 'refused', 'disk_format': 'qcow2', 'container_format': 'bare'})

    def create_plain_from_encrypted_image(self) -> Answer:
        return self._create(table.PLAIN, 'upload')

    def create_in_other_format(self) -> Answer:
        other, = set(table.ENCRYPTED) - {self.row.kind}
        return self._create(other, 'upload')

    def reimage_with_other_key(self) -> Answer:
        return self._action('third', 'os-reimage', {'image_id': self.images['upload']})

    def restore_over_other_encryption(self) -> Answer:
        other = next(kind for kind in table.FORMATS if kind != self.row.kind)
        made = self.client.ready_volume(1, self.place.seconds,
                                        volume_type=self.place.types[other])['id']
        answer = self._restore(made)
        self._gone(self.client, 'volume', made)
        return answer

    def restore_over_other_key_with_snapshots(self) -> Answer:
        return self._restore(self.kept['first'].ident)

    def transfer_of_old(self) -> Answer:
        return self.client.request(
            'POST', 'volume-transfers', {'transfer': {'volume_id': self.kept['fifth'].ident}},
            headers={'OpenStack-API-Version': 'volume 3.69'})

    def _create(self, kind: str, image: str) -> Answer:
        return self.client.request('POST', 'volumes', {'volume': {
            'size': 1, 'volume_type': self.place.types[kind], 'imageRef': self.images[image]}})

    def _retype(self, policy: str) -> Answer:
        other = next(kind for kind in table.FORMATS if kind != self.row.kind)
        return self._action('first', 'os-retype', {
            'new_type': self.place.types[other], 'migration_policy': policy})

    def _restore(self, volume: str) -> Answer:
        return self.client.request('POST', f'backups/{self.backups[0][0]}/restore', {
            'restore': {'volume_id': volume}})

    def _action(self, name: str, verb: str, arguments: dict) -> Answer:
        return self.client.request('POST', f'volumes/{self.kept[name].ident}/action',
                                   {verb: arguments})
