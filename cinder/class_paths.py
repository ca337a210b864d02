# SPDX-License-Identifier: Apache-2.0
"""Classes that options name as MODULE.CLASS."""
from oslo_utils import importutils

from cinder import exception, failures


def load(option: str, path: str) -> type:
    """Return the class that an option names.

    :raises InvalidConfigurationValue: there is no class of that name, or its module cannot be
        imported.
    """
    try:
        found: type = importutils.import_class(path)
        if not isinstance(found, type):
            raise ValueError('it is no class')
        return found
    except Exception as exc:  # a module can fail in any way
        raise exception.InvalidConfigurationValue(
            f'{option} = {path} cannot be loaded: {failures.one_line(exc)}; expected '
            'MODULE.CLASS') from exc
