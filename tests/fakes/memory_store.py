# SPDX-License-Identifier: Apache-2.0
"""A backup store in memory."""
import contextlib
import io
from collections.abc import Iterator

from oslo_config import cfg

from cinder import exception, objects
from cinder.backup import driver


class MemoryBackupDriver(driver.BackupDriver):
    """:ivar objects: (container, name) -> content
    :ivar trouble: raised by every call while it is set
    """

    object_size, block_size = 2 ** 20, 2 ** 15

    def __init__(self, conf: cfg.ConfigOpts | None = None) -> None:
        super().__init__(conf)
        self.objects: dict[tuple[str, str], bytes] = {}
        self.trouble: Exception | None = None

    @classmethod
    def get_driver_options(cls) -> list[cfg.Opt]:
        return []

    def check(self) -> None:
        if self.trouble:
            raise self.trouble

    def container_of(self, backup: objects.Backup) -> str:
        return backup.container or 'default'

    def create_container(self, container: str) -> None:
        self.check()

    @contextlib.contextmanager
    def writer(self, container: str, name: str) -> Iterator[io.BytesIO]:
        self.check()
        content = io.BytesIO()
        yield content
        self.objects[container, name] = content.getvalue()

    @contextlib.contextmanager
    def reader(self, container: str, name: str) -> Iterator[io.BytesIO]:
        self.check()
        try:
            yield io.BytesIO(self.objects[container, name])
        except KeyError:
            raise exception.BackupObjectNotFound(where=f'{container}/{name}') from None

    def names(self, container: str, prefix: str) -> list[str]:
        self.check()
        return sorted(name for place, name in self.objects
                      if place == container and name.startswith(prefix))

    def delete(self, container: str, name: str) -> None:
        self.check()
        self.objects.pop((container, name), None)
