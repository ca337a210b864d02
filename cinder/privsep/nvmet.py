# SPDX-License-Identifier: Apache-2.0
"""NVMe subsystems of the kernel, through its configfs tree (nvmet: subsystems, hosts, ports). Each
step checks whether it is done already, so it may be repeated. The targets package decides names."""
import contextlib
import os
import threading
from collections.abc import Iterator, Sequence

from cinder import privsep

ROOT = '/sys/kernel/config/nvmet'
# The kernel creates and removes objects through these calls; tests replace the tree.
mkdir, rmdir, symlink = os.mkdir, os.rmdir, os.symlink
_one_at_a_time = threading.Lock()


@privsep.as_root_pctxt.entrypoint
def export(nqn: str, path: str, uuid: str, nguid: str, namespace: int,
           ports: Sequence[Sequence]) -> str:
    """Create or complete a subsystem with one namespace; connections continue.

    :param path: a block device, or a file
    :param uuid: uuid of a new namespace; a host drops a namespace whose identifiers change
    :param nguid: nguid of a new namespace; '': none
    :param ports: (number, transport, family, address, service)
    :returns: the nguid that the namespace has, or ''
    :raises OSError: the kernel refuses, or does not support targets
    """
    with _tree():
        subsystem = _made('subsystems', nqn)
        unit = _made('subsystems', nqn, 'namespaces', str(namespace))
        if not _same(_read(unit, 'device_path'), path):
            _write(unit, 'enable', '0')
            _write(unit, 'device_path', path)
            _write(unit, 'device_uuid', uuid)
            if nguid:
                _write(unit, 'device_nguid', nguid)
        _write(unit, 'enable', '1')
        for number, transport, family, address, service in ports:
            _listen(number, {'addr_trtype': transport, 'addr_adrfam': family,
                             'addr_traddr': address, 'addr_trsvcid': str(service)})
            _link(subsystem, ('ports', str(number), 'subsystems', nqn))
        found = _read(unit, 'device_nguid')
        return found if found.strip('0-') else ''


@privsep.as_root_pctxt.entrypoint
def allow(nqn: str, hosts: Sequence[str] | None, only: bool) -> None:
    """Allow hosts to connect; None: any host.

    :param only: no longer allow any host; connections continue
    :raises OSError: the subsystem does not exist
    """
    with _tree():
        subsystem = _path('subsystems', nqn)
        if hosts is None:
            # The kernel accepts either names or any host.
            for host in _names('subsystems', nqn, 'allowed_hosts'):
                _unlink('subsystems', nqn, 'allowed_hosts', host)
                _remove_host(host)
            _write(subsystem, 'attr_allow_any_host', '1')
        elif _read(subsystem, 'attr_allow_any_host') == '1':
            if not only:
                return
            _write(subsystem, 'attr_allow_any_host', '0')
        for host in hosts or ():
            _link(_made('hosts', host), ('subsystems', nqn, 'allowed_hosts', host))


@privsep.as_root_pctxt.entrypoint
def forbid(nqn: str, host: str) -> None:
    """End the access of a host.

    :raises OSError: the kernel refuses
    """
    with _tree():
        _unlink('subsystems', nqn, 'allowed_hosts', host)
        _remove_host(host)


@privsep.as_root_pctxt.entrypoint
def remove(nqn: str) -> None:
    """Remove a subsystem; its connections end.

    :raises OSError: the kernel refuses
    """
    with _tree():
        for port in _names('ports'):
            _unlink('ports', port, 'subsystems', nqn)
        for host in _names('subsystems', nqn, 'allowed_hosts'):
            _unlink('subsystems', nqn, 'allowed_hosts', host)
            _remove_host(host)
        for number in _names('subsystems', nqn, 'namespaces'):
            _write(_path('subsystems', nqn, 'namespaces', number), 'enable', '0')
            rmdir(_path('subsystems', nqn, 'namespaces', number))
        with contextlib.suppress(FileNotFoundError):
            rmdir(_path('subsystems', nqn))


def subsystems() -> list[str]:
    """Return the names of all subsystems; this needs no privileges."""
    return _names('subsystems')


@privsep.as_root_pctxt.entrypoint
def resize(nqn: str, namespace: int) -> None:
    """Have the kernel read the size of the device again and inform the connected hosts.

    :raises OSError: the kernel refuses
    """
    with _tree(), contextlib.suppress(FileNotFoundError):
        _write(_path('subsystems', nqn, 'namespaces', str(namespace)), 'revalidate_size', '1')


@contextlib.contextmanager
def _tree() -> Iterator[None]:
    if not os.path.isdir(ROOT):
        raise OSError(f'{ROOT} does not exist: load nvmet and nvmet_tcp, and mount configfs')
    with _one_at_a_time:
        yield


def _path(*names: str) -> str:
    return os.path.join(ROOT, *names)


def _names(*names: str) -> list[str]:
    try:
        return os.listdir(_path(*names))
    except FileNotFoundError:
        return []


def _made(*names: str) -> str:
    path = _path(*names)
    # Another service of this host may have created it.
    with contextlib.suppress(FileExistsError):
        mkdir(path)
    return path


def _read(folder: str, name: str) -> str:
    with open(os.path.join(folder, name)) as file:
        text = file.read().strip()
    return '' if text == '(null)' else text


def _same(device: str, path: str) -> bool:
    return device == path or bool(device) and os.path.realpath(device) == os.path.realpath(path)


def _write(folder: str, name: str, value: str) -> None:
    """Write a value only if it differs, because the kernel often answers that it is busy. Some
    files are write-only."""
    path = os.path.join(folder, name)
    if os.stat(path).st_mode & 0o444 and _read(folder, name) == value:
        return
    # Not 'r+': the kernel refuses to open a write-only file for reading, even to root.
    with open(path, 'w') as file:
        file.write(value)


def _listen(number: int, address: dict[str, str]) -> None:
    """:raises OSError: the port has another address already"""
    port = _made('ports', str(number))
    present = {name: _read(port, name) for name in address}
    if present == address:
        return
    if _names('ports', str(number), 'subsystems'):
        raise OSError(f'nvmet port {number} listens on {present["addr_traddr"]}:'
                      f'{present["addr_trsvcid"]} already; choose another nvmet_port_id')
    for name, value in address.items():
        _write(port, name, value)


def _link(source: str, names: tuple[str, ...]) -> None:
    with contextlib.suppress(FileExistsError):
        symlink(source, _path(*names))


def _unlink(*names: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_path(*names))


def _remove_host(host: str) -> None:
    """Remove a host unless another subsystem uses it."""
    if not any(host in _names('subsystems', each, 'allowed_hosts')
               for each in _names('subsystems')):
        with contextlib.suppress(FileNotFoundError):
            rmdir(_path('hosts', host))
