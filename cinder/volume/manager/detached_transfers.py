# SPDX-License-Identifier: Apache-2.0
"""Transfers of images that no operation owns any more. The operation that began a transfer owns it;
when that operation is cancelled while others wait for the image, the transfer continues in its
place in the executor, without its volume, its lock and its row in the journal.

===========  ===========================  ====================================================
State        Who wants and runs it        What ends it
===========  ===========================  ====================================================
fetching     The operation that began it  All data is there: verified. It is cancelled: detached
             runs it; others wait in      if others wait for the image and the data that came is
             the journal                  in a file, otherwise nothing is left. The image or its
                                          service fails: failed. The volume is too small for
                                          it: verified if all data is there, otherwise nothing
                                          is left, and the next one begins again
detached     The others; the executor     All data is there: verified. The last of them is
             runs it                      cancelled, or the service stops: nothing is left.
                                          The image or its service fails: failed
verified     All; any of them takes it    No operation of the host needs the image
converting   One; the others wait         It is cancelled: verified, so another one converts
                                          the same file
failed       All of them end              Each has read the reason
===========  ===========================  ====================================================
"""
import contextlib
import secrets
import time
from collections.abc import Callable

from oslo_log import log as logging

from cinder import context, exception, failures, objects
from cinder.db import image_operations
from cinder.image import image_shares
from cinder.objects.verbs import BULK
from cinder.operations.executor import Job
from cinder.volume.host import backend as backends
from cinder.volume.manager import progress

LOG = logging.getLogger(__name__)
# Errors that all operations which wait for an image have in common.
OF_THE_IMAGE = (exception.ImageUnacceptable, exception.ImageServiceUnavailable,
                exception.ImageNotFound, exception.NotAuthorized, exception.NoRoomForConversion)


class Unwanted(exception.CinderException):
    """No operation waits for the image any more, or the service stops."""


class DetachedTransfer:
    """A transfer that continues in the place of the operation that began it.

    :param claim: of the image.
    :param held: closes the transfer, removes its file unless it was published, and ends the claim.
    :param receive: function(report) that transfers what is left, and returns the bytes of the disk
        in the file, or None if the file is the disk; see image_download.File.
    :param path: the file.
    :param total: bytes of the whole work, which those that wait show.
    """

    def __init__(self, backend: backends.Backend, image: dict, claim: image_shares.Claim,
                 held: contextlib.ExitStack, receive: Callable[[Callable[[int], None]], int | None],
                 path: str, total: int) -> None:
        self._runner, self._host = backend.runner, host_of(backend)
        self._image, self._claim, self._held = image, claim, held
        self._receive, self._path, self._total = receive, path, total
        self._next_look = 0.0

    def job(self, others: list[objects.Operation]) -> Job:
        """Return the work for the executor.

        :param others: operations that wait for the image.
        """
        ident = f'image-{self._image["id"]}-{secrets.token_hex(4)}'
        return Job(ident, others[0].project_id, ident, BULK, self.run)

    def run(self) -> None:
        """Transfer the rest, and give the verified data, or the reason of the failure, to those
        that wait."""
        LOG.info('The transfer of image %s continues for other volumes.', self._image['id'])
        try:
            with self._held:
                self._share()
        except Unwanted:
            LOG.info('The transfer of image %s ends, as nothing waits for it.', self._image['id'])
        except Exception:
            failures.log(LOG, 'The transfer of image %s was interrupted; an operation that waits '
                              'for it begins again.', self._image['id'])
        finally:
            with contextlib.suppress(exception.DatabaseTrouble):  # they look each second
                wake(self._image, self._host)

    def _share(self) -> None:
        try:
            size = self._receive(self._report)
        except exception.ImageTooLarge:
            raise  # for the volume that it was begun for
        except OF_THE_IMAGE as exc:
            LOG.warning('The transfer of image %s failed: %s', self._image['id'], exc)
            self._claim.fail(exc, [each.id for each in self._others()])
            return
        self._claim.publish(self._path, image_shares.RAW if size is None else image_shares.SOURCE)

    def _report(self, done: int) -> None:
        """:raises Unwanted: nothing waits for the image."""
        self._claim.note(done, self._total)
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + progress.LOOKS
        if self._runner.is_stopping or not self._is_wanted():
            raise Unwanted()

    def _is_wanted(self) -> bool:
        try:
            return bool(self._others())
        except exception.DatabaseTrouble:
            return True  # until the next look

    def _others(self) -> list[objects.Operation]:
        return image_operations.under_way(context.get_admin_context(), self._image['id'],
                                          self._host)


def host_of(backend: backends.Backend) -> str:
    """Return the host of a back end: the back ends of a host share the folder of conversions."""
    return backend.host.partition('@')[0]


def reason(image: dict) -> str:
    """Return what the operations that wait for a transfer show."""
    return f'image {image["id"]}, which is being transferred for another volume'


def wake(image: dict, host: str) -> None:
    """End the wait of the operations of a host that wait for a transfer."""
    image_operations.wake(context.get_admin_context(), image['id'], host, reason(image))
