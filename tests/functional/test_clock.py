# SPDX-License-Identifier: Apache-2.0
"""Clocks that are wrong (fault F34): one daemon is an hour late, another's clock jumps while it
works. The database's time is what counts, so nobody is called down and nothing is done twice."""

import pathlib
import shutil
import subprocess
import time

import pytest

from tests.functional import scenarios, test_bus
from tests.functional.oracle import Oracle
from tests.functional.suite import Suite

SOURCE = pathlib.Path(__file__).with_name('clock.c')
HOUR = 3600


class Skewed(Suite):
    """Scheduler and volume service have clocks that can be set."""

    def set_clock(self, name, offset):
        self._clock(name).write_text(str(offset))

    def _clock(self, name):
        return self.directory / f'clock-{name}'

    def _process(self, name, node):
        process = super()._process(name, node)
        if name in ('scheduler', 'volume'):
            process.env = process.env | {'LD_PRELOAD': str(self.directory / 'clock.so'),
                                         'CLOCK_FILE': str(self._clock(name))}
        return process

    def start(self):
        subprocess.run(['gcc', '-shared', '-fPIC', '-o', self.directory / 'clock.so', SOURCE],
                       check=True)
        self.set_clock('scheduler', -HOUR)
        self.set_clock('volume', 0)
        super().start()


@pytest.fixture
def skewed(installation, postgresql):
    if not shutil.which('gcc'):
        pytest.skip('gcc is not installed')
    options = {'DEFAULT': {'service_down_time': 10}}
    with installation('skewed', postgresql.url('skewed'), kind=Skewed, options=options) as suite:
        yield suite


def test_clocks_that_are_wrong(skewed):
    client, everybody = skewed.client(), skewed.up()
    running = [make(client) for make, _verb in scenarios.ALL.values()]
    for scenario in running:
        scenario.prepare()
    for offset in (HOUR, -HOUR):
        skewed.set_clock('volume', offset)
        # Two heartbeats, and time for the pollers to take what they might believe abandoned.
        ends = time.monotonic() + 5
        for scenario in running:
            scenario.request()
        while time.monotonic() < ends:
            assert skewed.up() == everybody
            time.sleep(0.2)
        for scenario in running:
            scenario.check_done()
        running = [scenarios.CreateEmpty(client)]
    made = [client.ready_volume() for _time in range(3)]
    moments = [volume[name] for volume in made for name in ('created_at', 'updated_at')]
    assert moments == sorted(moments)
    assert {line[:13] for line in skewed.processes['scheduler'].tail(3).splitlines()} == {
        time.strftime('%Y-%m-%d %H', time.localtime(time.time() - HOUR))}
    Oracle(skewed).check()
    assert test_bus.claims_beyond_need(skewed) == []
