# SPDX-License-Identifier: Apache-2.0
"""Checks of the back ends: each enabled back end has a section and a valid name, no two of them use
the same storage or the same address, and those of a cluster have storage that all of its hosts can
use."""

import collections
import itertools
import os
from collections.abc import Iterator
from typing import NamedTuple

from oslo_config import cfg

from cinder import class_paths, exception
from cinder.conf import backend, host_names, option_values
from cinder.conf.known_options import Known
from cinder.conf.library import DEFAULT, section_key
from cinder.conf.problem import Problem
from cinder.volume.configuration import Configuration
from cinder.volume.driver import KeepsTrash, Replicates, VolumeDriver

_LVM, _FILE = 'cinder.volume.drivers.lvm.', 'cinder.volume.drivers.file.'
_KINDS = {'tgtadm': 'tgtd', 'lioadm': 'LIO', 'nvmet': 'nvmet'}
_ANY = ('0.0.0.0', '::')  # nosec B104 # compared, not listened on


def check_enabled(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """Check the names in enabled_backends, and their sections."""
    enabled = conf.enabled_backends or []
    if not enabled:
        yield Problem('No back end is enabled: name at least one section with a volume_driver in '
                      '[DEFAULT] enabled_backends; the DEFAULT section does not configure one.')
    twice = sorted({name for name in enabled if enabled.count(name) > 1})
    if twice:
        yield Problem(f'[DEFAULT] enabled_backends names {", ".join(twice)} more than once.')
    spellings: dict[str, str] = {}
    for name in dict.fromkeys(enabled):
        yield from host_names.check_name('[DEFAULT] enabled_backends', name, host_names.PLACE)
        yield from _section(conf, name)
        other = spellings.setdefault(section_key(name), name)
        if other != name:
            yield Problem(f'[DEFAULT] enabled_backends names {other} and {name}, which are the '
                          f'same section: names of sections must differ in more than case.')


def _section(conf: cfg.ConfigOpts, name: str) -> Iterator[Problem]:
    sections = conf.list_all_sections()
    alike = [each for each in sections if section_key(each) == section_key(name)]
    start = f'[DEFAULT] enabled_backends names {name}'
    if name.upper() == DEFAULT:
        yield Problem(f'{start}, which does not configure a back end: give the back end a section.')
    elif Known(conf, ()).is_fixed(name) or section_key(name) == backend.GROUP:
        yield Problem(f'{start}, but [{section_key(name)}] is a section with another purpose: give '
                      f'the back end another name.')
    elif not alike:
        shown = ' '.join(name.split())
        yield Problem(f'[DEFAULT] enabled_backends names {shown}, but no file has a section '
                      f'[{shown}].')
    elif name not in sections:
        yield Problem(f'{start}, but the section is spelled [{alike[0]}]: use the same spelling.')
    elif len(alike) > 1:
        yield Problem(f'{start}, but there are sections {" and ".join(f"[{s}]" for s in alike)}, '
                      f'which are the same, because case is ignored: rename one.')


def check_names(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """Check the names of hosts, pools and zones that back ends configure."""
    for name, options in _backends(conf).items():
        yield from host_names.check_name(f'[{name}] backend_host', options.backend_host,
                                         host_names.PLACE)
        yield from host_names.check_name(f'[{name}] volume_backend_name',
                                         options.volume_backend_name, host_names.POOL)
        yield from host_names.check_name(f'[{name}] backend_availability_zone',
                                         options.backend_availability_zone, host_names.ZONE)
        pool = options.volume_backend_name or name
        for owner in filter(None, (options.backend_host or conf.host, conf.cluster)):
            place = f'{owner}@{name}'
            if len(place.encode()) > host_names.LONGEST_PLACE:
                yield Problem(f'{place[:60]}... of back end [{name}] has {len(place.encode())} '
                              f'bytes; at most {host_names.LONGEST_PLACE} are allowed.')
            elif len(f'{place}#{pool}') > host_names.LONGEST:
                yield Problem(f'{place}#... of back end [{name}] has {len(f"{place}#{pool}")} '
                              'characters with its volume_backend_name; at most '
                              f'{host_names.LONGEST} are allowed.')


def check_storage(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """Check that no two back ends use the same directory or volume group."""
    owners: dict[str, list[str]] = collections.defaultdict(list)
    for name, options in _backends(conf).items():
        if options.volume_driver.startswith(_LVM):
            owners[f'volume_group = {options.volume_group}'].append(name)
        elif options.volume_driver.startswith(_FILE):
            owners[f'file_volume_dir = {os.path.realpath(options.file_volume_dir)}'].append(name)
    for what, sharing in owners.items():
        if len(sharing) > 1:
            yield Problem(f'Back ends {" and ".join(f"[{name}]" for name in sharing)} have the '
                          f'same {what}: each needs its own.')


# Option -> what becomes of it without a project and a user of the internal tenant.
_OWNED = {'image_volume_cache_enabled': 'nothing is cached',
          'image_upload_use_internal_tenant': 'image volumes belong to the project of the request'}
_DIRECT_SCHEMES = ('cinder', 'file')


def check_image_cache(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """Check that volumes of images have a project and a user, and what is used of image stores."""
    missing = [name for name in ('cinder_internal_tenant_project_id',
                                 'cinder_internal_tenant_user_id') if not conf[name]]
    for name, options in _backends(conf).items():
        for option, outcome in _OWNED.items():
            if getattr(options, option) and missing:
                yield Problem(f'[{name}] {option} is set, but {outcome} without an owner: set '
                              f'[DEFAULT] {" and ".join(missing)}.', fatal=False)
    for scheme in conf.allowed_direct_url_schemes:
        if scheme not in _DIRECT_SCHEMES:
            yield Problem(f'[DEFAULT] allowed_direct_url_schemes has {scheme}, which is ignored; '
                          f'it may have: {", ".join(_DIRECT_SCHEMES)}. Images in RBD are cloned '
                          'by the RBD driver without this option.', fatal=False)


def check_replication(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """Check the options replication_device: the drivers know their keys."""
    for name, options in _backends(conf).items():
        driver = _driver_class(options)
        if not options.replication_device or driver is None:
            continue
        if not issubclass(driver, Replicates):
            yield Problem(f'[{name}] replication_device is set, but {driver.__name__} does not '
                          'replicate volumes: remove it.')
            continue
        for text in driver.replication_problems(options):
            yield Problem(f'[{name}] replication_device = {text}')


def check_cluster(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """Check that all hosts of the cluster can use the storage of its back ends."""
    if not conf.cluster:
        return
    for name, options in _backends(conf).items():
        driver = _driver_class(options)
        if driver is None:
            continue
        reason = driver.only_one_host(options)
        if reason:
            yield Problem(f'[DEFAULT] cluster = {conf.cluster} needs storage that all hosts of '
                          f'the cluster can use, but for back end [{name}] {reason}. Otherwise '
                          f'remove cluster.')


def check_trash(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """Check that back ends that keep deleted volumes have a trash."""
    for name, options in _backends(conf).items():
        driver = _driver_class(options)
        if not options.delete_to_trash_hours or driver is None:
            continue
        reason = (driver.trash_problem(options) if issubclass(driver, KeepsTrash)
                  else f'{driver.__name__} has no trash')
        if reason:
            yield Problem(f'[{name}] delete_to_trash_hours = {options.delete_to_trash_hours} needs '
                          f'a trash, but {reason}: set it to 0.')


def _driver_class(options: Configuration) -> type[VolumeDriver] | None:
    """Return the driver of a back end; one without a driver is skipped at start, and the log says
    why."""
    try:
        driver = class_paths.load('volume_driver', options.volume_driver)
    except exception.InvalidConfigurationValue:
        return None
    return driver if isinstance(driver, type) and issubclass(driver, VolumeDriver) else None


class Listener(NamedTuple):
    """An address on which a target exports the volumes of a back end."""

    backend: str
    kind: str
    number: int
    transport: str
    address: str
    port: int

    def conflicts_with(self, other: 'Listener') -> bool:
        """Return whether the two listeners exclude each other."""
        if self.kind != other.kind:
            return (self.transport, self.port) == (other.transport, other.port) and (
                self.address == other.address or self.address in _ANY or other.address in _ANY)
        # In the kernel a port number stands for one address, and an address has one port number.
        return self.kind == 'nvmet' and (self.number == other.number) != (self[3:] == other[3:])


def check_exports(conf: cfg.ConfigOpts) -> Iterator[Problem]:
    """Check that no two back ends export their volumes at the same address."""
    reported: set[tuple[str, str]] = set()
    for one, other in itertools.combinations(_listeners(conf), 2):
        pair = (one.backend, other.backend)
        if one.backend != other.backend and pair not in reported and one.conflicts_with(other):
            reported.add(pair)
            what = (f'nvmet_port_id {one.number} and {other.number}'
                    if one.kind == other.kind else f'the targets {one.kind} and {other.kind}')
            yield Problem(
                f'Back ends [{one.backend}] and [{other.backend}] would export on '
                f'{one.address}:{one.port} and {other.address}:{other.port} with {what}, which '
                f'exclude each other: change target_port, target_ip_address or nvmet_port_id.')


def _listeners(conf: cfg.ConfigOpts) -> Iterator[Listener]:
    for name, options in _backends(conf).items():
        kind = _KINDS.get(options.target_helper)
        if not kind:
            continue
        transport = 'rdma' if options.target_protocol == 'nvmet_rdma' else 'tcp'
        addresses = (options.target_ip_address, *options.target_secondary_ip_addresses)
        for place, address in enumerate(addresses):
            yield Listener(name, kind, options.nvmet_port_id + place, transport, address,
                           options.target_port)


def _backends(conf: cfg.ConfigOpts) -> dict[str, Configuration]:
    """Return the options of each enabled back end that has a section and can start."""
    sections = conf.list_all_sections()
    refused = option_values.refused_backends(conf)
    return {name: Configuration(config_group=name, conf=conf)
            for name in conf.enabled_backends or ()
            if name in sections and name != DEFAULT and name not in refused}
