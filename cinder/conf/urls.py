# SPDX-License-Identifier: Apache-2.0
"""Checks the form of the URLs of other services in the options, without connecting to them. The
URLs of the database, the message bus and the lock service are checked in their packages."""

import urllib.parse
from collections.abc import Iterator

from oslo_config import cfg, types

from cinder.conf import config_files
from cinder.conf.option_values import Values, shorten_value
from cinder.conf.problem import Problem

# By name, in any section: our options, and those of libraries that are declared as strings.
NAMES = frozenset((
    'public_endpoint', 'glance_api_servers', 'auth_url', 'auth_uri', 'www_authenticate_uri',
    'identity_uri', 'auth_endpoint', 'barbican_endpoint', 'endpoint_override', 'vault_url',
    'discovery_endpoint', 'access_token_endpoint', 'identity_provider_url',
    'service_provider_endpoint', 'remote_auth_url', 'remote_content_server'))
_EXAMPLE = 'https://service.example.com:1234/path'


def check(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """:raises cfg.Error: a file can no longer be read."""
    values = Values(conf)
    for setting in values.effective():
        option = values.known.find(setting.section, setting.name)
        if option and (setting.name in NAMES or isinstance(option.type, types.URI)):
            yield from _faults(setting, values.text(setting), isinstance(option.type, types.List))


def _faults(setting: config_files.Setting, text: str, several: bool) -> Iterator[Problem]:
    for url in filter(None, map(str.strip, text.split(',') if several else [text])):
        reason = find_fault(url)
        if reason:
            yield Problem(f'{setting.option} ({setting.place}): {shorten_value(url)} is not a URL '
                          f'of a service: {reason}. Expected a URL such as {_EXAMPLE}.')


def find_fault(url: str) -> str | None:
    """Return what is wrong with the URL of a service, or None."""
    if any(sign.isspace() for sign in url):
        return 'it contains a blank'
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
    except ValueError as exc:
        return str(exc)
    if parts.scheme not in ('http', 'https') or not url[len(parts.scheme):].startswith('://'):
        return 'it does not begin with http:// or https://'
    if not parts.hostname:
        return 'it names no host'
    if port == 0:
        return 'its port is not a number from 1 to 65535'
    if parts.query or parts.fragment:
        return 'it contains ? or #'
    return None
