# SPDX-License-Identifier: Apache-2.0
"""What the scheduler's tests are made of: options, services, reports, requests and a clock.

Nothing here decides anything.
"""
import types
from collections.abc import Callable

from oslo_config import cfg

from cinder import conf as cinder_conf
from cinder import objects

TYPE_ID = '11111111-1111-4111-8111-111111111111'
VOLUME_ID = '22222222-2222-4222-8222-222222222222'


class Clock:
    """Time that moves when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Later:
    """Timers: what was put off, with its pause; run() does it now, and returns when `wait` does."""

    def __init__(self) -> None:
        self.pauses: list[float] = []
        self._calls: list = []

    def call_later(self, seconds: float, function: object, *arguments: object) -> None:
        self.pauses.append(seconds)
        self._calls.append((function, arguments))

    def run(self, wait: Callable[[], object]) -> None:
        calls, self._calls = self._calls, []
        for function, arguments in calls:
            function(*arguments)
        wait()


def options(**overrides: object) -> cfg.ConfigOpts:
    """Fresh options with every default but the given ones of DEFAULT."""
    conf = cfg.ConfigOpts()
    cinder_conf.register(conf)
    conf([], default_config_files=[], default_config_dirs=[])
    for name, value in overrides.items():
        conf.set_override(name, value)
    return conf


def service(host: str, **values: object) -> types.SimpleNamespace:
    """A row of a volume service that is up and wanted, unless the values say otherwise."""
    row = {'disabled': False, 'frozen': False, 'is_up': True, 'was_up': False,
           'availability_zone': 'nova', 'cluster_name': None}
    return types.SimpleNamespace(host=host, **{**row, **values})


class Services:
    """The services table: a list, and how often it was read."""

    def __init__(self, *rows: types.SimpleNamespace) -> None:
        self.rows = list(rows)
        self.reads = 0

    def __call__(self, ctxt: object) -> list[types.SimpleNamespace]:
        self.reads += 1
        return list(self.rows)


def report(**values: object) -> dict:
    """Capabilities of a thick pool of 100 GiB, all free, unless the values say otherwise."""
    return {'volume_backend_name': 'lvm', 'storage_protocol': 'iSCSI', 'vendor_name': 'Open',
            'total_capacity_gb': 100, 'free_capacity_gb': 100, 'reserved_percentage': 0,
            'multiattach': True, **values}


def request(size: int = 10, extra_specs: dict | None = None,
            **values: object) -> objects.RequestSpec:
    """What a user asks for."""
    return objects.RequestSpec(
        volume_id=VOLUME_ID, size=size, tried=values.pop('tried', []),
        volume_type=objects.VolumeType(id=TYPE_ID, name='gold', extra_specs=extra_specs or {}),
        **values)
