# SPDX-License-Identifier: Apache-2.0
"""Compares the rows of a back end with its storage: at each start, which repairs what is safe to
repair, and for `cinder-manage volume doctor`, which changes nothing. The driver does the
comparison."""
import os
import re
from collections.abc import Iterator

from oslo_log import log as logging

from cinder import failures, metrics
from cinder.conf import CONF
from cinder.context import RequestContext
from cinder.db import attachments as attachments_db
from cinder.db import backend_volumes, journal
from cinder.db import snapshots as snapshots_db
from cinder.db import trash as trash_db
from cinder.db import volumes as volumes_db
from cinder.volume import driver as driver_api
from cinder.volume import driver_types
from cinder.volume.host import backend as backends

LOG = logging.getLogger(__name__)

# Names of exports in one finding.
_SHOWN = 3
_ID = '([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})'


def rows(ctxt: RequestContext, host: str, cluster: str | None = None) -> driver_types.Rows:
    """Return what the database says about a back end now."""
    trashed_volumes, trashed_snapshots = trash_db.on_backend(ctxt, host, cluster)
    return driver_types.Rows(
        volumes=backend_volumes.on_backend(ctxt, host, cluster),
        snapshots=snapshots_db.on_backend(ctxt, host, cluster),
        busy=journal.resources_under_way(ctxt),
        connected=attachments_db.connected_volumes(ctxt),
        place_of=lambda name: _place_of(ctxt, name),
        trashed_volumes=trashed_volumes, trashed_snapshots=trashed_snapshots)


def _place_of(ctxt: RequestContext, name: str) -> str | None:
    """See driver_types.Rows.place_of; LVM has names of snapshots with an underscore in front."""
    place = None
    for template, table in ((CONF.volume_name_template, backend_volumes),
                            (CONF.snapshot_name_template, snapshots_db)):
        found = re.fullmatch('_?' + re.escape(template).replace('%s', _ID), name)
        if found:
            # Both templates may be equal: the ids differ.
            place = (place or table.find_host_on_storage(ctxt, found[1])
                     or trash_db.find_host_on_storage(ctxt, found[1]) or '')
    return place


def _among_rows(ctxt: RequestContext, host: str, cluster: str | None,
                heal: bool = False) -> Iterator[driver_types.Finding]:
    """Yield the contradictions in the rows themselves, whatever the storage contains."""
    for volume_id, gib in backend_volumes.list_stale_growth(ctxt, host, cluster).items():
        yield driver_types.Finding(
            'growth', volume_id, f'volume {volume_id} counts {gib} GiB for an extend that has no '
            'operation', 'restart cinder-volume, which returns them to the quota',
            healed=heal and backend_volumes.clear_stale_growth(ctxt, volume_id))
    for ident, volume_id in attachments_db.list_of_deleted_volumes(
            ctxt, backend_volumes.ids_on_backend(host, cluster)):
        yield driver_types.Finding(
            'attachment', ident, f'attachment {ident} belongs to volume {volume_id}, which is '
                                 f'deleted',
            'restart cinder-volume, which deletes it',
            healed=heal and attachments_db.destroy(ctxt, ident))


def _found(ctxt: RequestContext, driver: driver_api.VolumeDriver, host: str, cluster: str | None,
           heal: bool = False) -> list[driver_types.Finding]:
    found = list(_among_rows(ctxt, host, cluster, heal))
    found_rows = rows(ctxt, host, cluster)
    if isinstance(driver, driver_api.Audits):
        found += driver.audit(found_rows, heal=heal)
    if isinstance(driver, driver_api.SavesExports):
        found += _saved_exports(driver, found_rows)
    return found


def _saved_exports(driver: driver_api.SavesExports,
                   found_rows: driver_types.Rows) -> Iterator[driver_types.Finding]:
    """Yield one finding for all exports that come back without this service, whether or not their
    volumes are attached."""
    try:
        found = driver.saved_exports(found_rows)
    except OSError as exc:
        yield driver_types.Finding('unchecked', str(exc.filename),
                                   f'the saved exports could not be read: {exc}',
                                   'run this command as root')
        return
    if found:
        place, names = os.path.commonpath(found.values()), sorted(found)
        yield driver_types.Finding(
            'saved', place,
            f'{len(found)} {"exports are" if len(found) > 1 else "export is"} restored from '
            f'{place} whenever the target starts, even if no host is attached: '
            f'{", ".join(names[:_SHOWN])}{" and others" * (len(found) > _SHOWN)}',
            'cinder-manage volume doctor --remove-saved-exports removes them from there')


def heal(ctxt: RequestContext, backend: backends.Backend) -> None:
    """Repair and log what does not fit; a step of the start. A failure of the comparison does not
    keep the back end down."""
    try:
        found = _found(ctxt, backend.driver, backend.host, backend.sharing, heal=True)
    except Exception:
        failures.log(LOG, 'The rows of %s could not be compared with its storage.',
                     backend.host)
        return
    for finding in found:
        if finding.fields:
            volumes_db.update(ctxt, finding.volume_id, finding.fields)
        metrics.count('cinder_backend_findings_total', backend.host, finding.kind,
                      'yes' if finding.healed else 'no')
        if finding.healed:
            LOG.warning('Repaired on %s: %s.', backend.host, finding.what)
        else:
            LOG.error('Found on %s and not changed (%s): %s. Action: %s.', backend.host,
                      finding.kind, finding.what, finding.advice)


def findings(ctxt: RequestContext, driver: driver_api.VolumeDriver, host: str,
             cluster: str | None = None) -> list[driver_types.Finding]:
    """Return what two comparisons find, because a running service changes rows and storage one
    after the other."""
    first = _found(ctxt, driver, host, cluster)
    again = _found(ctxt, driver, host, cluster) if first else []
    return [finding for finding in first if finding in again]
