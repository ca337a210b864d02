# SPDX-License-Identifier: Apache-2.0
"""The start of a back end: an ordered tuple of small steps.

A driver that fails leaves the back end down and the process running; run() may be called again.
"""
import contextlib
import glob
import os

from oslo_log import log as logging

from cinder import failures, objects, operations
from cinder.conf import CONF
from cinder.context import RequestContext
from cinder.db import backend_volumes, session
from cinder.db import groups as groups_db
from cinder.db import replication as replication_db
from cinder.db import snapshots as snapshots_db
from cinder.db import trash as trash_db
from cinder.db import volumes as volumes_db
from cinder.image import image_shares
from cinder.keymgr import migration
from cinder.volume import driver as driver_api
from cinder.volume.host import audit, backup_snapshots, copies, exports, probes, trash
from cinder.volume.host import backend as backends

LOG = logging.getLogger(__name__)


class Refused(Exception):
    """The back end must not be used; the text gives the reason."""


def run(ctxt: RequestContext, backend: backends.Backend) -> bool:
    """Run all steps for the back end, one caller at a time; return whether it works now."""
    if not backend.starting.acquire(blocking=False):
        return backend.initialized
    try:
        return _run(ctxt, backend)
    finally:
        backend.starting.release()


def _run(ctxt: RequestContext, backend: backends.Backend) -> bool:
    for step in STEPS:
        try:
            step(ctxt, backend)
        except Refused as exc:
            LOG.error('Back end %s is not used: %s', backend.host, exc)
            backend.trouble = str(exc)
            return False
        except Exception as exc:
            LOG.debug('Back end %s failed to start.', backend.host, exc_info=True)
            trouble = f'{step.__name__.replace("_", " ")}: {failures.one_line(exc)}'
            break
    else:
        return True
    # The start is retried each minute, but each error is logged once. Logged outside of the block
    # above, which would add the exception to the log again.
    if trouble != backend.trouble:
        LOG.error('Back end %s failed to start at %s', backend.host, trouble)
        backend.trouble = trouble
    return False


def check_support(_ctxt: RequestContext, backend: backends.Backend) -> None:
    """Refuse a back end that must not be in its cluster, and a driver that is not supported.

    :raises Refused: with the reason.
    """
    if backend.unshared:
        raise Refused(f'it is in cluster {backend.cluster}, and {backend.unshared}')
    if backend.driver.supported:
        return
    if not backend.configuration.enable_unsupported_driver:
        raise Refused(f'driver {type(backend.driver).__name__} is not supported; set '
                      'enable_unsupported_driver to use it anyway')
    LOG.warning('Driver %s is not supported and may be removed.', type(backend.driver).__name__)


def join_cluster(ctxt: RequestContext, backend: backends.Backend) -> None:
    """Move the resources of a host that joined a cluster into the cluster. Each start looks for
    them, because the start at which the host was added may have ended before this step."""
    if backend.cluster is None:
        _leave_cluster(ctxt, backend)
        return
    for table, things in ((backend_volumes, 'volumes'), (groups_db, 'groups')):
        moved = table.include_in_cluster(ctxt, backend.host, backend.cluster)
        if moved:
            LOG.info('%d %s of %s were taken into cluster %s.', moved, things, backend.host,
                     backend.cluster)


def _leave_cluster(ctxt: RequestContext, backend: backends.Backend) -> None:
    """Move the resources of this host out of a cluster that it has left, where no service would
    work on them. Resources that other hosts can reach stay in the cluster."""
    if not backend.driver.only_one_host(backend.configuration):
        return
    for table, things in ((backend_volumes, 'volumes'), (groups_db, 'groups')):
        moved = table.take_out_of_cluster(ctxt, backend.host)
        if moved:
            LOG.info('%d %s of %s were taken out of their cluster.', moved, things, backend.host)


def use_active_copy(ctxt: RequestContext, backend: backends.Backend) -> None:
    """Have the driver start with the copy that was used last."""
    if isinstance(backend.driver, driver_api.Replicates):
        backend.driver.use_backend(replication_db.get_active_copy(ctxt, backend.host))


def set_up_driver(ctxt: RequestContext, backend: backends.Backend) -> None:
    """Set up the driver and check the storage."""
    with probes.probing(backend):
        backend.driver.do_setup(ctxt)
        backend.driver.check_for_setup_error()


def read_capabilities(_ctxt: RequestContext, backend: backends.Backend) -> None:
    """Have the driver find out its capabilities."""
    backend.driver.init_capabilities()


