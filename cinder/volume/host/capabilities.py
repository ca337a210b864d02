# SPDX-License-Identifier: Apache-2.0
"""The capabilities of a back end in the format of the capabilities API, from the report of its
driver."""
from collections.abc import Mapping

# Property, key in the report, title, description.
_PROPERTIES = (
    ('thin_provisioning', 'thin_provisioning_support', 'Thin Provisioning',
     'Volumes use space only for data that was written.'),
    ('compression', 'compression', 'Compression', 'Data is compressed.'),
    ('qos', 'QoS_support', 'QoS', 'QoS specs are enforced by the storage.'),
    ('replication', 'replication_enabled', 'Replication', 'A second storage holds a copy of the '
                                                          'data.'),
)
_NAMES = ('vendor_name', 'volume_backend_name', 'pool_name', 'driver_version', 'storage_protocol',
          'display_name', 'description', 'visibility')


def describe(host: str, stats: Mapping) -> dict[str, object]:
    """Return the answer about the back end 'host@backend'.

    :param stats: the result of get_volume_stats(); with several pools no pool is named.
    """
    pools = stats.get('pools') or ()
    facts = {**stats, **(pools[0] if len(pools) == 1 else {})}
    answer = {name: facts.get(name) for name in _NAMES}
    if isinstance(answer['storage_protocol'], (list, tuple)):
        answer['storage_protocol'] = answer['storage_protocol'][0]
    reports = [stats, *pools]
    return {
        'namespace': f'OS::Storage::Capabilities::{host}', **answer,
        'replication_targets': list(facts.get('replication_targets') or ()),
        'properties': {name: {'title': title, 'description': text, 'type': 'boolean'}
                       for name, key, title, text in _PROPERTIES
                       if any(report.get(key) for report in reports)},
    }
