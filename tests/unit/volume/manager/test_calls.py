# SPDX-License-Identifier: Apache-2.0
"""The places of calls: one project leaves some to the others, and all of them come back."""
import contextlib

import pytest

from cinder import exception
from cinder.volume.manager import calls


def test_a_project_leaves_places_to_the_others():
    places = calls.Places(32)

    def take(stack, project):
        number = 0
        with contextlib.suppress(exception.TooManyCalls):
            while True:
                stack.enter_context(places.one(project))
                number += 1
        return number

    with contextlib.ExitStack() as stack:
        assert take(stack, 'crowd') == 24
        # Another crowd does not take the rest either.
        assert take(stack, 'second') == 6
        with places.one('other'):
            pass
        # None is a project like any other.
        with places.one(None), pytest.raises(exception.TooManyCalls), places.one('crowd'):
            pass
    with contextlib.ExitStack() as stack:
        assert take(stack, 'crowd') == 24


def test_a_call_that_fails_gives_its_place_back():
    places = calls.Places(1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), places.one('p'):
            raise ZeroDivisionError
