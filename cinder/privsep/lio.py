# SPDX-License-Identifier: Apache-2.0
"""iSCSI targets of the kernel (LIO), through rtslib: it configures one target at a time, without a
file that restores all of them at once. The targets package decides names, portals and secrets."""
import contextlib
import os
import stat
import threading
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import tenacity

from cinder import privsep

if TYPE_CHECKING:
    import rtslib_fb

    _Storage: TypeAlias = rtslib_fb.BlockStorageObject | rtslib_fb.FileIOStorageObject

_TAG = 1
_ISCSI = '/sys/kernel/config/target/iscsi'
_TRIES = 5
# How the portal group treats initiators without an entry: it rejects them (False) or allows them.
_STRANGERS = {False: {'generate_node_acls': 0, 'cache_dynamic_acls': 0,
                      'demo_mode_write_protect': 1},
              True: {'generate_node_acls': 1, 'cache_dynamic_acls': 1,
                     'demo_mode_write_protect': 0}}
# rtslib caches the state of the kernel in a variable of its module.
_one_at_a_time = threading.Lock()


def export(iqn: str, lun: int, serial: str, path: str, portals: Sequence[tuple[str, int]],
           authenticate: bool, write_cache: bool, discard: bool) -> str:
    """Create or complete a target with `path` as its unit; sessions continue.

    :param serial: serial number for a new unit
    :param path: a block device, or a file
    :param portals: (address, port)
    :param write_cache: write cache of a file; a device uses that of its disks
    :param authenticate: whether initiators must authenticate with a name and a secret
    :returns: the serial number of the unit
    :raises OSError: the kernel refuses, or does not support targets
    """
    return str(_export(iqn, lun, serial, path, [list(portal) for portal in portals], authenticate,
                       write_cache, discard))


@privsep.as_root_pctxt.entrypoint
def _export(iqn: str, lun: int, serial: str, path: str, portals: list[list[str | int]],
            authenticate: bool, write_cache: bool, discard: bool) -> str:
    with _rtslib() as rts:
        target = rts.Target(rts.FabricModule('iscsi'), iqn)
        group = rts.TPG(target, _TAG)
        _set(group, {'authentication': int(authenticate)})
        used = any(entry.session for entry in group.node_acls)
        unit = next((each for each in group.luns if each.lun == lun), None)
        storage = _kept(rts, unit.storage_object if unit else None, iqn, path, used)
        if storage is None:
            storage = _new_storage(rts, iqn, serial, path, write_cache, discard)
        if not any(each.lun == lun for each in group.luns):
            rts.LUN(group, lun, storage)
        for address, port in portals:
            rts.NetworkPortal(group, address, port)
        if not group.enable:
            _set(group, _STRANGERS[False])
            group.enable = True
        return str(storage.wwn)


def allow(iqn: str, lun: int, initiators: Mapping[str, bool], strangers: bool | None,
          chap: tuple[str, str] | None) -> None:
    """Allow initiators.

    :param initiators: {name: whether read-only}
    :param strangers: whether initiators without an entry are allowed; None: as it is
    :param chap: name and secret
    :raises OSError: the target does not exist, or the kernel refuses
    """
    _allow(iqn, lun, dict(initiators), strangers, chap and list(chap))


@privsep.as_root_pctxt.entrypoint
def _allow(iqn: str, lun: int, initiators: dict[str, bool], strangers: bool | None,
           chap: list[str] | None) -> None:
    with _rtslib() as rts:
        group = rts.TPG(rts.Target(rts.FabricModule('iscsi'), iqn, 'lookup'), _TAG, 'lookup')
        if strangers and chap:
            group.chap_userid, group.chap_password = chap
        for name, read_only in initiators.items():
            _allow_one(rts, group, lun, name, read_only, chap)
        # Last, so that an initiator that logs in again has its entry.
        if strangers is not None:
            _set(group, _STRANGERS[strangers])


def _allow_one(rts: types.ModuleType, group: 'rtslib_fb.TPG', lun: int, name: str,
               read_only: bool, chap: list[str] | None) -> None:
    entry = rts.NodeACL(group, name)
    if chap:
        entry.chap_userid, entry.chap_password = chap
    mapped = next((each for each in entry.mapped_luns if each.mapped_lun == lun), None)
    if mapped is None:
        # Read-only until the next statement, which may allow writes.
        mapped = rts.MappedLUN(entry, lun, lun, write_protect=True)
    if bool(mapped.write_protect) != read_only:
        mapped.write_protect = read_only


