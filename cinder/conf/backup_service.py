# SPDX-License-Identifier: Apache-2.0
"""Options of cinder-backup itself: its processes, how much it does at a time, and how it watches
its store. backup.py has the options of backups, and a module for each store those of the store."""

from oslo_config import cfg

OPTS = [
    cfg.StrOpt('backup_manager', default='cinder.backup.manager.BackupManager',
               help='Class that handles the messages of cinder-backup.'),
    cfg.IntOpt('backup_workers', default=1, min=1, sample_default=1,
               help='Number of processes of cinder-backup, at most backup_max_operations. The '
                    'threads of one process already read, compress and send on all processors, '
                    'so more processes help only if many backups run at a time. With cinder-all '
                    'it is always one.'),
    cfg.IntOpt('backup_max_operations', default=15, min=0,
               help='Maximum number of backups and restores that run at a time on this host, in '
                    'all processes together; others wait in the journal. 0: no limit.'),
    cfg.IntOpt('backup_driver_init_check_interval', default=60, min=5,
               help='Seconds between two checks of a store that does not answer. Until it '
                    'answers, cinder-backup reports itself as down.'),
    cfg.IntOpt('backup_driver_stats_polling_interval', default=60, min=10,
               deprecated_name='backup_driver_status_check_interval',
               help='Seconds between two checks of a store that answers.'),
    cfg.IntOpt('backup_object_number_per_notification', default=10, min=1,
               help='Number of objects of a backup after which a notification of its progress is '
                    'sent.'),
    cfg.IntOpt('backup_timer_interval', default=120, min=1,
               help='Seconds after which a notification of the progress of a backup is sent, if '
                    'the driver has its option enable_progress_timer.'),
    cfg.BoolOpt('backup_create_containers', default=True,
                help='Create the bucket of S3 or the container of Swift that a backup needs. With '
                     'false, one that does not exist is an error.'),
    cfg.IntOpt('backup_verify_interval', default=0, min=0,
               help='Seconds within which this host reads each of its backups from the store once '
                    'and checks it, one at a time; the result is in the metadata of the backup. '
                    '0: never.'),
    cfg.IntOpt('backup_verify_sample', default=100, min=1, max=100,
               help='Percent of the objects of a backup that such a check reads; the lists of '
                    'objects and digests are always read.'),
    cfg.BoolOpt('backup_service_inithost_offload', default=True,
                help='Report the service up while the deletions that a former process left are '
                     'still under way; they run in the background in either case. With false, '
                     'the service reports itself as down until they are done.'),
]
