# SPDX-License-Identifier: Apache-2.0
"""What an unfinished backup has in the store already: objects `_progress-NNNNN` beside its others,
so that any host can go on. They are deleted before the backup becomes available: the original
refuses a backup with objects that its list does not name.
"""
import base64
import dataclasses
import json
import time
from typing import Any

from cinder import exception, fault_points, objects
from cinder.backup import driver as driver_api
from cinder.backup.chunked import metadata, names
from cinder.backup.chunked.digests import SIZE, Digests
from cinder.backup.chunked.metadata import Entry

# A record is written when so much is done since the last one: bytes of the volume, bytes of
# digests, seconds.
_BYTES, _DIGESTS, _SECONDS = 2**26, 2**22, 5


@dataclasses.dataclass
class State:
    """What is done.

    :param position: bytes of the volume before which all is done
    :param records: number of objects with such records
    """

    entries: list[Entry] = dataclasses.field(default_factory=list)
    position: int = 0
    records: int = 0


class Recorder:
    """Notes what is done, and writes it to the store from time to time."""

    def __init__(self, driver: driver_api.BackupDriver, backup: objects.Backup, block: int,
                 identity: str, state: State) -> None:
        self._driver, self._backup, self._block, self.state = driver, backup, block, state
        self._identity = identity
        self._saved, self._position = len(state.entries), state.position
        self._when = time.monotonic()
        self._digests: list[tuple[int, bytes]] = []
        self._bytes = 0
        self._least = min(_BYTES, driver.object_size)

    def hashed(self, first: int, digests: bytes) -> None:
        """Note the digests of some blocks."""
        self._digests.append((first, digests))
        self._bytes += len(digests)

    def stored(self, entry: Entry) -> None:
        """Note that an object is in the store, as all before it."""
        self.state.entries.append(entry)
        self.state.position = entry.end
        if entry.end - self._position >= self._least or self._is_due():
            self._save()

    def reached(self, position: int) -> None:
        """Note that all before a position is done: it is in the store, or as in the parent."""
        self.state.position = max(position, self.state.position)
        if self.state.position > self._position and self._is_due():
            self._save()

    def _is_due(self) -> bool:
        return self._bytes >= _DIGESTS or time.monotonic() - self._when >= _SECONDS

    def _save(self) -> None:
        state = self.state
        record = {'block': self._block, 'identity': self._identity, 'position': state.position,
                  'objects': [metadata.to_json(entry) for entry in state.entries[self._saved:]],
                  'digests': [(first, base64.b64encode(data).decode())
                              for first, data in self._done(state.position)]}
        state.records += 1
        name = names.progress(self._backup.service_metadata, state.records)
        with fault_points.around('backup.create:progress'), \
                self._driver.writer(self._backup.container, name) as stream:
            stream.write(json.dumps(record).encode())
        self._saved, self._position = len(state.entries), state.position
        self._when = time.monotonic()

    def _done(self, position: int) -> list[tuple[int, bytes]]:
        """Return the digests before a position, and keep the others. Those would make a changed
        block look like that of the parent when the write goes on."""
        here = -(-position // self._block)
        done, rest = [], []
        for first, data in self._digests:
            cut = max(here - first, 0) * SIZE
            done += [(first, data[:cut])] if cut else []
            rest += [(first + cut // SIZE, data[cut:])] if cut < len(data) else []
        self._digests, self._bytes = rest, sum(len(data) for _first, data in rest)
        return done


def load(driver: driver_api.BackupDriver, backup: objects.Backup, identity: str,
         found: Digests) -> State:
    """Return what is done, and put its digests into `found`. A record that cannot be used, and
    those after it, are deleted.

    :param identity: of the data; records of other data cannot be used
    """
    state = State()
    prefix = backup.service_metadata
    names_there = set(driver.names(backup.container, names.progress(prefix)))
    while names.progress(prefix, state.records + 1) in names_there:
        name = names.progress(prefix, state.records + 1)
        try:
            record = _read(driver, backup.container, name)
            if (record['block'], record['identity']) != (found.block, identity):
                break
            entries = [metadata.from_json(name, each, prefix) for each in record['objects']]
            digests = [(int(first), base64.b64decode(data, validate=True))
                       for first, data in record['digests']]
            position = int(record['position'])
        except (exception.BackupDataError, exception.BackupObjectNotFound, LookupError, TypeError,
                ValueError, RecursionError):
            break
        for first, data in digests:
            found.put(first, data)
        state = State(state.entries + entries, position, state.records + 1)
    used = {names.progress(prefix, number + 1) for number in range(state.records)}
    for name in sorted(names_there - used, reverse=True):
        driver.delete(backup.container, name)
    return state


def _read(driver: driver_api.BackupDriver, container: str, name: str) -> Any:
    with driver.reader(container, name) as stream:
        parts: list[bytes] = []
        while part := stream.read(2**20):
            parts.append(part)
            if len(parts) > 2**8:
                raise ValueError('too long')
    return json.loads(b''.join(parts))
