# SPDX-License-Identifier: Apache-2.0
"""Plays a row of the table over REST. It knows which bytes each volume must have; after each path
every reader must find them with the key of the volume, with no other, and not on the storage."""
import contextlib
import os
import subprocess
from collections.abc import Iterator

from tests.functional.client import Client
from tests.functional.processes import wait_until
from tests.image_paths import readers, table
from tests.image_paths.place import GIB, MIB, Place
from tests.image_paths.refusals import Refusals

MARK = 32
# Where hosts write: within the image, behind it, and behind what volumes had before they grew.
WITHIN, BEHIND, GROWN = MIB + 512, 700 * MIB + 512, GIB + 300 * MIB
SAMPLE = 8192


class Kept:
    """A volume, and what its data must be.

    :ivar data: offset -> bytes
    :ivar zeros: whether all other bytes are zeros, where it is not encrypted
    :ivar name: what the storage calls it
    """

    def __init__(self, shown: dict, kind: str, data: dict[int, bytes], owner: Client,
                 zeros: bool = True) -> None:
        self.ident, self.kind, self.owner, self.zeros = shown['id'], kind, owner, zeros
        self.data, self.size = dict(data), shown['size'] * GIB

    def write(self, offset: int, data: bytes) -> None:
        """Note what is written: within a known part, or apart from all."""
        for start, known in self.data.items():
            if start <= offset < start + len(known):
                place = offset - start
                self.data[start] = known[:place] + data + known[place + len(data):]
                return
        self.data[offset] = data


