# SPDX-License-Identifier: Apache-2.0
"""The life of a process: Service (a manager on the bus), WSGIService (the API), the launchers.

What a service does is its manager's business; in which order a program is set up, cinder.cmd's.
"""
import importlib

# Each program imports only the part it runs: the others cost megabytes.
_WHERE = {
    'Service': 'worker', 'WSGIService': 'web', 'SingleProcessLauncher': 'launch',
    'process_launcher': 'launch', 'serve': 'launch', 'wait': 'launch',
    'setup_profiler': 'profiler',
}


def __getattr__(name: str) -> object:
    if name in _WHERE:
        return getattr(importlib.import_module(f'cinder.service.{_WHERE[name]}'), name)
    raise AttributeError(name)
