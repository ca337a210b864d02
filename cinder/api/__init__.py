# SPDX-License-Identifier: Apache-2.0
"""The REST API: all code that depends on HTTP."""
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cinder import exception
from cinder.conf import CONF

LOG = logging.getLogger(__name__)

SENT = 'cinder.path'
# Mounts of APIs that do not exist any more, in paste files of deployment tools.
OLD = ('/v1', '/v2')


def root_app_factory(loader: Any, global_conf: Mapping, **local_conf: str) -> Callable:
    """Paste composite factory that mounts applications by path, like the urlmap of Paste.

    urlmap replaces several slashes by one. A key in a path may contain several slashes, so the
    mounted application gets the path as the client sent it. The mounts OLD are ignored.

    :raises InvalidConfigurationValue: nothing is left but those.
    """
    from paste import urlmap
    mounts = urlmap.urlmap_factory(loader, global_conf, **_without_old(local_conf))
    mounts.applications = [(place, _as_sent(place[1], application))
                           for place, application in mounts.applications]

    if CONF.fault_injection:
        from cinder.api import faults
        mounts['/faults'] = _as_sent('/faults', faults.application)

    def root(environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        environ[SENT] = environ.get('PATH_INFO', '')
        return mounts(environ, start_response)
    return root


def _as_sent(mount: str, application: Callable) -> Callable:
    above = re.compile('/+'.join(map(re.escape, mount.split('/'))))

    def mounted(environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        sent = environ[SENT]
        environ['PATH_INFO'] = sent[above.match(sent).end():]
        return application(environ, start_response)
    return mounted


def _without_old(mounts: Mapping[str, str]) -> dict[str, str]:
    """Return the mounts without those of old APIs; log a warning about these."""
    old = [path for path in mounts if path.rstrip('/') in OLD]
    kept = {path: name for path, name in mounts.items() if path not in old}
    if old and not any(path.rstrip('/').endswith('/v3') for path in kept):
        raise exception.InvalidConfigurationValue(
            f'The paste file mounts {", ".join(old)} and no /v3: only the API v3 exists. Add a '
            'mount /v3 whose application is cinder.api.v3.router:APIRouter.factory.')
    if old:
        LOG.warning('The paste file mounts %s, which is ignored: only the API v3 exists.',
                    ', '.join(old))
    return kept