@privsep.as_root_pctxt.entrypoint
def forbid(iqn: str, initiator: str) -> None:
    """End the access and the session of an initiator.

    :raises OSError: the kernel refuses
    """
    with _rtslib() as rts, contextlib.suppress(rts.utils.RTSLibNotInCFSError):
        group = rts.TPG(rts.Target(rts.FabricModule('iscsi'), iqn, 'lookup'), _TAG, 'lookup')
        rts.NodeACL(group, initiator, 'lookup').delete()


def targets() -> list[str]:
    """Return the names of all targets; this needs no privileges.

    :raises OSError: the kernel does not support targets
    """
    try:
        return [name for name in os.listdir(_ISCSI) if name.startswith(('iqn.', 'eui.', 'naa.'))]
    except FileNotFoundError:
        # No target has ever been created.
        return []


@privsep.as_root_pctxt.entrypoint
def sessions(iqn: str) -> list[str]:
    """Return the names of the initiators that are logged in, if they have an entry.

    :raises OSError: the kernel does not support targets
    """
    with _rtslib() as rts:
        try:
            group = rts.TPG(rts.Target(rts.FabricModule('iscsi'), iqn, 'lookup'), _TAG, 'lookup')
        except rts.utils.RTSLibNotInCFSError:
            return []
        return [entry.node_wwn for entry in group.node_acls if entry.session]


@privsep.as_root_pctxt.entrypoint
def remove(iqn: str) -> None:
    """Remove a target with its unit; its sessions end.

    :raises OSError: the kernel refuses
    """
    with _rtslib() as rts:
        units = []
        with contextlib.suppress(rts.utils.RTSLibNotInCFSError):
            target = rts.Target(rts.FabricModule('iscsi'), iqn, 'lookup')
            # The original Cinder may have named its storage object in another way.
            units = [lun.storage_object for group in target.tpgs for lun in group.luns]
            target.delete()
        for unit in units:
            unit.delete()
        for kind in (rts.BlockStorageObject, rts.FileIOStorageObject):
            with contextlib.suppress(rts.utils.RTSLibNotInCFSError):
                kind(iqn).delete()


@contextlib.contextmanager
def _rtslib() -> Iterator[types.ModuleType]:
    """Yield rtslib with an empty cache; raise its errors as OSError."""
    if not os.path.isdir(os.path.dirname(_ISCSI)):
        raise OSError(f'{os.path.dirname(_ISCSI)} does not exist: load target_core_mod and '
                      'iscsi_target_mod, and mount configfs')
    # Imported here: it uses memory that services with other targets do not need.
    import rtslib_fb as rts
    with _one_at_a_time:
        rts.tcm.bs_cache.clear()
        try:
            yield rts
        except rts.RTSLibError as exc:
            raise OSError(str(exc)) from exc


def _set(group: 'rtslib_fb.TPG', attributes: Mapping[str, int]) -> None:
    """Write the attributes that differ: the kernel may refuse to write them while there are
    sessions."""
    for name, value in attributes.items():
        if group.get_attribute(name) != str(value):
            group.set_attribute(name, str(value))


def _kept(rts: types.ModuleType, present: '_Storage | None', name: str, path: str,
          used: bool) -> '_Storage | None':
    """Return the present kernel object of the device; it is removed if it is of another device, or
    has another size than its file unless sessions would end.

    :param present: the object that the unit has now
    """
    found = os.stat(path)
    kind = _kind(rts, found)
    with contextlib.suppress(rts.utils.RTSLibNotInCFSError):
        present = present or kind(name)
    if present is None or os.path.realpath(present.udev_path) == os.path.realpath(path) and (
            stat.S_ISBLK(found.st_mode) or used or present.size == found.st_size):
        return present
    present.delete()
    return None


def _kind(rts: types.ModuleType, found: os.stat_result) -> 'type[_Storage]':
    return rts.BlockStorageObject if stat.S_ISBLK(found.st_mode) else rts.FileIOStorageObject


@tenacity.retry(retry=tenacity.retry_if_exception_message(match='.*already exists'),
                stop=tenacity.stop_after_attempt(_TRIES), reraise=True)
def _new_storage(rts: types.ModuleType, name: str, serial: str, path: str, write_cache: bool,
                 discard: bool) -> '_Storage':
    """Create the kernel object. The caller chooses the number, and other services use the same
    kernel, so the search for a free number is repeated."""
    rts.tcm.bs_cache.clear()
    found = os.stat(path)
    values = {'dev': path, 'wwn': serial}
    if not stat.S_ISBLK(found.st_mode):
        values |= {'size': found.st_size, 'write_back': write_cache}
    made = _kind(rts, found)(name, **values)
    if discard:
        # The kernel refuses this if the device does not support it.
        with contextlib.suppress(rts.RTSLibError):
            made.set_attribute('emulate_tpu', '1')
    return made
