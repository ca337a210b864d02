# SPDX-License-Identifier: Apache-2.0
"""The REST API: everything that knows HTTP."""


def root_app_factory(loader, global_conf, **local_conf):
    """Paste composite factory that mounts applications by path; kept for operators' ini files."""
    from paste import urlmap
    return urlmap.urlmap_factory(loader, global_conf, **local_conf)
