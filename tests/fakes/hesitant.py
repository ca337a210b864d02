# SPDX-License-Identifier: Apache-2.0
"""A file driver that writes down what is asked of it and fails where a test wants it to."""
from cinder import exception
from cinder.volume import driver
from cinder.volume.drivers import file


class HesitantDriver(file.FileVolumeDriver, driver.Audits):
    """:cvar asked: the calls of all objects, in order.
    :cvar failing: names of calls, or ids of volumes to export, that fail.
    """

    asked: list[str] = []
    failing: set[str] = set()

    @classmethod
    def forget(cls) -> None:
        cls.asked.clear()
        cls.failing.clear()
        cls.supported = True

    def do_setup(self, ctxt):
        self._note('do_setup')
        super().do_setup(ctxt)

    def check_for_setup_error(self):
        self._note('check_for_setup_error')
        super().check_for_setup_error()

    def init_capabilities(self):
        self._note('init_capabilities')
        super().init_capabilities()

    def update_provider_info(self, volumes, snapshots):
        self._note('update_provider_info')
        return ([{'id': volume.id, 'provider_id': 'corrected'} for volume in volumes],
                [{'id': snapshot.id, 'provider_id': 'too'} for snapshot in snapshots])

    def ensure_export(self, ctxt, volume):
        self._note(f'ensure_export {volume.id}', volume.id)
        return {'provider_location': 'exported again'}

    def audit(self, rows, heal=False):
        return []

    def _note(self, text, name=None):
        self.asked.append(text)
        if (name or text) in self.failing:
            raise exception.VolumeBackendAPIException(data=f'{text} is no fun')
