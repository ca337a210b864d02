# SPDX-License-Identifier: Apache-2.0
"""The processes of the daemons: Service (a manager on the bus), WSGIService (the API), launchers.

cinder.cmd sets up the programs; the managers do the work of the services.
"""
import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cinder.service.launchers import Launcher as Launcher
    from cinder.service.launchers import end as end
    from cinder.service.launchers import process_launcher as process_launcher
    from cinder.service.launchers import serve as serve
    from cinder.service.launchers import single_process_launcher as single_process_launcher
    from cinder.service.launchers import wait as wait
    from cinder.service.profiler import setup_profiler as setup_profiler
    from cinder.service.rpc_service import Service as Service
    from cinder.service.wsgi_service import WSGIService as WSGIService

# Each program imports only the classes that it needs: the others take megabytes.
_WHERE = {
    'Service': 'rpc_service', 'WSGIService': 'wsgi_service',
    'single_process_launcher': 'launchers', 'process_launcher': 'launchers', 'serve': 'launchers',
    'wait': 'launchers', 'end': 'launchers',
    'setup_profiler': 'profiler',
}


if not TYPE_CHECKING:  # a type checker only knows the names from above
    def __getattr__(name: str) -> object:
        if name in _WHERE:
            return getattr(importlib.import_module(f'cinder.service.{_WHERE[name]}'), name)
        raise AttributeError(name)
