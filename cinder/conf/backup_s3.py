# SPDX-License-Identifier: Apache-2.0
"""Options of the backup driver that stores objects in a bucket of an S3 service."""

from oslo_config import cfg

LEGACY, STANDARD, ADAPTIVE = RETRY_MODES = ('legacy', 'standard', 'adaptive')
OPTS = [
    cfg.StrOpt('backup_s3_endpoint_url', sample_default='https://s3.example.com',
               help='URL of the S3 service. Buckets are addressed by the path of the URL. '
                    'Not set: the S3 driver does not start.'),
    cfg.StrOpt('backup_s3_store_access_key', secret=True, sample_default='ACCESS_KEY',
               help='Access key of the account of this service. '
                    'Not set: the S3 driver does not start.'),
    cfg.StrOpt('backup_s3_store_secret_key', secret=True, sample_default='SECRET_KEY',
               help='Secret key of the account of this service. '
                    'Not set: the S3 driver does not start.'),
    cfg.StrOpt('backup_s3_store_bucket', default='volumebackups',
               help='Bucket of backups for which the user names no container.'),
    cfg.IntOpt('backup_s3_object_size', default=52428800, min=512, max=5 * 2**30,
               help='Bytes of the volume in one object; a multiple of backup_s3_block_size. A '
                    'worker holds a few objects in memory. An object that compression made larger '
                    'has to fit into a request of 5 GiB.'),
    cfg.IntOpt('backup_s3_block_size', default=32768, min=512, max=2**26,
               help='Bytes of the volume for which one hash is kept, for incremental backups.'),
    cfg.BoolOpt('backup_s3_enable_progress_timer', default=True,
                help='Send notifications of the progress of a backup every backup_timer_interval '
                     'seconds.'),
    cfg.StrOpt('backup_s3_http_proxy', sample_default='http://proxy.example.com:3128',
               help='URL of the proxy for requests to an http endpoint. Not set: none.'),
    cfg.StrOpt('backup_s3_https_proxy', sample_default='http://proxy.example.com:3128',
               help='URL of the proxy for requests to an https endpoint. Not set: none.'),
    cfg.FloatOpt('backup_s3_timeout', default=60.0, min=0.1,
                 help='Seconds to wait for a connection, and then for each next part of an '
                      'answer.'),
    cfg.IntOpt('backup_s3_max_pool_connections', default=10, min=1,
               help='Number of connections that are kept open for further requests.'),
    cfg.IntOpt('backup_s3_retry_max_attempts', default=4, min=0,
               help='Number of retries for a request that fails for a temporary reason.'),
    cfg.StrOpt('backup_s3_retry_mode', default=LEGACY,
               help='How requests are retried. "legacy": each one backup_s3_retry_max_attempts '
                    'times, after growing pauses; "standard": also with a limit for all requests '
                    'together, so that an outage is noticed early; "adaptive": also with fewer '
                    'requests per second as long as the service limits them.'),
    cfg.BoolOpt('backup_s3_verify_ssl', default=True,
                help='Verify the certificate of the S3 service.'),
    cfg.StrOpt('backup_s3_ca_cert_file', sample_default='/etc/ssl/certs/ca-certificates.crt',
               help='File with the CA certificates for verifying the S3 service. Not set: the CA '
                    'certificates of the system.'),
    cfg.BoolOpt('backup_s3_md5_validation', default=True,
                help='Have the service verify the MD5 digest of each object that is written, and '
                     'compare that of each object that is read.'),
    cfg.StrOpt('backup_s3_sse_customer_algorithm', sample_default='AES256',
               help='Algorithm with which the service encrypts objects with the key '
                    'backup_s3_sse_customer_key. Not set: objects are not encrypted so.'),
    cfg.StrOpt('backup_s3_sse_customer_key', secret=True, sample_default='0' * 32,
               help='Key that is sent with each object, for encryption by the service; 32 '
                    'characters for AES256. Not set: none.'),
]