class Walk(Refusals):
    """One row at one place."""

    def __init__(self, place: Place, row: table.Row) -> None:
        self.place, self.row, self.client = place, row, place.client
        self.before, self.found_before = place.keys(), set(place.findings())
        self.kept: dict[str, Kept] = {}
        self.images: dict[str, str] = {}
        self.snapshots: dict[str, tuple[str, dict[int, bytes]]] = {}
        self.backups: list[tuple[str, dict[int, bytes]]] = []
        # Key and client -> the secret, which does not change.
        self._known: dict[tuple[str, Client], bytes] = {}
        # What no encrypted volume may contain.
        self.marks: set[bytes] = set()

    def play(self) -> None:
        """Take all paths of the row."""
        for path in self.row.paths:
            try:
                for refusal in table.REFUSALS:
                    if refusal.before == path and self.row.has(refusal):
                        self.refused(refusal)
                getattr(self, path)()
                for name in table.PATHS[path]:
                    self.check(name)
            except Exception as exc:
                exc.add_note(f'row {self.row}, path {path}')
                raise

    # ----------------------------------------------------------------------------------- the paths
    def create(self) -> None:
        data = self._picture()
        self.images['picture'] = self.add_image(data, self.row.disk_formats[0])
        self._made('first', self.row.kind, {0: data}, size=1, imageRef=self.images['picture'])
        self._write('first', BEHIND)

    def snapshot(self) -> None:
        first = self.kept['first']
        made = self.client.create_snapshot(first.ident)['id']
        self.client.wait_for_status('snapshot', made, 'available', self.place.seconds)
        self.snapshots['snapshot'] = made, dict(first.data)
        self._write('first', WITHIN)

    def from_snapshot(self) -> None:
        ident, data = self.snapshots['snapshot']
        self._made('second', self.row.kind, data, snapshot_id=ident)

    def clone(self) -> None:
        first = self.kept['first']
        self._made('third', self.row.kind, first.data, source_volid=first.ident)

    def extend(self) -> None:
        second = self.kept['second']
        self.client.action(second.ident, 'os-extend', {'new_size': 2}, expect=202)
        self._wait('second')
        second.size = 2 * GIB
        self._write('second', GROWN)

    def upload(self) -> None:
        encrypted = self.row.kind in table.ENCRYPTED
        made = self.client.action(self.kept['first'].ident, 'os-volume_upload_image', {
            'image_name': 'walk', 'disk_format': 'raw' if encrypted else 'qcow2', 'force': False,
            # Glance looks into `bare` ones, and some releases refuse LUKS 2.
            'container_format': 'ovf' if self.row.kind == table.LUKS2 else 'bare'})
        ident = self.images['upload'] = made['os-volume_upload_image']['image_id']
        wait_until(lambda: self.place.image(ident)['status'] == 'active', self.place.seconds,
                   lambda: f'the image: {self.place.image(ident)}')
        self._wait('first')
        if encrypted:
            assert not readers.holds_file(self.place.image_file(ident), self.marks)
            key = self.place.image(ident)['cinder_encryption_key_id']
            assert self._secret_of(key, self.client) == self.secret('first')
            assert key != self._key('first')

    def create_from_upload(self) -> None:
        self._made('fourth', self.row.kind, self.kept['first'].data, size=1,
                   imageRef=self.images['upload'])

    def reimage(self) -> None:
        data, third = self._picture(), self.kept['third']
        self.images['other'] = self.add_image(data, self.row.disk_formats[1])
        self.client.action(third.ident, 'os-reimage', {'image_id': self.images['other']},
                           expect=202)
        self._wait('third')
        # What is behind the image is left as it is in a volume that is not encrypted.
        third.data, third.zeros = {0: data}, False
        self._write('third', BEHIND)

    def retype(self) -> None:
        third = self.kept['third']
        for kind in self.row.to_kinds:
            former = self.secret('third')
            self.client.action(third.ident, 'os-retype', {
                'new_type': self.place.types[kind], 'migration_policy': 'on-demand'}, expect=202)
            self._wait('third')
            assert self.client.show('volume', third.ident)['encrypted'] is (kind != table.PLAIN), (
                self.client.messages(third.ident))
            third.kind = kind
            self.check('third', former)

    def backup(self) -> None:
        third = self.kept['third']
        for number in range(2):
            if number:
                self._write('third', BEHIND)
            made = self.client.post('backups', {'backup': {
                'volume_id': third.ident, 'incremental': bool(number), 'name': 'walk'}},
                expect=202)['backup']['id']
            self.client.wait_for_status('backup', made, 'available', self.place.seconds)
            self.backups.append((made, dict(third.data)))
        if self.row.kind in table.ENCRYPTED:
            self._nothing_plain_in_files()

    def restore(self) -> None:
        third, (full, data) = self.kept['third'], self.backups[0]
        # Only an encrypted one is certain to get the type, and so the storage, of its volume.
        target = {} if self.row.kind in table.ENCRYPTED else {'volume_id': self.client.ready_volume(
            1, self.place.seconds, volume_type=self.place.types[self.row.kind])['id']}
        made = self.client.post(f'backups/{full}/restore', {'restore': target},
                                expect=202)['restore']
        self.client.wait_for_status('volume', made['volume_id'], 'available', self.place.seconds)
        self._keep('fifth', self.row.kind, data, made['volume_id'], zeros=third.zeros)
        self._write('third', WITHIN)
        self._restore_over('third', self.backups[1])
        if 'fourth' in self.kept:
            former = self.secret('fourth')
            self._restore_over('fourth', self.backups[0])
            self.check('fourth', former)

    def _restore_over(self, name: str, backup: tuple[str, dict[int, bytes]]) -> None:
        """Restore a backup to a volume, which gets its key."""
        kept, (ident, data) = self.kept[name], backup
        self.client.post(f'backups/{ident}/restore', {'restore': {'volume_id': kept.ident}},
                         expect=202)
        self._wait(name)
        kept.data, kept.zeros = dict(data), self.kept['third'].zeros

    def transfer(self) -> None:
        fifth, secret = self.kept['fifth'], self.secret('fifth')
        offer = self.client.post('volume-transfers', {'transfer': {'volume_id': fifth.ident}},
                                 expect=202)['transfer']
        self.place.other.post(f'volume-transfers/{offer["id"]}/accept',
                              {'accept': {'auth_key': offer['auth_key']}}, expect=202)
        fifth.owner = self.place.other
        assert self.secret('fifth') == secret

    def attach(self) -> None:
        """What a host gets is what the storage has."""
        # The first, and the one that has changed most.
        for name in ('first', 'third'):
            kept = self.kept[name]
            with self.place.opened(self.stored_as(name)) as disk:
                assert self.place.exported(kept.owner, kept.ident, 20) == disk.read(0, 20 * MIB)

    def delete(self) -> None:
        """Nothing is left: no volume, no image, no key."""
        self._each_key_opens_its_own()
        for ident, _data in self.snapshots.values():
            self._gone(self.client, 'snapshot', ident)
        for ident, _data in reversed(self.backups):
            self._gone(self.client, 'backup', ident)
        for kept in self.kept.values():
            self._gone(kept.owner, 'volume', kept.ident)
        for ident in self.images.values():
            self.place.delete_image(ident)
        self._let_keys_go()
        wait_until(lambda: self.place.keys() == self.before, 20,
                   lambda: f'keys are left: {self.place.keys() - self.before}')
        wait_until(lambda: set(self.place.findings()) <= self.found_before, self.place.seconds,
                   lambda: f'the oracle: {set(self.place.findings()) - self.found_before}')
        if not self.row.is_decrypted():
            self._nothing_plain_in_files()

    # ---------------------------------------------------------------------------------- the checks
    def check(self, name: str, other: bytes | None = None) -> None:
        """Read a volume in all ways, with its key and with another one.

        :param other: a secret that does not open it; that of any other volume by default
        """
        kept, secret, stored = self.kept[name], self.secret(name), self.stored_as(name)
        wrong = other or next((each for each in self._secrets() if each != secret), b'0' * 64)
        ranges = [(offset, len(data)) for offset, data in kept.data.items()]
        for who in self.row.readers(kept.kind, whole=True):
            read = getattr(readers, who.name)
            found = read(self.place, stored, kept.size, secret, ranges)
            assert found == list(kept.data.values()), f'{name}, read by {who.name}'
            if secret and who.tried:
                assert read(self.place, stored, kept.size, wrong, ranges[:1]) is None, (
                    f'{name} is opened by another key, by {who.name}')
        for who in self.row.readers(kept.kind, whole=False):
            opens = getattr(readers, who.name)
            assert [opens(self.place, stored, kept.size, each) for each in (secret, wrong)] == [
                True, False], f'{name}, opened by {who.name}'
        with self.place.opened(stored) as disk:
            if secret:
                parts = self.place.searched(disk, kept.size)
                where = readers.containing(disk, parts, self.marks)
                assert where is None, f'{name} has plain data at {where}'
            elif kept.zeros:
                where = readers.not_zero(disk, self.place.searched(disk, kept.size), ranges)
                assert where is None, f'{name} has data at {where}'

    def _each_key_opens_its_own(self) -> None:
        """Read all volumes once more, with all keys."""
        secrets = self._secrets()
        for name, kept in self.kept.items():
            own, stored = self.secret(name), self.stored_as(name)
            ranges = [(offset, len(data)) for offset, data in kept.data.items()]
            assert readers.ours(self.place, stored, kept.size, own, ranges) == list(
                kept.data.values()), name
            for secret in secrets - {own} if own else ():
                assert readers.ours(self.place, stored, kept.size, secret, ranges[:1]) is None, (
                    f'{name} is opened by another key')

    def _nothing_plain_in_files(self) -> None:
        for path in self.place.files():
            with contextlib.suppress(FileNotFoundError):
                assert not readers.holds_file(path, self.marks), path

    # ------------------------------------------------------------------------------------- the keys
    def secret(self, name: str) -> bytes | None:
        """Return what opens a volume, None where it is not encrypted."""
        key = self._key(name)
        assert bool(key) is (self.kept[name].kind in table.ENCRYPTED), name
        return self._secret_of(key, self.kept[name].owner) if key else None

    def _key(self, name: str) -> str | None:
        kept = self.kept[name]
        return kept.owner.get(f'volumes/{kept.ident}/encryption').get('encryption_key_id')

    def _secret_of(self, key: str, client: Client) -> bytes:
        if (key, client) not in self._known:
            self._known[key, client] = self.place.secret(key, client)
        return self._known[key, client]

    def _secrets(self) -> set[bytes]:
        return {self.secret(name) for name in self.kept} - {None}

    def _let_keys_go(self) -> None:
        """A key that only a token of its project may delete goes with its next request."""
        if self.row.kind in table.ENCRYPTED or 'retype' in self.row.paths:
            for client in (self.client, self.place.other):
                made = client.ready_volume(1, self.place.seconds,
                                           volume_type=self.place.types[table.LUKS1])
                self._gone(client, 'volume', made['id'])

    # -------------------------------------------------------------------------------------- helpers
    def _made(self, name: str, kind: str, data: dict[int, bytes], size: int | None = None,
              **fields) -> None:
        if size:
            fields['volume_type'] = self.place.types[kind]
        made = self.client.create_volume(size, name=name, **fields)
        self._keep(name, kind, data, made['id'])
        self._wait(name)

    def _keep(self, name: str, kind: str, data: dict[int, bytes], ident: str,
              zeros: bool = True) -> None:
        self.kept[name] = Kept(self.client.show('volume', ident), kind, data, self.client, zeros)

    def _wait(self, name: str) -> None:
        """Wait until work on a volume has ended: it can take a moment to begin."""
        kept = self.kept[name]
        self.client.wait_for_status('volume', kept.ident, 'available', self.place.seconds)

    def _gone(self, client: Client, kind: str, ident: str) -> None:
        client.delete(f'{kind}s/{ident}', expect=202)
        client.wait_gone(kind, ident, self.place.seconds)

    def stored_as(self, name: str) -> str:
        """Return what the storage calls a volume."""
        ident = self.kept[name].ident
        answer = self.place.admin.request('GET', f'volumes/{ident}')
        # One that was transferred is in another project, and was not moved.
        moved = answer.status == 200 and answer.json['volume']['os-vol-mig-status-attr:name_id']
        return f'volume-{moved or ident}'

    def _write(self, name: str, offset: int) -> None:
        """Write new data as a host does."""
        kept, data = self.kept[name], self._random(SAMPLE)
        with self.inside(name, writable=True) as disk:
            disk.write(offset, data)
            disk.flush()
        kept.write(offset, data)

    @contextlib.contextmanager
    def inside(self, name: str, writable: bool = False) -> Iterator:
        """Open the data of a volume with its key."""
        with (self.place.opened(self.stored_as(name), writable) as disk,
              readers.decrypted(disk, self.secret(name), self.kept[name].size) as found):
            yield found

    def _random(self, length: int) -> bytes:
        data = os.urandom(length)
        self.marks |= {data[:MARK], data[-MARK:]}
        return data

    def _picture(self) -> bytes:
        """The data of a disk, with a hole and an end within a block."""
        return self._random(2 * MIB) + bytes(MIB) + self._random(MIB + 512)

    def add_image(self, data: bytes, disk_format: str, size: int = 0) -> str:
        """Upload a disk in a disk format.

        :param size: bytes of the disk, if it is larger than its data
        """
        raw, made = self.place.folder / 'raw', self.place.folder / 'made'
        raw.write_bytes(data)
        os.truncate(raw, max(size, len(data)))
        made.unlink(missing_ok=True)
        subprocess.run(['qemu-img', 'convert', '-q', '-f', 'raw', '-O',
                        *table.DISK_FORMATS[disk_format], raw, made], check=True)
        return self.place.add_image(made, disk_format)
