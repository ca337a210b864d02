# SPDX-License-Identifier: Apache-2.0
"""The failover of one mirrored image from one cluster to another. Its progress is read from the two
images, so an interrupted failover continues.

librbd promotes a copy that was demoted itself, even if it has not followed the other image since,
and the changes since are lost. So the image is marked first, and its copy is used only when the
mark has been replicated: from then on librbd refuses to promote it before it has all data.
"""
from __future__ import annotations

import contextvars
import dataclasses
from collections.abc import Callable, Iterable
from concurrent import futures
from typing import Any

from cinder.brick.ceph import errors, mirror

Run = Callable[..., Any]
DONE, READY, WAITS, FAILED = 'done', 'ready', 'waits', 'failed'
# Seconds for which a mark proves that a copy follows its image; longer than the mirror may need
# between two mirror snapshots of an image that changes much.
FRESH = 3600
# Seconds after the mark within which an interrupted failover continues.
LONGEST = 7 * 86400
# Images that move at a time.
THREADS = 8


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The progress of an image.

    :param word: DONE: the copy is in use; READY: it follows the image; WAITS: it does not, yet;
        FAILED: it cannot be used, for the reason
    :param begun: the image was demoted before, or its copy is in use
    """

    word: str
    reason: str = ''
    begun: bool = False


@dataclasses.dataclass(frozen=True)
class Way:
    """:param source: runs functions on the cluster that is left; None: it does not answer
    :param target: runs functions on the other cluster
    :param name: of the other cluster
    :param left: of the cluster that is left
    """

    source: Run | None
    target: Run
    name: str
    left: str

    def look(self, image: str) -> Verdict:
        """Return the progress of an image, and mark it if necessary. The image can be used
        meanwhile."""
        there: mirror.State | None = self.target(mirror.state, image)
        if self.source is None:
            return self._look_alone(there)
        here: mirror.State | None = self.source(mirror.state, image)
        if there is None or not there.enabled:
            return Verdict(WAITS, f'{self.name} has no copy')
        if there.primary and not (here and here.primary):
            return Verdict(DONE, begun=True)
        if here is None or not here.enabled:
            return Verdict(FAILED, 'it is not mirrored')
        if there.primary or self._is_split(here, there):
            return self._copy_again(image, there)
        if not here.primary:
            if here.mark == there.mark and mirror.is_fresh(here.mark, LONGEST):
                return Verdict(READY, begun=True)
            return Verdict(FAILED, f'neither it nor its copy on {self.name} is primary: promote '
                                   'with rbd mirror image promote --force the one whose data is '
                                   'wanted, and fail over again')
        if there.mark == self.source(mirror.mark, image, FRESH):
            return Verdict(READY)
        return Verdict(WAITS, f'its copy is {there.status}: {there.text}')

    def move(self, image: str) -> Verdict:
        """Use the copy of an image, if it has all data."""
        if self.source is None:
            return self._move_alone(image)
        verdict = self.look(image)
        if verdict.word != READY:
            if verdict.word == DONE:
                self.target(mirror.promote, image)
            return verdict
        try:
            self.source(mirror.demote, image)
        except (errors.TimedOut, errors.ConnectionLost, errors.CannotConnect):
            return self._move_alone(image)
        if self.target(mirror.promote, image):
            return Verdict(DONE)
        return Verdict(WAITS, f'its copy on {self.name} does not have all data yet')

    def _look_alone(self, there: mirror.State | None) -> Verdict:
        """The image itself is out of reach, so its copy is used as it is."""
        if there is None or not there.enabled:
            return Verdict(FAILED, f'{self.name} has no copy')
        if there.primary:
            return Verdict(DONE)
        if there.status == 'syncing':
            return Verdict(FAILED, f'its first copy on {self.name} was not complete')
        return Verdict(READY)

    def _move_alone(self, image: str) -> Verdict:
        verdict = self._look_alone(self.target(mirror.state, image))
        if verdict.word not in (READY, DONE):
            return verdict
        if verdict.word == READY:
            self.target(mirror.evict, image)
        self.target(mirror.promote, image, True)
        return Verdict(DONE)

    def _is_split(self, here: mirror.State, there: mirror.State) -> bool:
        """Whether both were written, and the copy is not being copied again yet."""
        return here.primary and mirror.SPLIT_BRAIN in there.text and here.resync != there.ident

    def _copy_again(self, image: str, there: mirror.State) -> Verdict:
        assert self.source is not None  # nosec B101
        self.target(mirror.demote, image)
        # A second request, after a kill between these, does not harm.
        self.target(mirror.resync, image)
        self.source(mirror.note_resync, image, there.ident)
        return Verdict(WAITS, 'its copy had changes of its own and is copied again')


def each(step: Callable[[str], Verdict], images: Iterable[str]) -> dict[str, Verdict]:
    """Return image -> verdict of a step; an error is one of the image.

    :raises CephError: the other cluster does not answer
    """
    def one(image: str) -> Verdict:
        try:
            return step(image)
        except (errors.TimedOut, errors.ConnectionLost, errors.CannotConnect):
            raise
        except errors.CephError as exc:
            return Verdict(FAILED, str(exc))
    names = list(images)
    contexts = [contextvars.copy_context() for _name in names]
    with futures.ThreadPoolExecutor(THREADS, thread_name_prefix='mirror') as pool:
        verdicts = pool.map(lambda context, name: context.run(one, name), contexts, names)
        return dict(zip(names, verdicts, strict=True))
