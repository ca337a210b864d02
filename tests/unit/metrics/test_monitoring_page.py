# SPDX-License-Identifier: Apache-2.0
"""doc/source/monitoring.rst names every metric and every alert, and the rules and the board of
etc/cinder/prometheus ask for nothing else."""
import json
import pathlib
import re

import pytest
import yaml

from cinder.api import deployment_metrics
from cinder.metrics import table

ROOT = pathlib.Path(__file__).parents[3]
PAGE = (ROOT / 'doc/source/monitoring.rst').read_text()
RULES, BOARD = (ROOT / 'etc/cinder/prometheus' / name for name in ('alerts.yaml', 'grafana.json'))
NAMES = {*table.METRICS, *deployment_metrics.GAUGES}
# What Prometheus stores of a histogram.
STORED = NAMES | {f'{name}_{part}' for name, metric in table.METRICS.items()
                  if metric.kind == table.HISTOGRAM for part in ('bucket', 'count', 'sum')}


def test_the_page_names_the_metrics():
    named = re.findall(r'^``(cinder_\w+)``|, ``(cinder_\w+)``', PAGE, re.MULTILINE)
    named = [first or second for first, second in named]
    assert len(named) == len(set(named))
    assert set(named) == NAMES


@pytest.mark.parametrize('path', [RULES, BOARD], ids=['rules', 'board'])
def test_only_metrics_that_exist_are_asked_for(path):
    asked = set(re.findall(r'cinder_\w+', path.read_text()))
    assert asked - STORED == set()


def test_the_page_names_the_alerts():
    rules = [rule for group in yaml.safe_load(RULES.read_text())['groups']
             for rule in group['rules']]
    assert set(re.findall(r'``(Cinder\w+)``', PAGE)) == {rule['alert'] for rule in rules}


def test_the_board_has_what_the_rules_ask_for():
    asked, drawn = (set(re.findall(r'cinder_\w+', path.read_text())) for path in (RULES, BOARD))
    assert asked - drawn == set()
    # And what has no rule.
    assert {f'cinder_{name}' for name in (
        'pool_trash_bytes', 'pool_trash_resources', 'notifications_sent_total',
        'notifications_failed_total', 'notifications_waiting', 'events_kept')} <= drawn


def test_the_panels_do_not_overlap():
    taken = [(x, y) for panel in json.loads(BOARD.read_text())['panels']
             for place in [panel['gridPos']]
             for x in range(place['x'], place['x'] + place['w'])
             for y in range(place['y'], place['y'] + place['h'])]
    assert len(taken) == len(set(taken)) and max(taken)[0] < 24


def test_the_board():
    panels = json.loads(BOARD.read_text())['panels']
    assert len({panel['id'] for panel in panels}) == len(panels) > 10
    assert [panel['title'] for panel in panels if not panel['targets']] == []
