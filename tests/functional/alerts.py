# SPDX-License-Identifier: Apache-2.0
"""Alert rules of etc/cinder/prometheus on what the metrics were before and after a fault: promtool
evaluates them on written series."""
import json
import os
import pathlib
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence

RULES = pathlib.Path(__file__).parents[2] / 'etc/cinder/prometheus/alerts.yaml'
# Minute of the fault, and the minutes at which the rules are evaluated: `for` of most is shorter.
FAULT, SOON, LATE = 20, 24, 58
# The metrics that the rules ask for.
ASKED = frozenset(re.findall(r'cinder_\w+', RULES.read_text()))
FIRING = 'count by (alertname) (ALERTS{alertstate="firing"})'
# Whether all faults are caused in a suite, and not a slice of them.
FULL = bool(os.environ.get('ALERTS_FULL'))
# Alert -> the file and the function with which a fault of services that run makes it fire.
_SUITE, _DAEMONS = 'test_alerts_in_suite.py', 'test_alerts_of_daemons.py'
RUNNING = {
    'CinderDeploymentUnknown': (_SUITE, 'process_is_killed'),
    'CinderDatabaseDown': (_SUITE, 'database_is_away'),
    'CinderServiceDown': (_DAEMONS, 'service_is_killed'),
    'CinderServiceFailing': (_SUITE, 'storage_is_gone'),
    'CinderOperationsStuck': (_SUITE, 'operation_is_not_begun'),
    'CinderOperationsFailing': (_SUITE, 'operations_fail'),
    'CinderOperationsRetried': (_SUITE, 'process_is_killed_during_operations'),
    'CinderClaimsLost': (_SUITE, 'another_host_takes_over'),
    'CinderExecutorFull': (_SUITE, 'all_places_are_taken'),
    'CinderApiErrors': (_SUITE, 'requests_end_with_503'),
    'CinderApiSlow': (_SUITE, 'requests_are_slow'),
    'CinderDatabaseErrors': (_DAEMONS, 'database_cuts_connections'),
    'CinderMessagesLost': (_DAEMONS, 'broker_is_killed'),
    'CinderMessagesUnanswered': (_DAEMONS, 'service_stands_still'),
    'CinderNotificationsWait': (_SUITE, 'broker_of_notifications_is_away'),
    'CinderCommandsOverdue': (_DAEMONS, 'target_hangs'),
    'CinderExportsFailing': (_DAEMONS, 'target_is_killed'),
    'CinderCephErrors': (_DAEMONS, 'ceph_stands_still'),
    'CinderStorageDiffers': (_SUITE, 'file_of_a_volume_is_lost'),
    'CinderPoolFull': (_SUITE, 'pool_is_full'),
    'CinderVolumesRefused': (_SUITE, 'no_pool_fits'),
}
# Alert -> why only the code meets its fault, in test_alerts.py, and no service that runs.
IN_PROCESS = {
    'CinderBackendUnseen': 'a system call has to hang for a quarter of an hour; what a command or '
                           'Ceph does not answer is an error after some seconds',
    'CinderPoolMetadataFull': 'a thin pool of LVM whose metadata are nearly full',
    'CinderPoolFullSoon': 'a forecast begins an hour after the start of a process',
}
# (name, (label, value), ...) -> value
Page = Mapping[tuple, float]


def is_installed() -> bool:
    """Return whether there is a promtool."""
    return shutil.which('promtool') is not None


def case(alert: str, before: Page, after: Page, minute: int, hangs: bool = False) -> dict:
    """Return a test of promtool: before the fault nothing fires, after it this alert and no other.

    :param minute: when the rules are evaluated, SOON or LATE
    :param hangs: the storage is not looked at any more
    """
    return {'interval': '1m', 'name': alert, 'input_series': [
        {'series': _named(key), 'values': _values(key, before, after, hangs)}
        for key in sorted(before.keys() | after.keys()) if key[0] in ASKED], 'promql_expr_test': [
            {'expr': FIRING, 'eval_time': f'{FAULT - 1}m', 'exp_samples': []},
            {'expr': FIRING, 'eval_time': f'{minute}m', 'exp_samples': [
                {'labels': f'{{alertname="{alert}"}}', 'value': 1}]}]}


def check(cases: Sequence[dict], folder: pathlib.Path) -> None:
    """Evaluate the rules; one run for all is ten times as fast.

    :raises AssertionError: with what promtool says
    """
    path = folder / 'check.yaml'
    # JSON is YAML, and is read faster.
    path.write_text(json.dumps({'rule_files': [str(RULES)], 'evaluation_interval': '1m',
                                'tests': list(cases)}))
    done = subprocess.run(['promtool', 'test', 'rules', path], capture_output=True, text=True,
                          check=False)
    assert cases and done.returncode == 0, done.stdout + done.stderr


def _named(key: tuple) -> str:
    labels = {'instance': 'here', 'job': 'cinder', **dict(key[1:])}
    return f'{key[0]}{{{",".join(f"{name}={json.dumps(labels[name])}" for name in labels)}}}'


def _values(key: tuple, before: Page, after: Page, hangs: bool) -> str:
    """Return the values of a series, one a minute: those before, and those after the fault."""
    rest = LATE + 5 - FAULT
    if key[0].endswith('_timestamp_seconds'):
        # The clock of promtool begins at 0; a storage that does not hang is looked at each minute.
        assert not hangs or after[key] == before[key]
        return f'0+60x{FAULT - 1} ' + (f'{FAULT * 60}x{rest}' if hangs
                                       else f'{FAULT * 60}+60x{rest}')
    parts = ((before, FAULT - 1), (after, rest))
    # promtool reads no infinite values; it repeats a value so many times more, but no value so many
    # times.
    return ' '.join(f'{min(page[key], 1e99)!r}x{number}' if key in page else f'_x{number + 1}'
                    for page, number in parts)
