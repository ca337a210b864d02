# SPDX-License-Identifier: Apache-2.0
"""The examples of doc/source/backups.rst: each is a configuration with which the driver starts."""
import pathlib
import re

import pytest

from cinder import service_user
from cinder.backup import driver
from cinder.conf import option_values, unknown_options
from tests.unit.conf.conftest import parse  # noqa: F401

PAGE = (pathlib.Path(__file__).parents[3] / 'doc/source/backups.rst').read_text()
EXAMPLES = [(found[1], re.sub('^    ', '', found[2], flags=re.MULTILINE)) for found in re.finditer(
    r'^\.\. example: (\S+)\n\n::\n\n((?:    .*\n|\n)+)', PAGE, re.MULTILINE)]


def test_each_driver_has_an_example():
    assert {path.rpartition('.')[2] for path, _text in EXAMPLES} == {
        'PosixBackupDriver', 'NFSBackupDriver', 'S3BackupDriver', 'SwiftBackupDriver'}


@pytest.mark.parametrize(('path', 'text'), EXAMPLES, ids=lambda value: value.split('.')[-1][:18])
def test_the_driver_starts_with_the_example(path, text, parse, monkeypatch):  # noqa: F811
    conf = parse(text)
    assert [*option_values.check(conf), *unknown_options.check(conf)] == []
    if '[service_user]' in text:
        monkeypatch.setattr(service_user, 'plugin', lambda: None)
    assert driver.load(conf).class_path() == path


def test_the_numbers_of_the_page_are_those_of_the_code():
    from cinder.backup.drivers import nfs
    from cinder.backup.object_store import faults
    said = ' '.join(PAGE.split())
    assert f'``down`` {nfs.CHECK_SECONDS:.0f} seconds later' in said
    assert f'A pause is at most {faults.LONGEST_PAUSE:.0f} seconds' in said
    *first, last = sorted(faults.TEMPORARY)
    assert f'statuses {", ".join(map(str, first))} and {last}' in said
