# SPDX-License-Identifier: Apache-2.0
"""The library that completes register sets (tools/xstate.c), on a process that is traced here. The
area of every processor with AVX is longer than what is set, so that the kernel refuses it."""
import ctypes
import errno
import os
import platform
import shutil
import signal

import pytest

from tools import guest

pytestmark = pytest.mark.skipif(
    platform.machine() != 'x86_64' or not shutil.which('gcc')
    or not os.path.exists('/usr/include/stdio.h'), reason='needs x86_64 and a C compiler')

TRACEME, PEEKDATA, SETOPTIONS, GETREGSET, SETREGSET = 0, 2, 0x4200, 0x4204, 0x4205
EXIT_KILL = 0x100000
XSTATE = 0x202
# Offsets in the XSAVE area: the register xmm0, which components hold values, the AVX component.
XMM0, HELD, AVX = 160, 512, 576
WORD = ctypes.c_char_p(b'8 bytes!')


class Iovec(ctypes.Structure):
    _fields_ = (('base', ctypes.c_void_p), ('length', ctypes.c_size_t))


class Traced:
    """A stopped child process, and its registers through one implementation of ptrace()."""

    def __init__(self, library):
        self._ptrace = library.ptrace
        self._ptrace.restype = ctypes.c_long
        self._ptrace.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
        self.pid = os.fork()
        if not self.pid:
            self._ptrace(TRACEME, 0, None, None)
            os.kill(os.getpid(), signal.SIGSTOP)
            os._exit(0)
        os.waitpid(self.pid, os.WUNTRACED)
        self.call(SETOPTIONS, None, EXIT_KILL)

    def call(self, request, address, data):
        ctypes.set_errno(0)
        result = self._ptrace(request, self.pid, address, data)
        if ctypes.get_errno():
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return result

    def get(self):
        area = ctypes.create_string_buffer(65536)
        given = Iovec(ctypes.addressof(area), len(area))
        self.call(GETREGSET, XSTATE, ctypes.addressof(given))
        return bytearray(area.raw[:given.length])

    def set(self, content):
        area = ctypes.create_string_buffer(bytes(content), len(content))
        given = Iovec(ctypes.addressof(area), len(area))
        return self.call(SETREGSET, XSTATE, ctypes.addressof(given))


@pytest.fixture
def traced():
    children = []

    def start(library):
        children.append(Traced(library))
        return children[-1]
    yield start
    for child in children:
        os.kill(child.pid, signal.SIGKILL)
        os.waitpid(child.pid, 0)


@pytest.fixture(scope='module')
def library(tmp_path_factory):
    return ctypes.CDLL(guest.build_xstate(tmp_path_factory.mktemp('xstate')), use_errno=True)


def test_the_kernel_refuses_a_part_of_the_register_set(traced):
    child = traced(ctypes.CDLL(None, use_errno=True))
    with pytest.raises(OSError) as caught:
        child.set(child.get()[:AVX])
    assert caught.value.errno == errno.EFAULT


def test_a_part_is_set_and_what_is_behind_it_stays(traced, library):
    child = traced(library)
    area = child.get()
    area[HELD] |= 0b111
    area[AVX:AVX + 16] = b'upper half, kept'
    assert child.set(area) == 0
    area[XMM0:XMM0 + 16] = b'a register, set.'
    assert child.set(area[:AVX]) == 0
    assert child.get() == area


def test_other_requests_are_passed_on(traced, library):
    child = traced(library)
    address = ctypes.cast(WORD, ctypes.c_void_p).value
    assert child.call(PEEKDATA, address, None) == int.from_bytes(b'8 bytes!', 'little')
    with pytest.raises(OSError) as caught:
        child.call(PEEKDATA, 8, None)
    assert caught.value.errno == errno.EIO
