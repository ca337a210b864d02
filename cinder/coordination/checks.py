# SPDX-License-Identifier: Apache-2.0
"""Checks of [coordination] backend_url: the lock service can be used, and its locks cover all hosts
that use the storage."""
import urllib.parse
from collections.abc import Iterator

from oslo_config import cfg

from cinder import failures, masking
from cinder.conf import directories
from cinder.conf.problem import Problem
from cinder.coordination import services
from cinder.coordination.services import EXAMPLES, EXAMPLES_BETWEEN_HOSTS, SERVICES


def check(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """Check that the lock service can be used, without connecting to it."""
    url = conf.coordination.backend_url
    reason = _unusable(url or '')
    if reason:
        shown = masking.without_user(url or '')
        yield Problem(f'[coordination] backend_url = {shown} cannot be used: {reason}')


def check_cluster(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """Check that the hosts of a cluster share their locks."""
    url = conf.coordination.backend_url or ''
    service = SERVICES.get(services.scheme_of(url))
    if not (conf.cluster and service):
        return
    shown = f'[coordination] backend_url = {masking.without_user(url)}'
    if not service.tells_losses:
        yield Problem(f'{shown} cannot inform a host of the cluster that it has lost a lock, for '
                      f'instance with its connection: two hosts may then change the same volume. '
                      f'Use {EXAMPLES_BETWEEN_HOSTS} instead.', fatal=False)
    if not service.between_hosts:
        yield Problem(f'{shown} provides locks for one host only, but [DEFAULT] cluster = '
                      f'{conf.cluster} has several hosts, which would change the same volume at '
                      f'the same time: use a lock service that all of them reach, such as '
                      f'{EXAMPLES_BETWEEN_HOSTS}, or '
                      f'remove cluster.')


def _unusable(url: str) -> str | None:
    scheme = services.scheme_of(url)
    if not url.strip():
        return f'it is empty; expected {EXAMPLES}.'
    if scheme not in SERVICES:
        return f'there is no lock service {scheme}; expected {EXAMPLES}.'
    try:
        parsed = urllib.parse.urlsplit(url)
        if parsed.port == 0 or scheme == 'file' and (parsed.netloc or not parsed.path):
            return f'it does not have the form {EXAMPLES}.'
        if scheme == 'file':
            reason = directories.unusable_reason(parsed.path)
            if reason:
                return f'{reason}.'
            if not parsed.query:
                return None  # these locks do not use tooz
        services.make_by_tooz(url)
    except ImportError as exc:
        package = SERVICES[scheme].package or exc.name
        return (f'the Python package {package} is not installed; run '
                f'"pip install {package}" ({failures.one_line(exc)}).')
    except Exception as exc:  # a driver may raise any error
        return failures.one_line(exc) + '.'
    return None
