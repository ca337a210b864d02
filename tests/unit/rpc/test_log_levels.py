# SPDX-License-Identifier: Apache-2.0
"""Log levels are told for all loggers, and changed for ours unless others are named."""
import logging

import pytest

from cinder.rpc import log_levels


@pytest.fixture(autouse=True)
def _levels_stay():
    before = {name: logging.getLogger(name).level for name in logging.root.manager.loggerDict}
    yield
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


@pytest.mark.parametrize(('prefix', 'ours', 'theirs'), [
    ('', 'DEBUG', 'WARNING'), ('cinder', 'DEBUG', 'WARNING'), ('library', 'WARNING', 'DEBUG')])
def test_a_library_has_to_be_named(prefix, ours, theirs):
    for name in ('cinder.some', 'library.sql'):
        logging.getLogger(name).setLevel('WARNING')
    log_levels.LogLevels().set_log_levels(None, prefix, 'DEBUG')
    assert log_levels.get_levels('cinder.some') == {'cinder.some': ours}
    assert log_levels.get_levels('library.sql') == {'library.sql': theirs}


def test_all_are_told():
    logging.getLogger('library.sql').setLevel('ERROR')
    assert log_levels.LogLevels().get_log_levels(None, '')['library.sql'] == 'ERROR'
