# SPDX-License-Identifier: Apache-2.0
"""The REST API: all code that depends on HTTP."""
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

SENT = 'cinder.path'


def root_app_factory(loader: Any, global_conf: Mapping, **local_conf: str) -> Callable:
    """Paste composite factory that mounts applications by path, like the urlmap of Paste.

    urlmap replaces several slashes by one. A key in a path may contain several slashes, so the
    mounted application gets the path as the client sent it.
    """
    from paste import urlmap
    mounts = urlmap.urlmap_factory(loader, global_conf, **local_conf)
    mounts.applications = [(place, _as_sent(place[1], application))
                           for place, application in mounts.applications]

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
