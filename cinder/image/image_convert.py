# SPDX-License-Identifier: Apache-2.0
"""Inspects and converts the data of images. Only this package opens data of others, and qemu-img
opens only what the inspector of oslo.utils has accepted."""
import contextlib
import errno
import json
import os
import secrets
import types
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from oslo_concurrency import processutils
from oslo_log import log as logging

from cinder import exception
from cinder.conf import CONF
from cinder.i18n import _
from cinder.image import image_properties, image_safety, image_shares, nbd
from cinder.privsep import command

if TYPE_CHECKING:
    from oslo_utils.imageutils import format_inspector

LOG = logging.getLogger(__name__)
# Formats that raw data may be detected as: a partition table, a file system of a CD, or both; and a
# disk that its server has encrypted. They name no files.
_PLAIN = frozenset(('raw', 'gpt', 'iso', 'luks'))
# Options for a new file. A VHD would have the next size that its geometry can express, so that its
# disk would not fit into a volume of the same size.
_FORMAT_OPTIONS = {'vhd': ('-o', 'force_size=on')}
# Smallest number of bytes that a block device accepts.
_BLOCK = 4096
# Bytes that are inspected at a time.
_PIECE = 1024 ** 2


@contextlib.contextmanager
def temporary_file(image_id: str, host: str) -> Iterator[str]:
    """Yield the path of an empty file that only this service can read.

    The file is locked, so that image_shares.sweep() of another service leaves it alone.

    :param host: 'host@backend', the end of the file name.
    """
    path = os.path.join(image_shares.folder(),
                        f'{image_id}-{secrets.token_hex(4)}{image_shares.PART}{host}')
    descriptor = image_shares.open_locked(path, os.O_CREAT | os.O_EXCL | os.O_RDWR)
    try:
        with room_needed():
            yield path
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        image_shares.close(descriptor)


@contextlib.contextmanager
def room_needed() -> Iterator[None]:
    """Write to the folder of conversions.

    :raises NoRoomForConversion: it is full.
    """
    try:
        yield
    except OSError as exc:
        if exc.errno != errno.ENOSPC:
            raise
        raise exception.NoRoomForConversion() from exc


def _library() -> types.ModuleType:
    # Imported here: it takes 10 MB, which back ends without images do not need.
    from oslo_utils.imageutils import format_inspector
    return format_inspector


def inspect(data: Iterator[bytes]) -> 'format_inspector.InspectWrapper':
    """Return an iterator over the data that inspects it; require_safe() evaluates the result at the
    end."""
    return _library().InspectWrapper(data)


def require_safe(seen: 'format_inspector.InspectWrapper', image_id: str, disk_format: str,
                 ) -> int | None:
    """Refuse data that does not have the format of its image, or that refers to other files.

    :returns: bytes of the disk in the data; None when the data is that of the disk.
    :raises ImageUnacceptable: with the reason.
    """
    try:
        return _disk_size(seen, image_id, disk_format)
    except exception.ImageUnacceptable:
        raise
    except _library().SafetyCheckFailed as exc:
        LOG.warning('Image %s is not safe: %s', image_id, exc)
        raise exception.ImageUnacceptable(
            image_id=image_id,
            reason=_('it refers to other files, or has features that may do so (%s)')
            % ', '.join(sorted(exc.failures))) from exc
    except _library().ImageFormatError as exc:
        raise exception.ImageUnacceptable(image_id=image_id, reason=exc) from exc
    except Exception as exc:
        # Headers may be such that the inspector fails.
        LOG.warning('The header of image %s cannot be read: %r', image_id, exc)
        raise exception.ImageUnacceptable(
            image_id=image_id, reason=_('its header cannot be read')) from exc


def _disk_size(seen: 'format_inspector.InspectWrapper', image_id: str,
               disk_format: str) -> int | None:
    found = seen.formats
    names = {str(each) for each in found}
    if disk_format in image_properties.PLAIN and names <= _PLAIN:
        return None
    if names != {disk_format}:
        raise exception.ImageUnacceptable(
            image_id=image_id, reason=_("its disk_format is '%(declared)s', but its data is "
                                        "'%(found)s'")
            % {'declared': disk_format, 'found': ', '.join(sorted(names))})
    found[0].safety_check()
    reason = image_safety.obstacle(found[0])
    if reason:
        raise exception.ImageUnacceptable(image_id=image_id, reason=reason)
    return found[0].virtual_size


