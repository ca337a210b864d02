# SPDX-License-Identifier: Apache-2.0
"""One more host beside the service of tests/lvm/rest, with thick volume groups of its own."""
import contextlib
import pathlib
import subprocess
from collections.abc import Iterator, Mapping

from tests.functional.processes import wait_until
from tests.functional.suite import Node
from tests.lvm import group, service
from tests.lvm.service import TIMEOUT_SECONDS


class Host(service.LVMSuite):
    """The volume service of this host; everything else is that of another suite.

    :ivar host: its name
    """

    def __init__(self, folder: pathlib.Path, suite: service.LVMSuite, host: str,
                 groups: Mapping[str, int], thick: Mapping[str, object],
                 default: Mapping[str, object]) -> None:
        """
        :param folder: of its files
        :param groups: its back ends, with the MiB of the group of the same name
        :param thick: more options of each back end
        :param default: more options of the group DEFAULT
        """
        self.host, self.groups, self._thick = host, groups, thick
        super().__init__(folder, suite.database, suite.transport, suite.tgtd,
                         nodes=[Node(host, ('volume',))], backends=tuple(groups), faults=False,
                         options={'DEFAULT': {'service_down_time': 40, 'report_interval': 8,
                                              'debug': True, **default}})
        self.port = suite.port

    def _backend(self, name):
        return super()._backend(group.NAME) | {
            'volume_group': name, 'volume_backend_name': name, 'lvm_type': 'default',
            'volume_clear': 'none', **self._thick}

    @property
    def is_up(self) -> bool:
        """Whether all of it is reported up, and the scheduler knows its pools."""
        return self.knows_pools() and {
            ('cinder-volume', f'{self.host}@{name}') for name in self.backends} <= self.up()

    def kill(self) -> None:
        """End it without giving it time."""
        self.processes['volume'].kill9()


@contextlib.contextmanager
def running(folder: pathlib.Path, suite: service.LVMSuite, host: str, groups: Mapping[str, int],
            thick: Mapping[str, object], **default: object) -> Iterator[Host]:
    """A Host that is up, and a volume type of the name of each of its back ends. The groups are
    removed at the end, whatever is in them; who forgets the rows is the test."""
    with contextlib.ExitStack() as stack:
        for name, mebibytes in groups.items():
            stack.enter_context(service.loop_group(name, mebibytes))
        made = Host(folder, suite, host, groups, thick, default)
        stack.callback(_remove_groups, made)
        made.processes['volume'].start()
        wait_until(lambda: made.is_up, TIMEOUT_SECONDS, lambda: f'{host}\n{made.tails()}',
                   pause=0.3)
        for name in groups:
            suite.client().post('types', {'volume_type': {'name': name, 'extra_specs': {
                'volume_backend_name': name}}})
        yield made


def _remove_groups(made: Host) -> None:
    made.kill()
    for name in made.groups:
        # A copy may take a moment to die.
        wait_until(lambda name=name: _removed(name), TIMEOUT_SECONDS, f'group {name} to be unused',
                   pause=0.3)


def _removed(name: str) -> bool:
    return subprocess.run(['vgremove', '-qq', '-ff', '-y', name], capture_output=True,
                          check=False).returncode == 0
