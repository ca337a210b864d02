# SPDX-License-Identifier: Apache-2.0
"""`cinder-manage db`: the tables, their revision, old rows, and the active copy of a replicated
back end. cinder.db does the work."""
import argparse
from collections.abc import Callable
from typing import Any

from cinder import context
from cinder.cmd.tables import complain
from cinder.db import clusters, migration, purge, replication, services, session
from cinder.objects import base as objects_base

Arguments = tuple[tuple[str, dict[str, Any]], ...]
# Functions (ctxt, maximum number of rows) -> number of rows changed, for running services.
ONLINE_MIGRATIONS: tuple[Callable[[context.RequestContext, int], int], ...] = ()
BATCH = 50
# Age in days of the oldest time that a database can store here.
OLDEST = 365_000
SYNC: Arguments = (
    ('revision', {'nargs': '?'}),
    ('--bump-versions', {'action': 'store_true', 'help': 'store that all services have the '
                         'versions of this release, after all were stopped and replaced; then no '
                         'second restart is needed'}))
ONLINE: Arguments = (
    ('--max-count', {'type': int, 'help': 'maximum number of rows to change'}),
    # The spelling of the original.
    ('--max_count', {'type': int, 'dest': 'max_count', 'help': argparse.SUPPRESS}))
RESET: Arguments = (
    ('--backend-host', {'required': True, 'metavar': 'HOST@BACKEND', 'help': 'the back end'}),
    ('--active-backend-id', {'metavar': 'ID', 'help': 'the copy that it uses from now on; default: '
                             'the primary'}),
    ('--enable-replication', {'action': 'store_true', 'help': 'set its replication status to '
                              'enabled; default: disabled, until the back end reports that it '
                              'replicates'}))


def sync(revision: str | None = None, bump_versions: bool = False) -> int | None:
    """Create the tables, or upgrade them to this release or to a revision of it."""
    if revision not in (None, *migration.revisions()):
        return complain(f'Unknown revision {revision}; expected one of '
                        f'{", ".join(migration.revisions())}', 1)
    migration.db_sync(revision)
    if bump_versions:
        services.raise_versions(context.get_admin_context(), _rpc_versions(),
                                objects_base.CURRENT_VERSION)
    return None


def _rpc_versions() -> dict[str, str]:
    """Return binary -> the version of its messages in this release."""
    # Imported here, because other commands do not need the bus.
    from cinder.rpc import backup, scheduler, volume
    return {api.BINARY: api.RPC_API_VERSION for api in (
        backup.BackupAPI, scheduler.SchedulerAPI, volume.VolumeAPI)}


def show_version() -> None:
    """Print the revision of the tables."""
    print(migration.db_version() or 'empty')


def online_data_migrations(max_count: int | None = None) -> int:
    """Convert rows to the current form while the services run; status 1 if rows remain."""
    if max_count is not None and max_count < 1:
        return complain('Must supply a positive value for max_count.', 127)
    session.verify()
    left = max_count
    for migrate in ONLINE_MIGRATIONS:
        name = migrate.__name__
        while left is None or left > 0:
            changed = migrate(context.get_admin_context(), min(BATCH, left or BATCH))
            if not changed:
                break
            left = left and left - changed
            print(f'{name}: {changed} rows')
    return 1 if left == 0 else 0


def purge_deleted(age_in_days: int) -> int | None:
    """Remove rows that were deleted at least this number of days ago."""
    if not 0 <= age_in_days <= OLDEST:
        return complain(f'age_in_days = {age_in_days} is not a number of days from 0 to {OLDEST}.',
                        1)
    removed = purge.purge_deleted(context.get_admin_context(), age_in_days)
    print(f'{removed} rows removed')
    return None


def reset_active_backend(backend_host: str, active_backend_id: str | None = None,
                         enable_replication: bool = False) -> int | None:
    """Make another copy of a replicated back end the one that it uses; it must be frozen."""
    ctxt = context.get_admin_context()
    service = services.get_by_host_binary(ctxt, backend_host, 'cinder-volume')
    owner = service if not service.cluster_name else clusters.get(
        ctxt, service.cluster_name, 'cinder-volume')
    if not (service.disabled and owner.frozen):
        return complain(f'Service cinder-volume on {backend_host} must be disabled and frozen '
                        'first: use `cinder service-disable` and `cinder freeze-host '
                        f'{backend_host}`.', 1)
    replication.update_backend(
        ctxt, backend_host, service.cluster_name, disabled=False, disabled_reason=None,
        active_backend_id=active_backend_id,
        replication_status='enabled' if enable_replication else 'disabled')
    return None
