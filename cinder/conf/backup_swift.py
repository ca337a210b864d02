# SPDX-License-Identifier: Apache-2.0
"""Options of the backup driver that stores objects in a container of Swift."""

from oslo_config import cfg

PER_USER, SINGLE_USER = 'per_user', 'single_user'
# Versions of the authentication, as they are written in the option -> the version.
AUTH_VERSIONS = {'1': 1, '1.0': 1, '2': 2, '2.0': 2, '3': 3, '3.0': 3}
_CATALOG_ENTRY = r'^[^:]+:[^:]*:(public|internal|admin)(URL)?$'
OPTS = [
    cfg.URIOpt('backup_swift_url', sample_default='https://swift.example.com/v1/AUTH_',
               help='URL of Swift, to which the id of the project is appended, with '
                    'backup_swift_auth = per_user. Not set: the entry swift_catalog_info of the '
                    'catalog.'),
    cfg.URIOpt('backup_swift_auth_url', sample_default='https://keystone.example.com/v3',
               help='URL at which the user backup_swift_user authenticates, with '
                    'backup_swift_auth = single_user. Not set: the entry keystone_catalog_info of '
                    'the catalog.'),
    cfg.StrOpt('swift_catalog_info', default='object-store:swift:publicURL', regex=_CATALOG_ENTRY,
               help='Entry of Swift in the catalog, as type:name:endpoint; the name is ignored.'),
    cfg.StrOpt('keystone_catalog_info', default='identity:Identity Service:publicURL',
               regex=_CATALOG_ENTRY,
               help='Entry of Keystone in the catalog, as type:name:endpoint; the name is '
                    'ignored.'),
    cfg.StrOpt('backup_swift_auth', default=PER_USER, choices=[
        (PER_USER, 'in the account of the project of each backup, which the user of section '
                   '[service_user] may open'),
        (SINGLE_USER, 'in the account of backup_swift_user')],
        help='The account of Swift in which backups are stored.'),
    cfg.StrOpt('backup_swift_auth_version', default='1',
               help='Version of the authentication of backup_swift_user: 1 (of Swift itself), 2 or '
                    '3 (of Keystone).'),
    cfg.StrOpt('backup_swift_tenant', sample_default='service',
               help='Project of backup_swift_user, with version 2 of the authentication. '
                    'Not set: the part of backup_swift_user before a colon.'),
    cfg.StrOpt('backup_swift_project', sample_default='service',
               help='Project of backup_swift_user, with version 3 of the authentication. '
                    'Not set: version 3 cannot be used.'),
    cfg.StrOpt('backup_swift_project_domain', sample_default='Default',
               help='Name of the domain of backup_swift_project. Not set: the domain with the id '
                    '"default".'),
    cfg.StrOpt('backup_swift_user', sample_default='cinder',
               help='User who authenticates with backup_swift_auth = single_user. '
                    'Not set: single_user cannot be used.'),
    cfg.StrOpt('backup_swift_user_domain', sample_default='Default',
               help='Name of the domain of backup_swift_user, with version 3 of the '
                    'authentication. Not set: the domain with the id "default".'),
    cfg.StrOpt('backup_swift_key', secret=True, sample_default='PASSWORD',
               help='Password of backup_swift_user. Not set: single_user cannot be used.'),
    cfg.StrOpt('backup_swift_region_name', sample_default='RegionOne',
               help='Region of Swift in the catalog. Not set: the first.'),
    cfg.BoolOpt('backup_swift_service_auth', default=False,
                help='Send a token of the user of section [service_user] as X-Service-Token, which '
                     'Swift can require in addition for accounts of backups.'),
    cfg.StrOpt('backup_swift_container', default='volumebackups',
               help='Container of backups for which the user names none.'),
    cfg.StrOpt('backup_swift_create_storage_policy', sample_default='archive',
               help='Storage policy of containers that are created. Not set: the default of '
                    'Swift.'),
    cfg.IntOpt('backup_swift_object_size', default=52428800, min=512, max=5 * 2**30,
               help='Bytes of the volume in one object; a multiple of backup_swift_block_size. A '
                    'worker holds a few objects in memory. An object that compression made larger '
                    'has to fit into a request of 5 GiB.'),
    cfg.IntOpt('backup_swift_block_size', default=32768, min=512, max=2**26,
               help='Bytes of the volume for which one hash is kept, for incremental backups.'),
    cfg.BoolOpt('backup_swift_enable_progress_timer', default=True,
                help='Send notifications of the progress of a backup every backup_timer_interval '
                     'seconds.'),
    cfg.IntOpt('backup_swift_retry_attempts', default=3, min=0,
               help='Number of retries for a request that fails for a temporary reason.'),
    cfg.IntOpt('backup_swift_retry_backoff', default=2, min=0,
               help='Seconds before the first retry; the pause is doubled for each further one.'),
    cfg.BoolOpt('backup_swift_auth_insecure', default=False,
                help='Do not verify the certificates of Swift and of backup_swift_auth_url.'),
    cfg.StrOpt('backup_swift_ca_cert_file', sample_default='/etc/ssl/certs/ca-certificates.crt',
               help='File with the CA certificates for verifying Swift and '
                    'backup_swift_auth_url. Not set: the CA certificates of the system.'),
]
