# SPDX-License-Identifier: Apache-2.0
"""All policy rules, with one module per resource."""
import itertools
from collections.abc import Iterator

from oslo_policy import policy

from cinder.policies import (
    attachments,
    backups,
    base,
    capabilities,
    clusters,
    default_types,
    events,
    group_snapshots,
    group_specs,
    group_types,
    groups,
    hosts,
    limits,
    manage_snapshots,
    manage_volumes,
    messages,
    metrics,
    operations,
    pools,
    qos_specs,
    quota_classes,
    quotas,
    services,
    snapshots,
    transfers,
    trash,
    type_access,
    type_encryption,
    type_extra_specs,
    types,
    volume_actions,
    volume_encryption,
    volume_metadata,
    volumes,
    workers,
)

MODULES = (attachments, backups, base, capabilities, clusters, default_types, events,
           group_snapshots, group_specs, group_types, groups, hosts, limits, manage_snapshots,
           manage_volumes, messages, metrics, operations, pools, qos_specs, quota_classes, quotas,
           services, snapshots, transfers, trash, type_access, type_encryption, type_extra_specs,
           types, volume_actions, volume_encryption, volume_metadata, volumes, workers)


def list_rules() -> Iterator[policy.RuleDefault]:
    """Return every rule with its default; the entry point for the generators of oslo.policy."""
    return itertools.chain.from_iterable(module.list_rules() for module in MODULES)
