# SPDX-License-Identifier: Apache-2.0
"""`cinder-manage volume`, `cg` and `util`: deletes a volume in any status, changes names of hosts,
and removes lock files that processes left. cinder.db and the use cases do the work."""
import os
import urllib.parse
from collections.abc import Iterator
from typing import Any

from cinder import context, exception, host_names
from cinder.cmd.tables import complain
from cinder.conf import CONF
from cinder.coordination import files, services
from cinder.db import notices, renames
from cinder.db import services as services_db
from cinder.db import volumes as volumes_db

HOSTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ('--currenthost', {'required': True, 'metavar': 'HOST@BACKEND#POOL',
                       'help': 'the old name; without #POOL, that of all pools'}),
    ('--newhost', {'required': True, 'metavar': 'HOST@BACKEND#POOL', 'help': 'the new name'}))
OFFLINE: tuple[tuple[str, dict[str, Any]], ...] = (
    ('--services-offline', {'action': 'store_true', 'help': 'accepted; locks that a process holds '
                            'are kept in any case'}),)


def delete(volume_id: str) -> int | None:
    """Delete a volume in any status that has no attachments."""
    from cinder.rpc import base as rpc
    from cinder.volume.api import volumes
    ctxt = context.get_admin_context()
    volume = volumes_db.get(ctxt, volume_id)
    if volume.status == 'in-use':
        return complain('Volume is in-use.\nDetach volume from instance and then try again.', 1)
    if not volume.host:
        print('Volume not yet assigned to host.\nDeleting volume from database and skipping rpc.')
    rpc.init(CONF, services_db.minimum_versions, store=notices)
    volumes.delete(ctxt, volume, force=True)
    rpc.flush()
    return None


def update_host(currenthost: str, newhost: str) -> None:
    """Change the host of volumes after a host or a section of a back end was renamed."""
    _check_names(currenthost, newhost)
    count = renames.move_volumes(context.get_admin_context(), currenthost, newhost)
    print(f'{count} volumes of {currenthost} are now at {newhost}')


def update_groups(currenthost: str, newhost: str) -> None:
    """Change the host of groups after a host or a section of a back end was renamed."""
    _check_names(currenthost, newhost)
    count = renames.move_groups(context.get_admin_context(), currenthost, newhost)
    print(f'{count} groups of {currenthost} are now at {newhost}')


def update_service() -> None:
    """Store with each volume the id of the service that works on it."""
    count = renames.assign_services(context.get_admin_context())
    print(f'{count} volumes were changed')


def clean_locks(services_offline: bool = False) -> int:
    """Remove the lock files that no process holds; other lock services leave nothing behind."""
    removed = sum(_clean(folder) for folder in sorted(set(_lock_folders())))
    print(f'{removed} lock files removed')
    return 0


def _check_names(current: str, new: str) -> None:
    if bool(host_names.pool_of(current)) != bool(host_names.pool_of(new)):
        raise exception.InvalidInput(
            reason=f'--currenthost is {current} and --newhost is {new}; expected a pool in both or '
                   'in none of them')


def _lock_folders() -> Iterator[str]:
    url = CONF.coordination.backend_url
    if services.scheme_of(url) == 'file':
        yield urllib.parse.urlsplit(url).path
    yield CONF.state_path


def _clean(folder: str) -> int:
    """Remove the files of released locks of a directory; return their number."""
    if not os.path.isdir(folder):
        return 0
    before = _count(folder)
    files.FileLocks(folder).start()
    return before - _count(folder)


def _count(folder: str) -> int:
    return sum(name.startswith(files.PREFIX) for name in os.listdir(folder))
