# SPDX-License-Identifier: Apache-2.0
"""doc/source/monitoring.rst names every metric, and no other."""
import pathlib
import re

from cinder.api import deployment_metrics
from cinder.metrics import table

PAGE = (pathlib.Path(__file__).parents[3] / 'doc/source/monitoring.rst').read_text()


def test_the_page_names_the_metrics():
    named = re.findall(r'^``(cinder_\w+)``|, ``(cinder_\w+)``', PAGE, re.MULTILINE)
    named = [first or second for first, second in named]
    assert len(named) == len(set(named))
    assert set(named) == {*table.METRICS, *deployment_metrics.GAUGES}
