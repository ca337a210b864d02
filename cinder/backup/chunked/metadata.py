# SPDX-License-Identifier: Apache-2.0
"""The object `_metadata`: which objects hold which part of the volume, and facts of the volume.

It is written last, so a backup without it is not complete. What is read may be anything: each value
is checked before it is used.
"""
import dataclasses
import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from cinder import exception, objects
from cinder.backup import driver as driver_api
from cinder.backup.chunked import json_stream, names

VERSION = '1.0.0'
VOLUME_META_VERSION = 2
# What the original calls its algorithms, and what else configurations call them.
ALGORITHMS = {'none': 'none', 'off': 'none', 'no': 'none', 'zlib': 'zlib', 'gzip': 'zlib',
              'bz2': 'bz2', 'bzip2': 'bz2', 'zstd': 'zstd'}
GIB = 2**30
_MD5 = re.compile('[0-9a-f]{32}')
# Bytes that an offset or a length may be at most, and objects of a backup.
_BYTES, _OBJECTS = 2**56, 2**24


class Entry(NamedTuple):
    """An object and the part of the volume that it holds, in bytes; `md5` is of the plain ones."""

    name: str
    offset: int
    length: int
    compression: str
    md5: str

    @property
    def end(self) -> int:
        """The offset of the first byte behind the part."""
        return self.offset + self.length


@dataclasses.dataclass(frozen=True)
class Metadata:
    """What the object holds.

    :param entries: by offset
    :param size: bytes of the volume
    :param volume_meta: facts of the volume: 'version', 'volume-base-metadata', 'volume-metadata'
        and, for an image, 'volume-glance-metadata'
    """

    entries: list[Entry]
    size: int
    volume_meta: dict[str, Any]


def description(backup: objects.Backup) -> dict[str, Any]:
    """Return what both lists of a backup begin with."""
    return {'version': VERSION, 'backup_id': backup.id, 'volume_id': backup.volume_id,
            'backup_name': backup.display_name, 'backup_description': backup.display_description,
            'created_at': f'{backup.created_at:%Y-%m-%d %H:%M:%S}+00:00'}


def write(driver: driver_api.BackupDriver, backup: objects.Backup, entries: list[Entry], size: int,
          volume_meta: dict[str, Any]) -> None:
    """Write the object `_metadata` of a backup."""
    head = {**description(backup), 'parent_id': backup.parent_id, 'volume_size_bytes': size,
            'volume_meta': json.dumps({'version': VOLUME_META_VERSION, **volume_meta})}
    name = names.metadata(backup.service_metadata)
    with driver.writer(backup.container, name) as stream:
        stream.write(json.dumps(head, indent=2).removesuffix('\n}').encode())
        stream.write(b',\n  "objects": [')
        for first in range(0, len(entries), 1000):
            piece = ',\n    '.join(json.dumps(to_json(entry))
                                  for entry in entries[first:first + 1000])
            stream.write(f'{"," if first else ""}\n    {piece}'.encode())
        stream.write(b'\n  ]\n}')


def to_json(entry: Entry) -> dict[str, dict[str, Any]]:
    """Return an element of the list of objects."""
    facts = entry._asdict()
    return {facts.pop('name'): facts}


def read(driver: driver_api.BackupDriver, backup: objects.Backup) -> Metadata:
    """Read the object `_metadata` of a backup.

    :raises BackupDataError: it is not what is expected
    """
    name = names.metadata(backup.service_metadata)
    where = f'{backup.container}/{name}'
    values: dict[str, Any] = {}
    entries: list[Entry] = []
    with driver.reader(backup.container, name) as stream:
        for key, value in json_stream.Items(stream, where):
            if key != 'objects':
                values[key] = value
                continue
            entries.append(from_json(f'{where}, object {len(entries) + 1}', value,
                                     backup.service_metadata))
            if len(entries) > _OBJECTS:
                raise exception.BackupDataError(where=where, reason=f'expected at most {_OBJECTS} '
                                                                    'objects')
    check_description(where, values, backup)
    size = (number(where, values, 'volume_size_bytes', 0, _BYTES)
            if 'volume_size_bytes' in values else (backup.size or 0) * GIB)
    return Metadata(list(_in_order(where, entries, size)), size,
                    _volume_meta(where, values.get('volume_meta')))


