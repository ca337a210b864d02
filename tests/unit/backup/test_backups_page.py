# SPDX-License-Identifier: Apache-2.0
"""The examples of doc/source/backups.rst and ceph.rst: each is a configuration with which the
driver starts."""
import pathlib
import re

import pytest

from cinder import service_user
from cinder.backup import driver
from cinder.conf import option_values, unknown_options
from tests.unit.conf.conftest import parse  # noqa: F401

PAGE, CEPH = ((pathlib.Path(__file__).parents[3] / 'doc/source' / name).read_text()
              for name in ('backups.rst', 'ceph.rst'))
EXAMPLES = [(found[1], re.sub('^    ', '', found[2], flags=re.MULTILINE)) for found in re.finditer(
    r'^\.\. example: (\S+\.\S+|volume)\n\n::\n\n((?:    .*\n|\n)+)', PAGE + CEPH, re.MULTILINE)]
VOLUMES = [EXAMPLES.pop(number) for number, (path, _text) in enumerate(EXAMPLES)
           if path == 'volume']


def test_each_driver_has_an_example():
    assert {path.rpartition('.')[2] for path, _text in EXAMPLES} == {
        'PosixBackupDriver', 'NFSBackupDriver', 'S3BackupDriver', 'SwiftBackupDriver',
        'CephBackupDriver'}


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


def test_the_back_end_of_the_page_has_known_options(parse):  # noqa: F811
    (_name, text), = VOLUMES
    conf = parse(text)
    assert [*option_values.check(conf), *unknown_options.check(conf)] == []


def test_the_kinds_of_findings_are_on_the_page():
    """Of those that an audit of RBD finds."""
    source = (pathlib.Path(__file__).parents[3] / 'cinder/volume/drivers/rbd_audit.py').read_text()
    kinds = set(re.findall(r"Finding\(\s*'(\w+)'", source))
    assert kinds and all(f'``{kind}``' in CEPH for kind in kinds)
