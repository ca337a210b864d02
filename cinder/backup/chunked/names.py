# SPDX-License-Identifier: Apache-2.0
"""Names of the objects of one backup, all of which begin with its prefix."""
import re

_OWNER = re.compile(r'backup_([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$')
_DATA = re.compile(r'-\d{5,12}')
# The end is that of an interrupted write to a directory.
_ANY = re.compile(r'(-\d{5,12}|_metadata|_sha256file|_progress-\d{5,12})(\.[0-9a-f]{8}\.part)?')


def owner(prefix: str) -> str | None:
    """Return the id of the backup that a prefix names. An imported record may have another id than
    the backup whose objects it uses."""
    found = _OWNER.search(prefix)
    return found[1] if found else None


def data(prefix: str, number: int) -> str:
    """Return the name of the object with a part of the volume; the first one has the number 1."""
    return f'{prefix}-{number:05d}'


def metadata(prefix: str) -> str:
    """Return the name of the list of objects."""
    return f'{prefix}_metadata'


def digests(prefix: str) -> str:
    """Return the name of the digests of all blocks."""
    return f'{prefix}_sha256file'


def progress(prefix: str, number: int = 0) -> str:
    """Return the name of a record of what is done; 0: what all such names begin with."""
    return f'{prefix}_progress-{number:05d}' if number else f'{prefix}_progress-'


def is_data(prefix: str, name: str) -> bool:
    """Return whether this is the name of a part of the volume."""
    return name.startswith(prefix) and bool(_DATA.fullmatch(name, len(prefix)))


def is_of(prefix: str, name: str) -> bool:
    """Return whether an object belongs to the backup with this prefix. The prefix of another one
    may begin with it, if an imported record says so."""
    return name.startswith(prefix) and bool(_ANY.fullmatch(name, len(prefix)))
