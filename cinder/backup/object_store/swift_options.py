# SPDX-License-Identifier: Apache-2.0
"""Which values of its options the Swift driver refuses."""
from collections.abc import Iterator

from oslo_config import cfg

from cinder import exception, service_user
from cinder.backup import driver
from cinder.backup.object_store import option_checks as checks
from cinder.conf import backup_swift
from cinder.conf.problem import Problem

_SINGLE = 'backup_swift_auth = single_user'
_DOMAINS = ['backup_swift_project_domain', 'backup_swift_user_domain']
# Version of the authentication -> options without effect.
_UNUSED = {1: ['backup_swift_url', 'backup_swift_tenant', 'backup_swift_project', *_DOMAINS,
               'backup_swift_region_name'],
           2: ['backup_swift_project', *_DOMAINS], 3: ['backup_swift_tenant']}


def check(conf: cfg.ConfigOpts) -> None:
    """:raises InvalidConfigurationValue: an option is missing or cannot be used"""
    for name in ('backup_swift_auth_url', 'backup_swift_url'):
        checks.check_url(conf, name)
    if not conf.backup_swift_auth_insecure:
        checks.check_file(conf, 'backup_swift_ca_cert_file')
    driver.check_sizes(conf, 'backup_swift_object_size', 'backup_swift_block_size',
                       checks.LARGEST_REQUEST)
    checks.require(conf, 'backup_driver = cinder.backup.drivers.swift.SwiftBackupDriver',
                   'backup_swift_container')
    if conf.backup_swift_auth == backup_swift.PER_USER:
        _check_service_user(
            'backup_swift_auth = per_user', 'who opens the accounts of all projects, because this '
            'service has no tokens of their users; or set backup_swift_auth = single_user')
    else:
        _check_single_user(conf)
    if conf.backup_swift_service_auth:
        _check_service_user('backup_swift_service_auth = True', 'whose token is sent')


def _check_single_user(conf: cfg.ConfigOpts) -> None:
    version = conf.backup_swift_auth_version
    if version not in backup_swift.AUTH_VERSIONS:
        checks.fail(f'backup_swift_auth_version = {version} is not one of: 1, 2, 3')
    number = backup_swift.AUTH_VERSIONS[version]
    checks.require(conf, _SINGLE, 'backup_swift_user', 'backup_swift_key')
    if number == 1:
        checks.require(conf, f'{_SINGLE} with backup_swift_auth_version = 1',
                       'backup_swift_auth_url')
        return
    if not conf.backup_swift_auth_url:
        _check_service_user(f'{_SINGLE} without backup_swift_auth_url',
                            'in whose catalog Keystone is found')
    if number == 3:
        checks.require(conf, f'{_SINGLE} with backup_swift_auth_version = 3',
                       'backup_swift_project')
    elif ':' not in conf.backup_swift_user:
        checks.require(conf, f'{_SINGLE} with backup_swift_auth_version = 2',
                       'backup_swift_tenant')


def unused(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """Yield the options that have no effect because of others."""
    if conf.backup_swift_auth == backup_swift.PER_USER:
        reason = 'backup_swift_auth = per_user'
        names = ['backup_swift_auth_url', 'backup_swift_user', 'backup_swift_key',
                 'backup_swift_tenant', 'backup_swift_project']
    else:
        version = backup_swift.AUTH_VERSIONS[conf.backup_swift_auth_version]
        reason = f'backup_swift_auth_version = {version}'
        names = _UNUSED[version]
    for name in names:
        if conf[name]:
            yield Problem(f'[DEFAULT] {name} is not used with {reason}.', fatal=False)


def _check_service_user(option: str, purpose: str) -> None:
    try:
        service_user.plugin()
    except exception.InvalidConfigurationValue as exc:
        checks.fail(f'{option} needs the user of section [service_user], {purpose}: {exc}')
