# SPDX-License-Identifier: Apache-2.0
"""The pytest plugin: the fixture cinder_suite runs one suite for all tests, cinder_faults removes
the faults of a test at its end."""
from collections.abc import Iterator

import pytest

from cinder.testing.suite import Faults, Suite


@pytest.fixture(scope='session')
def cinder_suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    """A running Suite."""
    with Suite(tmp_path_factory.mktemp('cinder')) as suite:
        yield suite


@pytest.fixture
def cinder_faults(cinder_suite: Suite) -> Iterator[Faults]:
    """The faults of the suite; those of other tests are gone."""
    cinder_suite.faults.clear()
    yield cinder_suite.faults
    cinder_suite.faults.clear()