def check_description(where: str, values: dict[str, Any], backup: objects.Backup) -> None:
    """:raises BackupDataError: this is a list of another backup, or in another format"""
    owner = names.owner(backup.service_metadata) or backup.id
    for key, expected in (('version', VERSION), ('backup_id', owner)):
        if values.get(key) != expected:
            raise exception.BackupDataError(
                where=where, reason=f'{key} is {_short(values.get(key))}, expected {expected}')


def number(where: str, values: dict[str, Any], key: str, least: int, most: int) -> int:
    """Return an integer.

    :raises BackupDataError: it is none, or out of bounds
    """
    value = values.get(key)
    if type(value) is not int or not least <= value <= most:
        raise exception.BackupDataError(
            where=where, reason=f'{key} is {_short(value)}, expected an integer of {least} to '
                                f'{most}')
    return value


def from_json(where: str, value: Any, prefix: str) -> Entry:
    """Return an element of the list of objects.

    :raises BackupDataError: it is not what is expected
    """
    if not isinstance(value, dict) or len(value) != 1:
        raise exception.BackupDataError(where=where, reason=f'it is {_short(value)}, expected one '
                                                            'name with its facts')
    (name, facts), = value.items()
    if not names.is_data(prefix, name):
        raise exception.BackupDataError(
            where=where, reason=f'its name is {_short(name)}, expected one that begins with the '
                                'prefix of the backup')
    where = f'{where} ({name})'
    if not isinstance(facts, dict):
        raise exception.BackupDataError(where=where, reason=f'it is {_short(facts)}, expected its '
                                                            'facts')
    return Entry(name, number(where, facts, 'offset', 0, _BYTES),
                 number(where, facts, 'length', 1, _BYTES),
                 ALGORITHMS[_text_of(where, facts, 'compression', tuple(ALGORITHMS))],
                 _text_of(where, facts, 'md5', _MD5))


def _text_of(where: str, facts: dict[str, Any], key: str,
             allowed: tuple[str, ...] | re.Pattern[str]) -> str:
    value = facts.get(key)
    if isinstance(value, str) and (value in allowed if isinstance(allowed, tuple)
                                   else allowed.fullmatch(value)):
        return value
    expected = (f'one of {", ".join(allowed)}' if isinstance(allowed, tuple)
                else '32 hexadecimal digits')
    raise exception.BackupDataError(
        where=where, reason=f'{key} is {_short(value)}, expected {expected}')


def _in_order(where: str, entries: list[Entry], size: int) -> Iterator[Entry]:
    """Return the entries by offset.

    :raises BackupDataError: two hold the same bytes, or have the same name, or one is behind the
        end of the volume
    """
    seen: set[str] = set()
    end, last = 0, ''
    for entry in sorted(entries, key=lambda entry: entry.offset):
        place = f'{where}, object {entry.name}, offset {entry.offset}'
        if entry.name in seen:
            raise exception.BackupDataError(where=place, reason='it is listed twice')
        if entry.offset < end:
            raise exception.BackupDataError(where=place, reason=f'it overlaps with {last}')
        if entry.end > size:
            raise exception.BackupDataError(
                where=place, reason=f'it ends at {entry.end}, behind the end of the volume at '
                                    f'{size}')
        seen.add(entry.name)
        end, last = entry.end, entry.name
        yield entry


def _volume_meta(where: str, text: Any) -> dict[str, Any]:
    """Return the facts of the volume, which are JSON in a text."""
    if text is None:
        return {}
    try:
        facts = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict):
        raise exception.BackupDataError(where=where, reason='volume_meta is not a text with a JSON '
                                                            'object')
    return facts


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f'{text[:80]}...'
