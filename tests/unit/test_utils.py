# SPDX-License-Identifier: Apache-2.0
"""Texts of libraries without the passwords in them, and what of a failure is in the log."""
import logging

import pytest

from cinder import exception, utils


@pytest.mark.parametrize(('text', 'masked'), [
    ('postgresql://cinder:s3cret@db/cinder', 'postgresql://cinder:***@db/cinder'),
    ('rabbit://a:p@q@h:1,b:r@i:2/v', 'rabbit://a:***@i:2/v'),
    ('redis://:s3cret@h:6379', 'redis://:***@h:6379'),
    ('at http://host:80/path and user@example.org', None),
    ('{"password": "s3cret"}', '{"password": "***"}'),
    ('nothing to hide: 1', None)])
def test_masked(text, masked):
    assert utils.masked(text) == (masked or text)


@pytest.mark.parametrize(('error', 'level', 'traceback'), [
    (exception.DatabaseUnavailable(), 'DEBUG', True), (exception.RPCTimeout(), 'WARNING', False),
    (ValueError('x'), 'ERROR', True)])
def test_only_faults_have_a_traceback_in_the_log(caplog, error, level, traceback):
    caplog.set_level('DEBUG')
    try:
        raise error
    except Exception:
        utils.log_failure(logging.getLogger('x'), 'It failed on %s.', 'host')
    (record,) = caplog.records
    assert record.levelname == level and bool(record.exc_info) is traceback
    assert record.getMessage().startswith('It failed on host.')
