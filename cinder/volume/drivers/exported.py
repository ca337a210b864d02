# SPDX-License-Identifier: Apache-2.0
"""Common base of drivers with storage of this host: exports through the target that the option
target_helper names, and the capacity report. Subclasses handle the data."""
from __future__ import annotations

import abc
import contextlib
from typing import TYPE_CHECKING, cast

from cinder import exception, metrics
from cinder.privsep import command
from cinder.volume import driver
from cinder.volume.driver_types import (
    Connection,
    Connector,
    Executor,
    Fields,
    PoolReport,
    Report,
    Rows,
    Values,
)
from cinder.volume.targets import base, fake, lio, local, nvmet, tgt

if TYPE_CHECKING:
    from cinder.context import RequestContext
    from cinder.objects import Snapshot, Volume
    from cinder.volume.configuration import Configuration

GIB = 1024 ** 3
TARGETS: dict[str, type[base.Target]] = {
    'tgtadm': tgt.TgtAdm, 'lioadm': lio.LioAdm, 'nvmet': nvmet.NVMET,
    'local': local.LocalTarget, 'fake': fake.FakeTarget}


class ExportedDriver(driver.VolumeDriver, driver.LosesExports, driver.CorrectsProviderInfo,
                     driver.ExportsSnapshots, driver.SavesExports):
    """:raises InvalidConfigurationValue: no such target_helper"""

    VENDOR = 'Open Source'
    VERSION = '1.0.0'

    def __init__(self, configuration: Configuration, executor: Executor | None = None,
                 host: str | None = None, cluster_name: str | None = None) -> None:
        super().__init__(configuration, executor, host, cluster_name)
        helper = configuration.target_helper
        if helper not in TARGETS:
            raise exception.InvalidConfigurationValue(option='target_helper', value=helper)
        self.target = TARGETS[helper](configuration, executor or command.execute)
        self.backend_name = (configuration.volume_backend_name
                             or getattr(configuration, 'config_group', None)
                             or type(self).__name__)
        self._stats: Report = {}

    def create_export(self, ctxt: RequestContext, volume: Volume,
                      connector: Connector | None) -> Fields:
        if connector is not None:
            self.target.validate_connector(connector)
        with self._measured('create'):
            return self.target.create_export(volume, self.local_path(volume))

    def ensure_export(self, ctxt: RequestContext, volume: Volume) -> Fields:
        with self._measured('ensure'):
            return self.target.ensure_export(volume, self.local_path(volume))

    def remove_export(self, ctxt: RequestContext, volume: Volume) -> Fields:
        with self._measured('remove'):
            return self.target.remove_export(volume)

    def _measured(self, action: str) -> contextlib.AbstractContextManager[None]:
        return metrics.timed('cinder_target', self.configuration.target_helper, action)

    def lost_exports(self, volumes: list[Volume]) -> list[Volume]:
        return self.target.lost_exports(volumes)

    def saved_exports(self, rows: Rows) -> dict[str, str]:
        """Return the saved exports of volumes of this back end and of volumes without a row; other
        back ends may have the same file."""
        names = {self.target.export_name(volume) for volume in rows.volumes}
        return {name: path for name, path in self.target.saved_exports().items()
                if name in names or rows.place_of(self.target.name_in(name)) == ''}

    def forget_saved_exports(self, rows: Rows) -> dict[str, str]:
        found = self.saved_exports(rows)
        self.target.forget_saved_exports(found)
        return found

    def update_provider_info(self, volumes: list[Volume], snapshots: list[Snapshot],
                             ) -> tuple[list[Values], list[Values]]:
        """Clear the address and the secret of each volume that has no attachment and no export."""
        left = [volume for volume in volumes
                if volume.status == 'available' and volume.provider_location]
        gone = {'provider_location': None, 'provider_auth': None}
        return [{'id': volume.id, **gone} for volume in self.lost_exports(left)], []

    def initialize_connection(self, volume: Volume, connector: Connector) -> Connection:
        self.target.validate_connector(connector)
        with self._measured('connect'):
            return self.target.initialize_connection(volume, self.local_path(volume), connector)

    def terminate_connection(self, volume: Volume, connector: Connector | None,
                             force: bool = False) -> None:
        """End the access of the connector; the export is removed with the last attachment."""
        with self._measured('disconnect'):
            self.target.terminate_connection(volume, connector, force)

    def get_volume_stats(self, refresh: bool = False) -> Report:
        if refresh or not self._stats:
            pool = self._pool_stats()
            self._stats = {
                'volume_backend_name': self.backend_name,
                'vendor_name': self.VENDOR,
                'driver_version': self.VERSION,
                'storage_protocol': self.target.PROTOCOL,
                'backend_state': pool['backend_state'],
                'pools': [pool],
            }
        return self._stats

    # ------------------------------------------------------------------------------ snapshots
    # A target needs only what volumes and snapshots have in common: name, id, and its own fields.
    def export_snapshot(self, snapshot: Snapshot, connector: Connector) -> Fields:
        self.target.validate_connector(connector)
        return self.target.create_export(cast('Volume', snapshot), self._exportable(snapshot))

    def connect_snapshot(self, snapshot: Snapshot, connector: Connector) -> Connection:
        return self.target.initialize_connection(
            cast('Volume', snapshot), self._exportable(snapshot), {**connector, 'mode': 'ro'})

    def unexport_snapshot(self, snapshot: Snapshot) -> Fields:
        return self.target.remove_export(cast('Volume', snapshot))

    @abc.abstractmethod
    def _exportable(self, snapshot: Snapshot) -> str:
        """Return the path of a device or file with the data of the snapshot, which the target may
        open for writing."""

    @abc.abstractmethod
    def _pool_stats(self) -> PoolReport:
        """Return the result of _pool() for the current capacity, with further keys of this
        storage."""

    def _pool(self, *, total: int, free: int, provisioned: int, volumes: int,
              thin: bool, ratio: float | None = None) -> PoolReport:
        """Return the report of the only pool; sizes in bytes.

        :param ratio: overrides the option max_over_subscription_ratio
        """
        config = self.configuration
        return {
            'pool_name': self.backend_name,
            'total_capacity_gb': hundredths(total),
            'free_capacity_gb': hundredths(free),
            'provisioned_capacity_gb': hundredths(provisioned, up=True),
            'reserved_percentage': config.reserved_percentage,
            'max_over_subscription_ratio': over_subscription(
                str(ratio or config.max_over_subscription_ratio), provisioned, total - free),
            'thin_provisioning_support': thin,
            'thick_provisioning_support': not thin,
            'total_volumes': volumes,
            'multiattach': True,
            'QoS_support': False,
            'online_extend_support': self.target.GROWS_ONLINE,
            'filter_function': config.filter_function,
            'goodness_function': config.goodness_function,
            'backend_state': 'up',
        }


def hundredths(size: int, up: bool = False) -> float:
    """Return bytes as GiB with two decimals, rounded down: what is reported as free is there.

    :param up: round up.
    """
    return (-(-size * 100 // GIB) if up else size * 100 // GIB) / 100


def over_subscription(option: str, provisioned: int, used: int) -> float:
    """Return the ratio of the option; for 'auto', the provisioned bytes divided by the used bytes.

    While no data is written the ratio is 20, the default of the option.
    """
    if option != 'auto':
        return float(option)
    return max(1.0, round(provisioned / used, 2)) if used and provisioned else 20.0
