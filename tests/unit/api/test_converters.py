# SPDX-License-Identifier: Apache-2.0
"""Words that are true, and false."""
import pytest

from cinder.api import converters


@pytest.mark.parametrize('word', ['1', 't', 'True', 'ON', 'yes', 'y'])
def test_true(word):
    assert converters.boolean('n', word) is True


@pytest.mark.parametrize('word', ['0', 'f', 'False', 'OFF', 'no', 'n'])
def test_false(word):
    assert converters.boolean('n', word) is False
