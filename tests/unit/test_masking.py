# SPDX-License-Identifier: Apache-2.0
"""Texts of libraries without the passwords in them."""
import pytest

from cinder import masking


@pytest.mark.parametrize(('text', 'masked'), [
    ('postgresql://cinder:s3cret@db/cinder', 'postgresql://cinder:***@db/cinder'),
    ('rabbit://a:p@q@h:1,b:r@i:2/v', 'rabbit://a:***@i:2/v'),
    ('redis://:s3cret@h:6379', 'redis://:***@h:6379'),
    ('at http://host:80/path and user@example.org', None),
    ('{"password": "s3cret"}', '{"password": "***"}'),
    ('nothing to hide: 1', None)])
def test_masked(text, masked):
    assert masking.masked(text) == (masked or text)
