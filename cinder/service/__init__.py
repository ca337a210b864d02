# SPDX-License-Identifier: Apache-2.0
"""The life of a process: Service (a manager on the bus), WSGIService (the API), the launchers.

What a service does is its manager's business; in which order a program is set up, cinder.cmd's.
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

# Each program imports only the part it runs: the others cost megabytes.
_WHERE = {
    'Service': 'rpc_service', 'WSGIService': 'wsgi_service',
    'single_process_launcher': 'launchers', 'process_launcher': 'launchers', 'serve': 'launchers',
    'wait': 'launchers', 'end': 'launchers',
    'setup_profiler': 'profiler',
}


if not TYPE_CHECKING:  # a checker knows the names from above, and no others
    def __getattr__(name: str) -> object:
        if name in _WHERE:
            return getattr(importlib.import_module(f'cinder.service.{_WHERE[name]}'), name)
        raise AttributeError(name)
