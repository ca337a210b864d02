# SPDX-License-Identifier: Apache-2.0
"""Checks of options that both object stores have, for their constructors."""
from oslo_config import cfg

from cinder import exception, masking
from cinder.conf import urls

# Most bytes that S3 and Swift accept in one request.
LARGEST_REQUEST = 5 * 1024 ** 3


def fail(text: str) -> None:
    """:raises InvalidConfigurationValue: always"""
    raise exception.InvalidConfigurationValue(text)


def require(conf: cfg.ConfigOpts, purpose: str, *names: str) -> None:
    """Check that options have a value.

    :param purpose: what needs them
    :raises InvalidConfigurationValue: one has none
    """
    missing = [name for name in names if not conf[name]]
    if missing:
        fail(f'{purpose} needs {", ".join(missing)}: not set')


def check_url(conf: cfg.ConfigOpts, name: str, user_allowed: bool = False) -> None:
    """Check the form of a URL, if it is set.

    :raises InvalidConfigurationValue: it is no URL of a service
    """
    url = conf[name]
    if not url:
        return
    reason = urls.find_fault(url)
    if not reason and '@' in url and not user_allowed:
        reason = 'it contains a user, and credentials have options of their own'
    if reason:
        fail(f'{name} = {masking.without_user(url)} cannot be used: {reason}')


def check_file(conf: cfg.ConfigOpts, name: str) -> None:
    """Check that a file can be read, if it is set.

    :raises InvalidConfigurationValue: it cannot
    """
    path = conf[name]
    if not path:
        return
    try:
        with open(path, 'rb') as file:
            file.read(1)
    except OSError as exc:
        fail(f'{name} = {path} cannot be read: {exc.strerror}')
