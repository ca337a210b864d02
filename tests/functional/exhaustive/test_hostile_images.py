# SPDX-License-Identifier: Apache-2.0
"""The corpus of hostile and broken images, without qemu-img: which of them would get there.
tests/functional/test_hostile_images.py is the whole of it."""
import logging
import re

import pytest

from cinder import exception
from cinder.image import image_convert, image_properties
from tests.hostile_images import INSPECTION, MIB, PROPERTIES, ROOM, TRANSFER, all_cases


@pytest.fixture(autouse=True)
def _quiet():
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


def refusal(case):
    """Return why a case is refused before it is converted."""
    data = case.data() if case.at != PROPERTIES else b''
    image = case.image(data)
    try:
        image_properties.require_usable(image, 1)
        seen = image_convert.inspect(data[at:at + MIB] for at in range(0, len(data), MIB))
        for _chunk in seen:
            pass
        size = image_convert.require_safe(seen, image['id'], case.disk_format)
        # What image_download says.
        return f'virtual size of {image_properties.gibibytes(size)} GiB' if (
            size or 0) > ROOM else ''
    except exception.ImageUnacceptable as exc:
        return str(exc)


def test_what_is_refused_before_it_is_converted():
    cases = [case for case in all_cases()
             if case.at != TRANSFER and 'compressed' not in case.said.values()]
    wrong = {}
    for case in cases:
        words, reason = case.refused if case.at <= INSPECTION else '', refusal(case)
        if not re.search(words, reason) or bool(words) != bool(reason):
            wrong[case.name] = reason, words
    assert len(cases) > 400 and wrong == {}


def test_names_are_unique():
    names = [case.name for case in all_cases()]
    assert sorted(set(names)) == sorted(names)
