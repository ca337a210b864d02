# SPDX-License-Identifier: Apache-2.0
"""The transfer of an image straight onto a new volume, which continues to a file when the volume is
left."""
import time
from collections.abc import Callable

from cinder import ownership
from cinder.volume.data import image_download, image_tee, image_write
from cinder.volume.manager.progress import REPORTS

# Seconds for which a volume that is deleted is still read, so that others need not begin again.
LEAVING = 0.75


class Stream:
    """A transfer onto a volume, which continues to a file when the volume is left.

    :param others: returns whether other operations wait for the image.
    """

    def __init__(self, tee: image_tee.Tee, writer: image_write.Writer, fetch: image_download.Fetch,
                 others: Callable[[], bool]) -> None:
        self.fetch = fetch
        self._tee, self._writer, self._others = tee, writer, others
        self._next_look = time.monotonic() + REPORTS
        self._is_left = False

    @property
    def path(self) -> str | None:
        """The file; None: there is none."""
        return self._tee.path

    def receive(self, report: image_download.Report) -> int | None:
        """Transfer what is left; see image_download.File.receive()."""
        def step(done: int) -> None:
            report(done)
            self._share()

        size = self.fetch.go_on(step)
        if self._is_left:
            self._tee.finish(self._writer.done)
        return size

    def _share(self) -> None:
        if self._is_left:
            return
        self._tee.advance()
        now = time.monotonic()
        if self.path is None and now >= self._next_look:
            self._next_look = now + REPORTS
            if self._others():
                self._begin()

    def _begin(self) -> None:
        self._tee.share(max(self._writer.done, self._writer.dirty))

    def leave(self) -> bool:
        """Use the volume no more; return whether the file has all its data."""
        ownership.confirm()
        self._begin()
        self._is_left = True
        self._writer.release()
        return self._tee.leave(LEAVING)

    def complete(self, check: image_write.Check) -> str | None:
        """Return the path of the file with all data, which is verified; None: no operation waits
        for it, or there is no space.

        :param check: called from time to time; an error that it raises ends the copy.
        """
        if not self._others():
            return None
        self._begin()
        while self.path is not None and not self._tee.advance():
            check()
        self._tee.finish(self._writer.done)
        return self.path
