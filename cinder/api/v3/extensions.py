# SPDX-License-Identifier: Apache-2.0
"""Handlers of the extensions list: clients look up an extension before they use it."""
from typing import Any

from cinder import exception
from cinder.api import wsgi
from cinder.api.views import shapes

# (alias, name, description, date)
EXTENSIONS = (
    ('OS-SCH-HNT', 'SchedulerHints',
     'Hints for the scheduler.', '2013-04-18'),
    ('backups', 'Backups',
     'Backups of volumes.', '2012-12-12'),
    ('capabilities', 'Capabilities',
     'Capabilities of back ends.', '2015-08-31'),
    ('cgsnapshots', 'Cgsnapshots',
     'Snapshots of consistency groups.', '2014-08-18'),
    ('consistencygroups', 'Consistencygroups',
     'Consistency groups.', '2014-08-18'),
    ('encryption', 'VolumeTypeEncryption',
     'Encryption settings of volume types.', '2013-07-01'),
    ('os-admin-actions', 'AdminActions',
     'Actions of administrators.', '2012-08-25'),
    ('os-availability-zone', 'AvailabilityZones',
     'Availability zones.', '2013-06-27'),
    ('os-extended-services', 'ExtendedServices',
     'Reasons for disabled services.', '2014-01-10'),
    ('os-extended-snapshot-attributes', 'ExtendedSnapshotAttributes',
     'The project and progress of a snapshot.', '2012-06-19'),
    ('os-hosts', 'Hosts',
     'Hosts and what is on them.', '2011-06-29'),
    ('os-quota-class-sets', 'QuotaClasses',
     'Quota classes.', '2012-03-12'),
    ('os-quota-sets', 'Quotas',
     'Quotas of projects.', '2011-08-08'),
    ('os-services', 'Services',
     'Services.', '2012-10-28'),
    ('os-snapshot-actions', 'SnapshotActions',
     'Actions on snapshots.', '2013-07-16'),
    ('os-snapshot-manage', 'SnapshotManage',
     'Managing of existing snapshots.', '2014-12-31'),
    ('os-snapshot-unmanage', 'SnapshotUnmanage',
     'Unmanaging of snapshots.', '2014-12-31'),
    ('os-types-extra-specs', 'TypesExtraSpecs',
     'Extra specs of volume types.', '2011-08-24'),
    ('os-types-manage', 'TypesManage',
     'Creation and update of volume types.', '2011-08-24'),
    ('os-used-limits', 'UsedLimits',
     'Used amounts of the limits of a project.', '2013-10-03'),
    ('os-vol-host-attr', 'VolumeHostAttribute',
     'The host of a volume.', '2011-11-03'),
    ('os-vol-image-meta', 'VolumeImageMetadata',
     'The image metadata of a volume.', '2012-12-07'),
    ('os-vol-mig-status-attr', 'VolumeMigStatusAttribute',
     'The migration status of a volume.', '2013-08-08'),
    ('os-vol-tenant-attr', 'VolumeTenantAttribute',
     'The project of a volume.', '2011-11-03'),
    ('os-volume-actions', 'VolumeActions',
     'Actions on volumes.', '2012-05-31'),
    ('os-volume-encryption-metadata', 'VolumeEncryptionMetadata',
     'Encryption metadata of volumes.', '2013-07-10'),
    ('os-volume-manage', 'VolumeManage',
     'Managing of existing volumes.', '2014-02-10'),
    ('os-volume-transfer', 'VolumeTransfer',
     'Transfers of volumes between projects.', '2013-05-29'),
    ('os-volume-type-access', 'VolumeTypeAccess',
     'Projects that may use a private volume type.', '2014-06-26'),
    ('os-volume-unmanage', 'VolumeUnmanage',
     'Unmanaging of volumes.', '2012-05-31'),
    ('qos-specs', 'Qos_specs_manage',
     'Qualities of service for volume types.', '2013-08-02'),
    ('scheduler-stats', 'Scheduler_stats',
     'The pools that the scheduler knows.', '2014-09-07'),
)

_SHAPE = shapes.record('alias', 'name', 'description', 'links', updated=shapes.TEXT)


def _shown(row: tuple[str, ...]) -> dict[str, Any]:
    alias, name, description, date = row
    return {'alias': alias, 'name': name, 'description': description,
            'updated': f'{date}T00:00:00+00:00', 'links': []}


@wsgi.response(200, shapes.wrap('extensions', shapes.items(_SHAPE)))
def index(_req: wsgi.Request) -> dict[str, Any]:
    return {'extensions': [_shown(row) for row in EXTENSIONS]}


@wsgi.response(200, shapes.wrap('extension', _SHAPE))
def show(_req: wsgi.Request, alias: str) -> dict[str, Any]:
    for row in EXTENSIONS:
        if row[0] == alias:
            return {'extension': _shown(row)}
    raise exception.ExtensionNotFound(alias=alias)
