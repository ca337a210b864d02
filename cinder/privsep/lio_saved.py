# SPDX-License-Identifier: Apache-2.0
"""The file from which the system restores all targets of LIO at a boot (targetctl of rtslib). The
original Cinder saves its targets there; this service saves none."""
import contextlib
import json
import os
import tempfile
from collections.abc import Collection
from typing import Any

from cinder import privsep

# Upstream, and Debian.
PATHS = ('/etc/target/saveconfig.json', '/etc/rtslib-fb-target/saveconfig.json')


@privsep.as_root_pctxt.entrypoint
def find() -> dict[str, str]:
    """Return name of the target -> path of the file.

    :raises OSError: a file cannot be read, or is damaged
    """
    return {target['wwn']: path for path in PATHS for target in _read(path).get('targets', ())
            if 'wwn' in target}


def remove(names: Collection[str]) -> None:
    """Remove these targets and their storage objects from the files.

    :raises OSError: a file cannot be read or written, or is damaged
    """
    _remove(sorted(names))


@privsep.as_root_pctxt.entrypoint
def _remove(names: list[str]) -> None:
    for path in PATHS:
        saved = _read(path)
        kept = [target for target in saved.get('targets', ()) if target.get('wwn') not in names]
        if len(kept) == len(saved.get('targets', ())):
            continue
        gone = _objects(saved['targets']) - _objects(kept)
        objects = [each for each in saved.get('storage_objects', ())
                   if f'/backstores/{each.get("plugin")}/{each.get("name")}' not in gone]
        _write(path, {**saved, 'targets': kept, 'storage_objects': objects})


def _objects(targets: list[dict[str, Any]]) -> set[str]:
    return {lun.get('storage_object') for target in targets for group in target.get('tpgs', ())
            for lun in group.get('luns', ())}


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path) as file:
            saved = json.load(file)
    except FileNotFoundError:
        return {}
    except ValueError as exc:
        raise OSError(f'{path} is damaged: {exc}') from exc
    return saved if isinstance(saved, dict) else {}


def _write(path: str, saved: dict[str, Any]) -> None:
    """Replace the file as a whole; it contains secrets, so only its owner may read it."""
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path))
    try:
        with open(handle, 'w') as file:
            json.dump(saved, file, indent=2, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
