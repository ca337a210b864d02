# SPDX-License-Identifier: Apache-2.0
"""How a back end comes up: an ordered tuple of small steps.

A failing driver leaves the back end down and the process alive; run() may be called again.
"""
import contextlib
import glob
import os

from oslo_log import log as logging

from cinder import failures, operations
from cinder.conf import CONF
from cinder.context import RequestContext
from cinder.db import backend_volumes, session
from cinder.db import groups as groups_db
from cinder.db import replication as replication_db
from cinder.db import snapshots as snapshots_db
from cinder.db import volumes as volumes_db
from cinder.keymgr import migration
from cinder.volume import driver as driver_api
from cinder.volume.host import audit, backup_snapshots, exports
from cinder.volume.host import backend as backends

LOG = logging.getLogger(__name__)


class Refused(Exception):
    """The back end must not be used; the text says why."""


def run(ctxt: RequestContext, backend: backends.Backend) -> bool:
    """Take the back end through all steps; whether it works now. One caller at a time does."""
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
    # It is tried again each minute; the log has each trouble once. And out of the block above:
    # the log would add the exception once more.
    if trouble != backend.trouble:
        LOG.error('Back end %s failed to start at %s', backend.host, trouble)
        backend.trouble = trouble
    return False


def check_support(_ctxt: RequestContext, backend: backends.Backend) -> None:
    if backend.unshared:
        raise Refused(f'it is in cluster {backend.cluster}, and {backend.unshared}')
    if backend.driver.supported:
        return
    if not backend.configuration.enable_unsupported_driver:
        raise Refused(f'driver {type(backend.driver).__name__} is not supported; set '
                      'enable_unsupported_driver to use it all the same')
    LOG.warning('Driver %s is not supported and may be removed.', type(backend.driver).__name__)


def join_cluster(ctxt: RequestContext, backend: backends.Backend) -> None:
    """Take the resources of a host that joined a cluster into the cluster. Each start looks for
    them: the one at which the host was added may have ended before it came to this."""
    if backend.cluster is None:
        _leave_cluster(ctxt, backend)
        return
    for table, things in ((backend_volumes, 'volumes'), (groups_db, 'groups')):
        moved = table.include_in_cluster(ctxt, backend.host, backend.cluster)
        if moved:
            LOG.info('%d %s of %s were taken into cluster %s.', moved, things, backend.host,
                     backend.cluster)


def _leave_cluster(ctxt: RequestContext, backend: backends.Backend) -> None:
    """Take what this host has out of a cluster that it is in no more: nobody answers for that.
    What other hosts reach too stays with them."""
    if not backend.driver.only_one_host(backend.configuration):
        return
    for table, things in ((backend_volumes, 'volumes'), (groups_db, 'groups')):
        moved = table.take_out_of_cluster(ctxt, backend.host)
        if moved:
            LOG.info('%d %s of %s were taken out of their cluster.', moved, things, backend.host)


def use_active_copy(ctxt: RequestContext, backend: backends.Backend) -> None:
    """Let the driver begin with the copy that was in use last."""
    if isinstance(backend.driver, driver_api.Replicates):
        backend.driver.use_backend(replication_db.active(ctxt, backend.host))


def set_up_driver(ctxt: RequestContext, backend: backends.Backend) -> None:
    backend.driver.do_setup(ctxt)
    backend.driver.check_for_setup_error()


def read_capabilities(_ctxt: RequestContext, backend: backends.Backend) -> None:
    backend.driver.init_capabilities()


def note_replication(ctxt: RequestContext, backend: backends.Backend) -> None:
    """Say in the services table that the back end can fail over."""
    if isinstance(backend.driver, driver_api.Replicates):
        replication_db.enable(ctxt, backend.host)


def synchronize_provider_info(ctxt: RequestContext, backend: backends.Backend) -> None:
    """Let the driver correct what it stored in the rows of its volumes and snapshots."""
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
    backend.set_allocated(backend_volumes.capacity_by_pool(ctxt, backend.host, backend.sharing))


def export_again(ctxt: RequestContext, backend: backends.Backend) -> None:
    """Restore exports one by one; a volume in use that fails is put in error, alone."""
    for volume in exports.wanted(ctxt, backend):
        try:
            exports.export(ctxt, backend, volume)
        except Exception as exc:
            failures.log(LOG, 'Volume %s could not be exported again.', volume.id)
            _put_in_error(ctxt, volume, operations.tenant_reason(exc))


def _put_in_error(ctxt: RequestContext, volume, reason: str) -> None:
    with session.writer(ctxt):
        # One that was detached meanwhile needs no export.
        if volumes_db.finish_transition(ctxt, volume.id, 'in-use', 'error',
                                        {'previous_status': 'in-use'}):
            operations.create_message(ctxt, 'volume', volume, 'volume.export', reason,
                                      operations.DRIVER_FAILED)


def limit_copies(_ctxt: RequestContext, backend: backends.Backend) -> None:
    backend.driver.throttle.limit = backend.configuration.volume_copy_bps_limit


def mark_initialized(_ctxt: RequestContext, backend: backends.Backend) -> None:
    backend.initialized = True
    backend.trouble = ''


def remove_temporary_files(_ctxt: RequestContext, backend: backends.Backend) -> None:
    """Image files that a former process of this back end left half-written: those whose names
    end in '#host@backend'. The mark keeps 'a@lvm' from taking those of 'aa@lvm' for its own."""
    left = os.path.join(glob.escape(CONF.image_conversion_dir), f'*#{glob.escape(backend.host)}')
    for path in glob.glob(left):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
            LOG.info('Removed %s, left by a former process.', path)


def migrate_keys(ctxt: RequestContext, backend: backends.Backend) -> None:
    """In the background, as a key manager may be slow or away."""
    migration.start(ctxt, backend.host, backend.sharing)


def publish_capabilities(ctxt: RequestContext, backend: backends.Backend) -> None:
    backend.publish(ctxt)


# The order is part of the contract with operators: what is published is already exported.
# Interrupted operations are resumed after this, once the message server runs.
STEPS = (check_support, join_cluster, use_active_copy, set_up_driver, read_capabilities,
         note_replication, synchronize_provider_info, count_allocated, export_again, audit.heal,
         limit_copies, mark_initialized, remove_temporary_files, backup_snapshots.remove_left,
         migrate_keys, publish_capabilities)
