# SPDX-License-Identifier: Apache-2.0
"""What the options of the S3 driver mean, and which values it refuses."""
import base64
import hashlib

from oslo_config import cfg

from cinder.backup import driver
from cinder.backup.object_store import option_checks as checks
from cinder.backup.object_store.connections import Settings
from cinder.conf import backup_s3

# Algorithm -> bytes of its key.
KEY_BYTES = {'AES256': 32}
_PURPOSE = 'backup_driver = cinder.backup.drivers.s3.S3BackupDriver'


def check(conf: cfg.ConfigOpts) -> None:
    """:raises InvalidConfigurationValue: an option is missing or cannot be used"""
    checks.require(conf, _PURPOSE, 'backup_s3_endpoint_url', 'backup_s3_store_access_key',
                   'backup_s3_store_secret_key', 'backup_s3_store_bucket')
    checks.check_url(conf, 'backup_s3_endpoint_url')
    for name in ('backup_s3_http_proxy', 'backup_s3_https_proxy'):
        checks.check_url(conf, name, user_allowed=True)
    if conf.backup_s3_verify_ssl:
        checks.check_file(conf, 'backup_s3_ca_cert_file')
    driver.check_sizes(conf, 'backup_s3_object_size', 'backup_s3_block_size',
                       checks.LARGEST_REQUEST)
    mode = conf.backup_s3_retry_mode
    if mode not in backup_s3.RETRY_MODES:
        checks.fail(f'backup_s3_retry_mode = {mode} is not one of: '
                    f'{", ".join(backup_s3.RETRY_MODES)}')
    _check_encryption(conf)


def _check_encryption(conf: cfg.ConfigOpts) -> None:
    algorithm, key = conf.backup_s3_sse_customer_algorithm, conf.backup_s3_sse_customer_key
    if not algorithm and not key:
        return
    if not (algorithm and key):
        checks.fail('backup_s3_sse_customer_algorithm and backup_s3_sse_customer_key '
                    'must both be set, or none of them: objects would not be encrypted')
    if algorithm not in KEY_BYTES:
        checks.fail(f'backup_s3_sse_customer_algorithm = {algorithm} is not one of: '
                    f'{", ".join(KEY_BYTES)}')
    if len(key.encode()) != KEY_BYTES[algorithm]:
        checks.fail(f'backup_s3_sse_customer_key has {len(key.encode())} bytes; '
                    f'{algorithm} needs {KEY_BYTES[algorithm]}')


def settings(conf: cfg.ConfigOpts) -> Settings:
    """Return how to connect."""
    proxies = {'http': conf.backup_s3_http_proxy, 'https': conf.backup_s3_https_proxy}
    return Settings(conf.backup_s3_timeout, conf.backup_s3_verify_ssl, conf.backup_s3_ca_cert_file,
                    {scheme: url for scheme, url in proxies.items() if url},
                    conf.backup_s3_max_pool_connections)


def encryption_headers(conf: cfg.ConfigOpts) -> dict[str, str]:
    """Return the headers that have the store encrypt or decrypt the content of an object."""
    if not conf.backup_s3_sse_customer_algorithm:
        return {}
    key = conf.backup_s3_sse_customer_key.encode()
    name = 'x-amz-server-side-encryption-customer-'
    return {f'{name}algorithm': conf.backup_s3_sse_customer_algorithm,
            f'{name}key': base64.b64encode(key).decode(),
            f'{name}key-MD5': base64.b64encode(
                hashlib.md5(key, usedforsecurity=False).digest()).decode()}
