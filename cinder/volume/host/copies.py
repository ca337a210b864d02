# SPDX-License-Identifier: Apache-2.0
"""The copies of a back end's volumes on other storages: which storage is used, and whether the
copies are in order."""
from oslo_log import log as logging

from cinder import exception
from cinder.context import RequestContext
from cinder.db import backend_volumes
from cinder.db import replication as replication_db
from cinder.volume import driver as driver_api
from cinder.volume.host import backend as backends

LOG = logging.getLogger(__name__)
# Seconds between two checks of all copies.
SECONDS = 60


def replicating(driver: driver_api.VolumeDriver) -> driver_api.Replicates:
    """Return a driver that can fail over.

    :raises UnableToFailOver: it cannot
    """
    if not isinstance(driver, driver_api.Replicates):
        raise exception.UnableToFailOver(
            reason=f'driver {type(driver).__name__} does not replicate volumes')
    return driver


def note(ctxt: RequestContext, backend: backends.Backend) -> None:
    """Store with the services whether the back end can fail over."""
    if isinstance(backend.driver, driver_api.Replicates):
        if backend.driver.replicates:
            replication_db.enable_replication(ctxt, backend.host)
        else:
            replication_db.disable_replication(ctxt, backend.host)


def use(backend: backends.Backend, backend_id: str | None) -> None:
    """Have the driver use the storage with this id."""
    driver = replicating(backend.driver)
    if driver.active_backend_id != backend_id:
        LOG.info('Back end %s uses %s now.', backend.host, backend_id or 'default')
        driver.use_backend(backend_id)


def follow(ctxt: RequestContext, backend: backends.Backend) -> None:
    """Use the storage to which another host of the cluster has failed over, if its message was
    lost."""
    driver = backend.driver
    if backend.cluster and isinstance(driver, driver_api.Replicates) and driver.replicates:
        use(backend, replication_db.get_active_copy(ctxt, backend.host))


def check(ctxt: RequestContext, backend: backends.Backend) -> None:
    """Store which volumes have copies that are not kept up to date."""
    driver = backend.driver
    if not (isinstance(driver, driver_api.WatchesCopies) and driver.replicates):
        return
    found = driver.failing_copies()
    # A new copy is reported after a while, so the first check that finds it failing is ignored.
    failing = {name: reason for name, reason in found.items() if name in backend.failing_copies}
    backend.failing_copies = frozenset(found)
    healthy = 'enabled' if driver.active_backend_id is None else 'failed-over'
    # Without failures, only those that had one are of interest.
    of_interest = ('error', healthy) if failing else ('error',)
    for volume in backend_volumes.replicated(ctxt, backend.host, backend.sharing, of_interest):
        reason = failing.get(volume.name)
        status = 'error' if reason else healthy
        if replication_db.change_volume(ctxt, volume, replication_status=status,
                                        replication_extended_status=reason and reason[:255]):
            LOG.log(logging.WARNING if reason else logging.INFO,
                    'The copies of volume %s: %s', volume.id, reason or 'kept up to date again')
