# SPDX-License-Identifier: Apache-2.0
"""The version of this package, as its installed metadata tells."""
from importlib import metadata

UNINSTALLED = '0.0.0'


def version_string() -> str:
    """Version text such as '1.2.0'; '0.0.0' when run from a tree that was never installed."""
    try:
        return metadata.version('cinder')
    except metadata.PackageNotFoundError:
        return UNINSTALLED
