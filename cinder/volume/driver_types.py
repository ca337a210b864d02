# SPDX-License-Identifier: Apache-2.0
"""The types that drivers and targets take and return: connectors, connections, reports, manageable
volumes, and what an audit compares and finds."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING, NotRequired, TypedDict

if TYPE_CHECKING:
    from cinder.objects import Snapshot, Volume

# As privsep.command.execute: program and arguments -> (standard output, standard error).
Executor = Callable[..., tuple[str, str]]
# Columns of a row and their values.
Values = dict[str, object]
# Columns to store after a method of a driver; None: no change.
Fields = Values | None
# Offset and length in bytes, see driver.ReportsRanges.
Ranges = Iterable[tuple[int, int]] | None
# How an operator names a volume or snapshot on the storage, as the request contains it.
Reference = dict[str, object]


class Connector(TypedDict, total=False):
    """The initiator of a host, as os-brick describes it; drivers check the keys that they need."""

    host: str
    ip: str
    initiator: str
    nqn: str
    mode: str
    multipath: bool
    os_type: str
    platform: str
    wwnns: list[str]
    wwpns: list[str]


class Connection(TypedDict):
    """The information that os-brick needs to connect: the name of its connector, and the properties
    for it."""

    driver_volume_type: str
    data: Values


class PoolReport(TypedDict, total=False):
    """The report of a pool; capacities in GiB, shares in percent."""

    pool_name: str
    total_capacity_gb: float
    free_capacity_gb: float
    provisioned_capacity_gb: float
    reserved_percentage: int
    max_over_subscription_ratio: float
    thin_provisioning_support: bool
    thick_provisioning_support: bool
    total_volumes: int
    multiattach: bool
    QoS_support: bool
    online_extend_support: bool
    filter_function: str | None
    goodness_function: str | None
    backend_state: str
    location_info: str
    data_percent: float
    metadata_percent: float
    pool_refusal: str
    full_in_days: float
    replication_enabled: bool
    group_replication_enabled: bool
    replication_type: list[str]
    replication_count: int
    replication_targets: list[str]


class Report(TypedDict, total=False):
    """A back end with its pools, for the scheduler."""

    volume_backend_name: str
    vendor_name: str
    driver_version: str
    storage_protocol: str
    backend_state: str
    pools: list[PoolReport]


class Manageable(TypedDict):
    """A volume or snapshot on the storage, managed or not.

    `reference` is the dictionary by which an operator names it, `size` is in GiB, rounded up,
    `cinder_id` is the id of the row that manages it already, `source_reference` names the volume of
    a snapshot.
    """

    reference: dict[str, str]
    size: int
    safe_to_manage: bool
    reason_not_safe: str | None
    cinder_id: str | None
    extra_info: str | None
    source_reference: NotRequired[dict[str, str]]


@dataclasses.dataclass(frozen=True)
class Rows:
    """What the database says about one back end.

    :param busy: ids of resources that have an unfinished operation
    :param connected: ids of volumes with a connected attachment
    :param place_of: name on the storage -> where its row is: 'host@backend', '' when it has no row
        any more, None when the name does not follow the templates
    :param trashed_volumes: deleted volumes in the trash, see driver.KeepsTrash
    :param trashed_snapshots: deleted snapshots in the trash
    """

    volumes: list[Volume]
    snapshots: list[Snapshot]
    busy: Collection[str]
    connected: Collection[str]
    place_of: Callable[[str], str | None]
    trashed_volumes: Sequence[Volume] = ()
    trashed_snapshots: Sequence[Snapshot] = ()


@dataclasses.dataclass(frozen=True)
class Finding:
    """A difference between the storage and the rows.

    :param kind: one word, explained on the page of the driver
    :param name: name on the storage
    :param what: description in one sentence
    :param advice: what an operator can do
    :param healed: whether it was repaired
    :param volume_id: id of the row that gets `fields`
    """

    kind: str
    name: str
    what: str
    advice: str
    healed: bool = False
    volume_id: str = ''
    fields: Fields = dataclasses.field(default=None, compare=False)
