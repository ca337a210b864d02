# SPDX-License-Identifier: Apache-2.0
"""Folders among the options: what cannot be used is told before a service starts."""
import os
import types

import pytest

from cinder.conf import CONF, directories


@pytest.mark.parametrize(('path', 'words'), [
    ('/proc/no/such/folder', '/proc'), ('/dev/null', 'not a directory'),
    ('/dev/null/below', 'not a directory'), ('/' + 'x' * 300, 'too long')])
def test_unusable_folders(path, words):
    assert words in directories.unusable_reason(path)


def test_usable_folders_are_left_as_they_are(tmp_path):
    assert directories.unusable_reason(str(tmp_path)) is None
    assert directories.unusable_reason(str(tmp_path / 'new' / 'folder')) is None
    assert list(tmp_path.iterdir()) == []


def test_a_full_file_system(tmp_path, monkeypatch):
    monkeypatch.setattr(os, 'statvfs', lambda _path: types.SimpleNamespace(f_blocks=9, f_bavail=0))
    assert 'full' in directories.unusable_reason(str(tmp_path))


@pytest.mark.parametrize(('name', 'check'), [
    ('state_path', directories.check_state_path),
    ('image_conversion_dir', directories.check_working_directories)])
def test_the_option_and_its_value_are_named(name, check):
    CONF.set_override(name, '/dev/null')
    try:
        (problem,) = check(CONF)
    finally:
        CONF.clear_override(name)
    assert f'[DEFAULT] {name} = /dev/null' in problem.text and problem.fatal
