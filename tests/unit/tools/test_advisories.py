# SPDX-License-Identifier: Apache-2.0
"""The check against known holes finds them, in what is installed and in what may be."""
import pytest

from tools import advisories


@pytest.mark.parametrize(('line', 'version'), [
    ('WebOb>=1.8.7', '1.8.7'), ('webob', '0'), ('WebOb!=1.8.9,>=1.8.8', '1.8.8'),
    ('WebOb==1.0', '1.0')])
def test_the_oldest_release_that_a_line_admits(line, version):
    assert [bound for _name, bound in advisories.lower_bounds(['# comment', '', line])] == [version]


def test_a_release_with_a_hole_is_told_with_the_one_that_has_none():
    line, = advisories.complaints([('WebOb', '1.8.7'), ('unheard.of', '0.1')], 'test admits')
    assert line.startswith('test admits WebOb 1.8.7') and '1.8.8' in line and 'CVE-' in line


@pytest.mark.parametrize('name', ['oslo.utils', 'Oslo_Utils', 'oslo-utils'])
def test_names_are_compared_as_the_index_does(name):
    assert len(list(advisories.complaints([(name, '4.12.0')], ''))) == 1


def test_the_release_of_the_fix_has_no_hole():
    rows = [(name, fixed) for name, (fixed, _advisory) in advisories.FIXED_IN.items()]
    assert list(advisories.complaints(rows, '')) == []
