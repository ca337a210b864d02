# SPDX-License-Identifier: Apache-2.0
"""What of a failure is in the log."""
import logging

import pytest

from cinder import exception, failures


@pytest.mark.parametrize(('error', 'level', 'traceback'), [
    (exception.DatabaseUnavailable(), 'DEBUG', True), (exception.RPCTimeout(), 'WARNING', False),
    (ValueError('x'), 'ERROR', True)])
def test_only_faults_have_a_traceback_in_the_log(caplog, error, level, traceback):
    caplog.set_level('DEBUG')
    try:
        raise error
    except Exception:
        failures.log(logging.getLogger('x'), 'It failed on %s.', 'host')
    (record,) = caplog.records
    assert record.levelname == level and bool(record.exc_info) is traceback
    assert record.getMessage().startswith('It failed on host.')
