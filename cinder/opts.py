# SPDX-License-Identifier: Apache-2.0
"""Options for oslo-config-generator: all options of this package by group, and those of libraries
in sections with names of this package. Entry points list the other options of libraries."""

from oslo_config import cfg

from cinder.conf import image, nova, options, service_user

# Sections with credentials of this service, which keystoneauth reads.
CREDENTIALS = ('keystone_authtoken', image.GROUP, nova.GROUP, service_user.GROUP)
# Sections of the privileged helpers of cinder.privsep and os-brick.
HELPERS = ('cinder_sys_admin', 'cinder_as_root', 'privsep_osbrick')


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Return the groups and options of a sample file, in the form of oslo.config."""
    return [*options.BY_GROUP.items(), *((group, _credentials(group)) for group in CREDENTIALS),
            *((group, _helper()) for group in HELPERS)]


def _credentials(group: str) -> list[cfg.Opt]:
    """Return the authentication options of a section, for a login with name and password."""
    from keystoneauth1 import loading
    listed = loading.get_auth_plugin_conf_options('password')
    if group != 'keystone_authtoken':
        # keystonemiddleware lists them for this section.
        listed += loading.get_auth_common_conf_options()
        # Services that are called with a token of [service_user] have their own connection options.
        if group != service_user.GROUP:
            listed += loading.get_session_conf_options()
    known = {opt.dest for opt in options.BY_GROUP.get(group, ())}
    return [opt for opt in listed if opt.dest not in known]


def _helper() -> list[cfg.Opt]:
    from oslo_privsep import priv_context
    # The sample of the library for this option is the code that computes its default.
    threads = cfg.IntOpt('thread_pool_size', min=1, sample_default=16,
                         help='Number of threads that run the commands.')
    return [opt for opt in priv_context.OPTS if opt.dest != threads.dest] + [threads]
