# SPDX-License-Identifier: Apache-2.0
"""What is really in the file of an image, and how it becomes the bytes of a disk. Nothing but
this package opens foreign data, and qemu-img only what the inspector of oslo.utils let pass."""
import contextlib
import errno
import os
import secrets
import types
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from oslo_concurrency import processutils
from oslo_log import log as logging

from cinder import exception
from cinder.conf import CONF
from cinder.i18n import _
from cinder.image import image_properties
from cinder.privsep import command

if TYPE_CHECKING:
    from oslo_utils.imageutils import format_inspector

LOG = logging.getLogger(__name__)
# What a file of a plain disk may look like: a partition table, a file system of a CD, both.
_PLAIN = frozenset(('raw', 'gpt', 'iso'))
# Bytes that a block device takes at the least.
_BLOCK = 4096


@contextlib.contextmanager
def temporary(image_id: str, host: str) -> Iterator[str]:
    """Path of an empty file that only this service can read, for the length of a block.

    :param host: 'host@backend', the end of its name: at its start the back end removes what a
        process that died left.
    """
    folder = os.path.abspath(CONF.image_conversion_dir)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    path = os.path.join(folder, f'{image_id}-{secrets.token_hex(4)}#{host}')
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        yield path
    except OSError as exc:
        if exc.errno != errno.ENOSPC:
            raise
        raise exception.NoRoomForConversion() from exc
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def _library() -> types.ModuleType:
    # It takes 10 MB, of cryptography, which back ends without images need not pay.
    from oslo_utils.imageutils import format_inspector
    return format_inspector


def inspected(data: Iterator[bytes]) -> 'format_inspector.InspectWrapper':
    """The same data, looked at on its way; when it has ended, require_safe() can tell."""
    return _library().InspectWrapper(data)


def require_safe(seen: 'format_inspector.InspectWrapper', image_id: str, disk_format: str,
                 ) -> int | None:
    """Refuse data that is not what its image says, or that refers to other files.

    :returns: bytes of the disk that it holds; None where it is those bytes.
    :raises ImageUnacceptable: with what is wrong with it.
    """
    try:
        found = seen.formats
        names = {str(each) for each in found}
        if disk_format in image_properties.PLAIN and names <= _PLAIN:
            return None
        if names != {disk_format}:
            raise exception.ImageUnacceptable(
                image_id=image_id, reason=_("it is called '%(told)s' and its data is '%(found)s'")
                % {'told': disk_format, 'found': ', '.join(sorted(names))})
        found[0].safety_check()
        return found[0].virtual_size
    except _library().SafetyCheckFailed as exc:
        LOG.warning('Image %s is not safe: %s', image_id, exc)
        raise exception.ImageUnacceptable(
            image_id=image_id,
            reason=_('it refers to other files, or has features that could (%s)')
            % ', '.join(sorted(exc.failures))) from exc
    except _library().ImageFormatError as exc:
        raise exception.ImageUnacceptable(image_id=image_id, reason=exc) from exc


def to_disk(source: str, target: str, disk_format: str, size: int,
            execute: Callable = command.execute) -> None:
    """Write the bytes of the disk that `source` holds to the file `target`, holes left out.

    :param disk_format: as require_safe() has found it.
    :param size: of the disk in bytes.
    :raises ProcessExecutionError: qemu-img failed.
    """
    _convert(execute, image_properties.QEMU_NAMES[disk_format], 'raw', source, target, size)


def from_disk(source: str, target: str, disk_format: str, size: int,
              execute: Callable = command.execute) -> None:
    """Write the bytes of the disk `source` to the file `target` in another format.

    :raises ProcessExecutionError: qemu-img failed.
    """
    _convert(execute, 'raw', image_properties.QEMU_NAMES[disk_format], source, target,
             2 * size + image_properties.GIB)


def _convert(execute, origin, wanted, source, target, largest):
    """:param largest: bytes that `target` may have at the most"""
    seconds = CONF.image_introspection_cpu_limit * max(1, image_properties.gibibytes(largest))
    memory = CONF.image_introspection_address_space_limit * image_properties.GIB
    try:
        execute(*command.DIES_WITH_US, 'prlimit', f'--cpu={seconds}', f'--as={memory}',
                f'--fsize={largest}', '--core=0', 'qemu-img', 'convert', '-f', origin,
                '-O', wanted, os.path.abspath(source), os.path.abspath(target), timeout=None)
    except processutils.ProcessExecutionError as exc:
        if 'No space left' in (exc.stderr or ''):
            raise exception.NoRoomForConversion() from exc
        raise


def whole_blocks(path: str) -> int:
    """Grow a file with zeros to whole blocks of a device; returns its bytes."""
    size = -(-os.stat(path).st_size // _BLOCK) * _BLOCK
    os.truncate(path, size)
    return size
