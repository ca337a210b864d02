# SPDX-License-Identifier: Apache-2.0
"""Threads that read and hash an image: what ends them, and what they say of errors."""
import hashlib
import threading

import pytest

from cinder.image import image_stream


def test_all_chunks_come_in_order():
    with image_stream.read_ahead((bytes([n]) for n in range(99)), lambda: None) as chunks:
        assert b''.join(chunks) == bytes(range(99))


def test_an_error_of_the_reader_is_that_of_the_caller():
    def broken():
        yield b'x'
        raise KeyError('network')

    with image_stream.read_ahead(broken(), lambda: None) as chunks, pytest.raises(KeyError):
        list(chunks)


@pytest.mark.parametrize('ahead', [0, 1, 99])
def test_a_reader_whose_caller_stops_ends_and_closes(ahead):
    closed = threading.Event()

    def endless():
        try:
            while True:
                yield b'x'
        finally:
            closed.set()

    with (pytest.raises(ZeroDivisionError),
          image_stream.read_ahead(endless(), lambda: None) as chunks):
        for _number in range(ahead):
            next(chunks)
        raise ZeroDivisionError
    assert closed.wait(5)


def test_what_comes_in_a_silence_is_chosen(monkeypatch):
    monkeypatch.setattr(image_stream, 'LOOKS', 0.001)
    answered = threading.Event()

    def silent():
        answered.wait(9)
        yield b'late'

    with image_stream.read_ahead(silent(), lambda: b'') as chunks:
        assert next(chunks) == b'' == next(chunks)
        answered.set()
        assert b''.join(chunks) == b'late'


def test_who_waits_for_silence_can_stop(monkeypatch):
    monkeypatch.setattr(image_stream, 'LOOKS', 0.001)
    answered = threading.Event()

    def silent():
        answered.wait(9)
        yield b'late'

    def check():
        raise KeyError('cancelled')

    try:
        with image_stream.read_ahead(silent(), check) as chunks, pytest.raises(KeyError):
            next(chunks)
    finally:
        answered.set()


def test_hashing_beside_the_caller():
    digest = hashlib.sha256()
    with image_stream.hashing(digest.update) as hashing:
        for number in range(20):
            hashing.put(bytes([number]))
    assert digest.digest() == hashlib.sha256(bytes(range(20))).digest()


def test_an_error_of_the_hash_does_not_hang():
    def refuse(_chunk):
        raise KeyError('no such hash')

    with pytest.raises(KeyError), image_stream.hashing(refuse) as hashing:
        for _number in range(20):
            hashing.put(b'x')
    with pytest.raises(ZeroDivisionError), image_stream.hashing(refuse) as hashing:
        hashing.put(b'x')
        raise ZeroDivisionError