def size_of_disk(path: str, image_id: str, disk_format: str) -> int:
    """Return the bytes of the disk in a file that is not that of the disk itself.

    :raises ImageUnacceptable: see require_safe().
    """
    with open(path, 'rb', buffering=0) as file:
        seen = inspect(iter(lambda: file.read(_PIECE), b''))
        for _piece in seen:
            pass
    return require_safe(seen, image_id, disk_format) or 0


def to_disk(source: str, target: str, disk_format: str, size: int,
            execute: Callable = command.execute, check: Callable[[], None] | None = None) -> None:
    """Convert the file `source` to raw data in the file `target`, with holes for zeros.

    :param disk_format: as require_safe() has found it.
    :param size: size of the disk in bytes.
    :param check: called while it runs; an error that it raises ends it.
    :raises ProcessExecutionError: qemu-img failed.
    """
    _convert(execute, 'raw', _node(source, disk_format), target, size, check=check)


def _node(source: str, disk_format: str) -> str:
    """Return a file as the name of an image for qemu-img, which opens no other file because of what
    is in it, such as a backing file."""
    node = json.dumps({'driver': image_properties.QEMU_NAMES[disk_format], 'backing': None,
                       'file': {'driver': 'file', 'filename': os.path.abspath(source)}})
    return f'json:{node}'


def onto_disk(source: str, disk_format: str, target: nbd.Target,
              run: Callable[..., Any]) -> None:
    """Convert the file `source` and give its data to a target, without a file for it.

    :param disk_format: as require_safe() has found it.
    :param run: function(function, *arguments) that keeps other threads of this process going.
    :raises ProcessExecutionError: qemu-img failed.
    """
    ours, theirs = nbd.pair()
    with contextlib.ExitStack() as stack:
        stack.callback(ours.close)
        with theirs:
            options = (f'driver=raw,file.driver=nbd,file.server.type=fd,'
                       f'file.server.str={theirs.fileno()}')
            process = command.start(
                *_limits(target.size, 0), 'qemu-img', 'convert', '-n', '--target-image-opts',
                _node(source, disk_format), options, descriptors=[theirs.fileno()])
        stack.callback(command.kill, process)
        whole = nbd.serve(ours, target, run)
        code, out, err = command.finish(process, None, nbd.PATIENCE) or (-1, '', 'it does not end')
        if code or not whole:
            raise processutils.ProcessExecutionError(out, err, code, 'qemu-img convert')


def from_disk(source: str, target: str, disk_format: str, size: int,
              execute: Callable = command.execute, check: Callable[[], None] | None = None) -> None:
    """Convert the raw data in `source` to another format in the file `target`.

    :param check: called while qemu-img runs; an error that it raises ends it.
    :raises ProcessExecutionError: qemu-img failed.
    """
    _convert(execute, image_properties.QEMU_NAMES[disk_format], os.path.abspath(source), target,
             2 * size + image_properties.GIB, '-f', 'raw', *_FORMAT_OPTIONS.get(disk_format, ()),
             check=check)


def _convert(execute: Callable, wanted: str, source: str, target: str, largest: int,
             *options: str, check: Callable[[], None] | None = None) -> None:
    """:param largest: most bytes that `target` may have"""
    try:
        execute(*_limits(largest, largest), 'qemu-img', 'convert', *options, '-O', wanted, source,
                os.path.abspath(target), timeout=None, check=check)
    except processutils.ProcessExecutionError as exc:
        if 'No space left' in (exc.stderr or ''):
            raise exception.NoRoomForConversion() from exc
        raise


def _limits(size: int, largest: int) -> list[str]:
    """Return the beginning of a command that limits what qemu-img may use.

    :param size: bytes that it may have to work on
    :param largest: most bytes of a file that it writes
    """
    seconds = CONF.image_introspection_cpu_limit * max(1, image_properties.gibibytes(size))
    memory = CONF.image_introspection_address_space_limit * image_properties.GIB
    return [*command.DIES_WITH_US, 'prlimit', f'--cpu={seconds}', f'--as={memory}',
            f'--fsize={largest}', '--core=0']


def whole_blocks(path: str) -> int:
    """Extend a file with zeros to whole blocks of a device; return its size in bytes."""
    size = -(-os.stat(path).st_size // _BLOCK) * _BLOCK
    os.truncate(path, size)
    return size