def note_replication(ctxt: RequestContext, backend: backends.Backend) -> None:
    """Record in the services table that the back end can fail over."""
    copies.note(ctxt, backend)


def note_trash(ctxt: RequestContext, backend: backends.Backend) -> None:
    """Record whether the back end keeps what is deleted.

    :raises Refused: it is to do so, but its storage cannot.
    """
    wanted = backend.configuration.delete_to_trash_hours
    if wanted and not trash.hours(backend):
        raise Refused(f'delete_to_trash_hours = {wanted} needs a trash, but the storage of '
                      f'{type(backend.driver).__name__} has none; set it to 0')
    trash_db.note_backend(ctxt, backend.cluster or backend.host, wanted)


def synchronize_provider_info(ctxt: RequestContext, backend: backends.Backend) -> None:
    """Have the driver correct the fields that it stored in the rows of its volumes and
    snapshots."""
    if not isinstance(backend.driver, driver_api.CorrectsProviderInfo):
        return
    volumes = backend_volumes.on_backend(ctxt, backend.host, backend.sharing)
    snapshots = snapshots_db.on_backend(ctxt, backend.host, backend.sharing)
    corrected = backend.driver.update_provider_info(volumes, snapshots)
    for table, changes in zip((volumes_db, snapshots_db), corrected, strict=True):
        for change in changes:
            values = {key: value for key, value in change.items() if key != 'id'}
            table.update(ctxt, change['id'], values)


def count_allocated(ctxt: RequestContext, backend: backends.Backend) -> None:
    """Count the allocated GiB of each pool from the rows."""
    backend.set_allocated(backend_volumes.capacity_by_pool(ctxt, backend.host, backend.sharing))


def export_again(ctxt: RequestContext, backend: backends.Backend) -> None:
    """Restore the exports one after the other; a volume in use whose export fails is set in
    error."""
    for volume in exports.volumes_to_export(ctxt, backend):
        try:
            exports.export(ctxt, backend, volume)
        except Exception as exc:
            failures.log(LOG, 'Volume %s could not be exported again.', volume.id)
            _put_in_error(ctxt, volume, operations.tenant_reason(exc))


def _put_in_error(ctxt: RequestContext, volume: objects.Volume, reason: str) -> None:
    with session.writer(ctxt):
        # A volume that was detached meanwhile needs no export.
        if volumes_db.finish_transition(ctxt, volume.id, 'in-use', 'error',
                                        {'previous_status': 'in-use'}):
            operations.create_message(ctxt, 'volume', volume, 'volume.export', reason,
                                      operations.DRIVER_FAILED)


def limit_copies(_ctxt: RequestContext, backend: backends.Backend) -> None:
    """Set the limit of all copies of the back end, in bytes per second."""
    backend.driver.throttle.limit = backend.configuration.volume_copy_bps_limit


def mark_initialized(_ctxt: RequestContext, backend: backends.Backend) -> None:
    """Mark the back end as working."""
    backend.initialized = True
    backend.trouble = ''


def remove_temporary_files(_ctxt: RequestContext, backend: backends.Backend) -> None:
    """Delete the image files that no living process holds, and those of former releases, which had
    no locks: files whose names end in '#host@backend' and were of this back end."""
    for path in image_shares.sweep():
        LOG.info('Removed %s, left by a former process.', path)
    left = os.path.join(glob.escape(CONF.image_conversion_dir), f'*#{glob.escape(backend.host)}')
    for path in glob.glob(left):
        if image_shares.PART not in path:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
                LOG.info('Removed %s, left by a former release.', path)


def migrate_keys(ctxt: RequestContext, backend: backends.Backend) -> None:
    """Migrate encryption keys in the background, because a key manager may be slow or down."""
    migration.start(ctxt, backend.host, backend.sharing)


def publish_capabilities(ctxt: RequestContext, backend: backends.Backend) -> None:
    """Publish the capabilities of the back end."""
    backend.publish(ctxt)


# Operators rely on this order: a back end exports its volumes before it publishes its capabilities.
# Interrupted operations are resumed afterwards, when the RPC server runs.
STEPS = (check_support, join_cluster, use_active_copy, set_up_driver, read_capabilities,
         note_replication, note_trash, synchronize_provider_info, count_allocated, export_again,
         audit.heal, limit_copies, mark_initialized, remove_temporary_files,
         backup_snapshots.remove_left, migrate_keys, publish_capabilities)
