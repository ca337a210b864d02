# SPDX-License-Identifier: Apache-2.0
"""Tests of this folder run in a lab (tools/lab.py): outside, pytest only collects and reports them.
Inside, the fixtures here give them a volume group, a target daemon and an initiator."""
import os
import pathlib
import subprocess
import time

import pytest

from cinder.privsep import command
from tests.fakes import volumes
from tests.lvm import forward, group, initiator, share
from tools import guest, lab


def pytest_configure(config):
    if share.REPORTS in os.environ:
        config.pluginmanager.register(forward.Sender(config))


def pytest_collection_modifyitems(items):
    """Once there, the daemons stay, on the volume group that the other tests make anew."""
    items.sort(key=lambda item: item.path.parent.name == forward.SERVICE)


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session):
    """Run the others here and ours in the lab; without one, the fixture below skips ours."""
    mine = forward.inside(session.items)
    if not mine or session.config.option.collectonly or lab.inside() or lab.obstacle():
        return (yield)
    session.items[:] = [item for item in session.items if item not in mine]
    done = yield
    forward.forward(session, mine)
    return done


@pytest.fixture(scope='session', autouse=True)
def in_a_lab():
    if not lab.inside():
        pytest.skip(lab.obstacle())


class Clock:
    """Measures what happens in a `with` block: seconds, and the programs that were started."""

    def __init__(self, patch):
        self.commands: list[str] = []
        real = subprocess.Popen

        def start(argv, *args, **kwargs):
            self.commands.append(command._programs(argv)[-1])
            return real(argv, *args, **kwargs)
        patch.setattr(subprocess, 'Popen', start)

    def __enter__(self):
        self.commands = []
        self._began = time.monotonic()
        return self

    def __exit__(self, *_exc):
        self.seconds = time.monotonic() - self._began


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.fixture(scope='class')
def backend(request, without_udev):
    """A group.Storage of the KIND of the test's class; it lasts for the class."""
    group.make()
    with pytest.MonkeyPatch.context() as patch:
        group.scale_down(patch)
        yield group.Storage(lvm_type=request.cls.KIND)


@pytest.fixture
def storage(backend):
    yield backend
    group.clear()


@pytest.fixture
def exported(driver):
    """Makes volumes of the module's `driver` and exports them; all of them go at the end."""
    made = []

    def export():
        volume = volumes.volume()
        made.append(volume)
        driver.create_volume(volume)
        return volumes.stored(volume, driver.create_export(None, volume, initiator.CONNECTOR))
    yield export
    for volume in made:
        driver.remove_export(None, volume)
        driver.delete_volume(volume)
    assert driver.target.exports() == {}


@pytest.fixture(scope='module')
def without_udev():
    """In a guest, let LVM make the device nodes itself: there, three quarters of the time of each
    LVM command go to udev's programs. The tests of exports show that it works with udev too."""
    if os.environ[lab.DEVICE] != guest.DEVICE:
        yield
        return
    config = pathlib.Path(os.environ['LVM_SYSTEM_DIR'], 'lvm.conf')
    before = config.read_text()
    config.write_text(before.replace('activation {', 'activation {\n    udev_sync = 0\n'
                                                     '    udev_rules = 0'))
    subprocess.run(['udevadm', 'control', '--exit'], check=True)
    yield
    config.write_text(before)
    subprocess.run(['/lib/systemd/systemd-udevd', '--daemon'], check=True)
