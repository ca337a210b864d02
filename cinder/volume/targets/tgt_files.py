# SPDX-License-Identifier: Apache-2.0
"""Files with targets that tgt-admin(8) reads at each start of tgtd. The original Cinder writes one
for each exported volume into volumes_dir; this service writes none."""
import contextlib
import os
import re
from collections.abc import Collection

# Those of the original have less than 1 KiB; the folder may contain other files.
_MOST_BYTES = 64 * 1024
_TARGET = re.compile(r'^\s*<target\s+([^\s>]+)', re.MULTILINE)


def find(folder: str) -> dict[str, str]:
    """Return name of the target -> path of its file.

    :raises OSError: a file cannot be read
    """
    found: dict[str, str] = {}
    # A file may be removed meanwhile.
    with contextlib.suppress(FileNotFoundError):
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                if entry.is_file() and entry.stat().st_size <= _MOST_BYTES:
                    with open(entry.path, errors='replace') as file:
                        found |= dict.fromkeys(_TARGET.findall(file.read()), entry.path)
    return found


def remove(folder: str, names: Collection[str]) -> None:
    """Remove the files of these targets.

    :raises OSError: a file cannot be removed
    """
    for path in {path for name, path in find(folder).items() if name in names}:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
