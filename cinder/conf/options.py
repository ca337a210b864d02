# SPDX-License-Identifier: Apache-2.0
"""All options of this package by group: the table for registration, the sample file and the search
for unknown options."""

from cinder.conf import (
    api,
    backend,
    backup,
    backup_ceph,
    backup_nfs,
    backup_posix,
    backup_s3,
    backup_service,
    backup_source,
    backup_swift,
    coordination,
    dashboard,
    events,
    image,
    keymgr,
    metrics,
    nova,
    quota,
    rate_limit,
    scheduler,
    service,
    service_user,
    transfer,
    volume,
)

BY_GROUP = {
    'DEFAULT': [*service.OPTS, *api.OPTS, *scheduler.OPTS, *volume.OPTS, *quota.OPTS,
                *backup.OPTS, *backup_service.OPTS, *backup_posix.OPTS, *backup_nfs.OPTS,
                *backup_ceph.OPTS, *backup_s3.OPTS, *backup_swift.OPTS, *backup_source.OPTS,
                *transfer.OPTS, *events.OPTS,
                *rate_limit.OPTS, *image.DEFAULTS],
    backend.GROUP: backend.OPTS,
    coordination.GROUP: coordination.OPTS,
    dashboard.GROUP: dashboard.OPTS,
    keymgr.GROUP: keymgr.OPTS,
    service_user.GROUP: service_user.OPTS,
    metrics.GROUP: metrics.OPTS,
    nova.GROUP: nova.OPTS,
    image.GROUP: image.OPTS,
}
