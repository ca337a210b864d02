# SPDX-License-Identifier: Apache-2.0
"""Reads an object: what the connection did not bring is asked for again, from the last byte on."""
import hashlib
import re
import time
from collections.abc import Callable
from typing import TypeVar

from cinder import exception
from cinder.backup.object_store import faults
from cinder.backup.object_store.connections import Answer
from cinder.backup.object_store.faults import Fault
from cinder.backup.object_store.memory import Memory

T = TypeVar('T')

PIECE = 1024 * 1024
# Fewer bytes per second, over the time of the timeout, are a fault.
SLOWEST = 1024
# After so many bytes without a fault, all retries are available again.
RENEWED_BYTES = 8 * 1024 * 1024
_RANGE = re.compile(r'bytes (\d+)-\d+/(\d+|\*)')
_MD5 = re.compile(r'"?([0-9a-f]{32})"?', re.IGNORECASE)


class Download:
    """The content of one object.

    An object for which there is memory is verified before read() returns any of it, and asked for
    again if it is not what the store says; others are verified at their end.

    :param open_at: (offset, ETag or None) -> the answer with the content from `offset` on, if the
        object has that ETag
    :param where: container and name, for errors
    :param policy: for retries
    :param limit: most bytes of this object in memory
    :param memory: of all downloads
    :param verify: whether the ETag is the MD5 digest of the content
    :param timeout: seconds, for the slowest speed
    """

    def __init__(self, open_at: Callable[[int, str | None], Answer], where: str,
                 policy: faults.Policy, *, limit: int, memory: Memory, verify: bool,
                 timeout: float) -> None:
        self._open_at, self._where, self._policy = open_at, where, policy
        self._limit, self._verify, self._timeout = limit, verify, timeout
        self._memory, self._taken = memory, 0
        self._attempts = faults.Attempts(policy, where)
        self._answer: Answer | None = None
        self._etag: str | None = None
        self._length: int | None = None
        self._buffer: bytearray | None = None
        self._kept: memoryview | None = None
        self._restart()

    def _restart(self) -> None:
        self._offset = self._fault_at = 0
        self._waited, self._received = 0.0, 0
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._drop_answer()

    def _drop_answer(self) -> None:
        answer, self._answer = self._answer, None
        if answer:
            answer.close()

    # -------------------------------------------------------------------------- for the reader
    def open(self) -> None:
        """Ask for the object.

        :raises BackupObjectNotFound: there is none
        :raises BackupStoreUnavailable: it could not be read
        """
        self._again(self._ask)
        size = self._length
        if size is not None and size <= self._limit and self._memory.take(size):
            self._taken = size
            self._kept = self._again(self._load)

    def read(self, size: int) -> bytes:
        """Return the next bytes, at most `size`; b'' at the end only.

        :raises BackupStoreUnavailable: the rest could not be read
        :raises BackupDataError: the content is not what the store says, or it has changed
        """
        if self._kept is not None:
            part, self._kept = self._kept[:size], self._kept[size:]
            return bytes(part)
        data = self._again(lambda: self._next(min(size, PIECE)))
        if not data and (reason := self._mismatch()):
            raise exception.BackupDataError(where=self._where, reason=reason)
        return data

    def close(self) -> None:
        """Drop what was not read."""
        self._kept = self._buffer = None
        self._memory.give_back(self._taken)
        self._taken = 0
        self._drop_answer()

    # -------------------------------------------------------------------------------- attempts
    def _again(self, attempt: Callable[[], T]) -> T:
        while True:
            try:
                return attempt()
            except Fault as fault:
                self._drop_answer()
                if self._offset - self._fault_at >= RENEWED_BYTES:
                    self._attempts = faults.Attempts(self._policy, self._where)
                self._fault_at = self._offset
                self._attempts.failed(fault)

    def _ask(self) -> None:
        """Get an answer with the content from the present offset on."""
        self._policy.before()
        answer = self._open_at(self._offset, self._etag if self._offset else None)
        self._policy.succeeded()
        self._answer = answer
        if self._offset == 0:
            length = answer.headers.get('Content-Length')
            self._length = int(length) if length else None
            self._etag = answer.headers.get('ETag')
            return
        found = _RANGE.fullmatch(answer.headers.get('Content-Range', ''))
        # The header counts: some servers send it with status 200 instead of 206.
        start = int(found[1]) if found else 0
        if start > self._offset:
            raise Fault(f'the answer begins at {start} instead of {self._offset}')
        # A store that knows no ranges begins anew.
        while start < self._offset:
            skipped = len(answer.read(min(PIECE, self._offset - start)))
            if not skipped:
                raise Fault(f'the answer ended after {start} bytes')
            start += skipped

    def _load(self) -> memoryview:
        """Read the whole object into memory; an interrupted attempt is continued by the next."""
        if self._answer is None:
            self._ask()
        if self._offset == 0:
            self._buffer = bytearray(self._length or 0)
        assert self._buffer is not None  # nosec B101
        while data := self._next(PIECE):
            self._buffer[self._offset - len(data):self._offset] = data
        if reason := self._mismatch():
            self._restart()
            raise Fault(reason)
        return memoryview(self._buffer)

    def _next(self, size: int) -> bytes:
        if self._answer is None:
            self._ask()
        assert self._answer is not None  # nosec B101
        began = time.monotonic()
        data = self._answer.read(size)
        if not data:
            if self._length is not None and self._offset < self._length:
                raise Fault(f'the answer ended after {self._offset} of {self._length} bytes')
            return data
        self._check_speed(time.monotonic() - began, len(data))
        self._offset += len(data)
        if self._length is not None and self._offset > self._length:
            raise exception.BackupDataError(
                where=self._where, reason=f'the store sends more than the {self._length} bytes '
                                          'that its first answer announced')
        self._md5.update(data)
        return data

    def _check_speed(self, seconds: float, received: int) -> None:
        """Only the time in which this side waits counts: a reader may be slow."""
        self._waited += seconds
        self._received += received
        if self._waited < self._timeout:
            return
        slow = self._received < SLOWEST * self._waited
        reason = f'only {self._received} bytes came in {self._waited:.0f} s'
        self._waited, self._received = 0.0, 0
        if slow:
            raise Fault(reason, timed_out=True)

    def _mismatch(self) -> str | None:
        """Return how the content differs from what the store says, or None."""
        stated = _MD5.fullmatch(self._etag or '')
        found = self._md5.hexdigest()
        if not self._verify or stated is None or stated[1].lower() == found:
            return None
        return f'the MD5 digest of the content is {found}, the store says {stated[1]}'
