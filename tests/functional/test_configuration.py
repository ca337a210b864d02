# SPDX-License-Identifier: Apache-2.0
"""Options with wrong values: a daemon serves, or ends with one line and status 1. No loop, no
traceback, no 500. Thousands are tried in forked children, some with real daemons."""

import concurrent.futures
import json
import os
import queue
import random
import shutil
import subprocess
import sys
import time

import pytest

from tests.functional import configurations
from tests.functional.configurations import PROJECT, ROOT, SECONDS
from tests.functional.daemon import Daemon
from tests.functional.processes import children, wait_until

# Print what failed, with the seed: the same number chooses the same cases again.
SEED = int(os.environ.get('CONFIGURATION_SEED', 0)) or random.randrange(1, 10**6)
DAEMONS = {'all': 48, 'api': 5, 'scheduler': 5, 'volume': 5, 'backup': 5}
AT_ONCE = 3
# Seconds for which a daemon that serves is watched.
WATCHED = 1


@pytest.fixture(scope='module')
def template(tmp_path_factory):
    """A folder with a database that has its tables."""
    folder = tmp_path_factory.mktemp('configurations')
    configurations.write(folder / 'cinder.conf', configurations.configuration(folder))
    subprocess.run([sys.executable, '-c', 'from cinder.cmd.manage import main; main()',
                    '--config-file', folder / 'cinder.conf', 'db', 'sync'],
                   cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.mark.timeout(1500)
def test_each_option_in_a_forked_child(template):
    """Two processes, each with half of the cases."""
    runs = [subprocess.Popen(
        [sys.executable, '-W', 'ignore', '-m', 'tests.functional.configurations', template,
         str(first), '2', str(SEED)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for first in range(2)]
    try:
        lines = [line for run in runs for line in run.communicate()[0].splitlines()]
    finally:
        for run in runs:
            run.kill()
    assert [run.returncode for run in runs] == [0, 0], lines[-5:]
    faults = [json.loads(line) for line in lines if line.startswith('{')]
    tried = sum(int(line) for line in lines if line.isdigit())
    assert tried == len(configurations.chosen(SEED)) >= 2000
    shown = [f'{fault["case"]}: {fault["fault"]}\n{fault["text"]}' for fault in faults[:20]]
    assert not faults, '\n\n'.join([f'CONFIGURATION_SEED={SEED}', *shown])


class Trial(Daemon):
    """A daemon with one wrong option."""

    def __init__(self, folder, template, module: str, case) -> None:
        folder.mkdir()
        shutil.copy(template / 'cinder.sqlite', folder)
        super().__init__(folder, module)
        self.case = case
        self._cwd = folder
        self.argv = ['/bin/sh', '-c', 'cd "$0" && exec "$@"', str(folder), *self.argv]

    def fault(self, transport: str) -> str | None:
        """Start it; returns what is wrong, None when it serves or ends as it should.

        :param transport: URL of a bus that no other daemon uses now: all have the same names.
        """
        default = {} if self.name == 'all' else {'transport_url': transport}
        if self.name == 'backup':
            default['backup_driver'] = 'cinder.backup.drivers.posix.PosixBackupDriver'
        configurations.write(self.path,
                             configurations.configuration(self._cwd, self.case, **default))
        self.start()
        try:
            wait_until(lambda: not self.running or self.serves(), SECONDS, 'an end or an answer')
            if self.running:
                return self._fault_while_it_serves()
        except TimeoutError:
            if not self.running or not self.waits():
                return f'neither serves nor ends within {SECONDS} s'
        finally:
            self.stop()
        return configurations.fault_of(f'{self.name}.py', self.text(), self.exit_status)

    def text(self) -> str:
        """What it printed, and what it logged into the file that the case names."""
        file = self._cwd / self.case.value
        return super().text() + (file.read_text(errors='replace')
                                 if self.case.name == 'log_file' and file.is_file() else '')

    def serves(self) -> bool:
        """Whether it does what it is there for."""
        return self.answers() if self.name in ('all', 'api') else 'is up.' in self.text()

    def waits(self) -> bool:
        """Whether it waits for somebody who may come."""
        return self.text().count('waiting for it') == 1

    def _fault_while_it_serves(self) -> str | None:
        before = children(self.pid)
        wrong = self._ask() if self.name in ('all', 'api') else {}
        time.sleep(WATCHED)
        if wrong:
            return f'answers {wrong}'
        if not self.running or children(self.pid) != before:
            return 'its processes do not last'
        return configurations.fault_of(f'{self.name}.py', self.text(), None)

    def _ask(self) -> dict[str, int]:
        found = {}
        for method, path in configurations.REQUESTS:
            body = {'volume': {'size': 1}} if method == 'POST' else None
            status, _text = self.ask(path.format(project=PROJECT) or '/', method, body)
            if status >= 500 and status != 503:
                found[f'{method} {path}'] = status
        return found


@pytest.mark.timeout(900)
def test_some_options_with_real_daemons(template, tmp_path, broker):
    """Other cases each time."""
    print('CONFIGURATION_SEED =', SEED)
    modules = [module for module, number in DAEMONS.items() for _ in range(number)]
    chosen = random.Random(SEED).sample(configurations.cases(SEED), len(modules))
    buses: queue.SimpleQueue[str] = queue.SimpleQueue()
    for number in range(AT_ONCE):
        buses.put(broker.url(f'configuration-{number}'))

    def fault(trial: Trial) -> str | None:
        bus = buses.get()
        try:
            return trial.fault(bus)
        finally:
            buses.put(bus)

    trials = [Trial(tmp_path / str(number), template, module, case)
              for number, (module, case) in enumerate(zip(modules, chosen, strict=True))]
    assert len(trials) >= 60
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(fault, trials))
    assert not any(found), f'CONFIGURATION_SEED={SEED}\n' + '\n\n'.join(
        f'cinder-{trial.name}: {trial.case}: {fault}\n{trial.tail()}'
        for trial, fault in zip(trials, found, strict=True) if fault)
