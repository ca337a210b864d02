# SPDX-License-Identifier: Apache-2.0
"""doc/source/glossary.rst: the files that it names exist, and its order holds."""
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PAGE = (ROOT / 'doc/source/glossary.rst').read_text()


@pytest.mark.parametrize('path', sorted(set(re.findall(r'``((?:cinder|tests)/[^`]+)``', PAGE))))
def test_files_that_are_named_exist(path):
    assert (ROOT / path).exists()


def test_terms_are_told_once_in_the_order_of_the_alphabet():
    terms = re.findall(r'^   (\w[\w -]*)$', PAGE, re.MULTILINE)
    assert terms == sorted(set(terms)) and len(terms) > 20
