# SPDX-License-Identifier: Apache-2.0
"""What oslo-config-generator asks for: every option of this package by group, and those that it
registers under names of its own. Other options of the libraries come from their entry points."""

from oslo_config import cfg

from cinder.conf import image, nova, options, service_user

# Sections that hold the credentials of this service, which keystoneauth reads.
CREDENTIALS = ('keystone_authtoken', image.GROUP, nova.GROUP, service_user.GROUP)
# Sections of the privileged helpers: those of cinder.privsep and that of os-brick.
HELPERS = ('cinder_sys_admin', 'cinder_as_root', 'privsep_osbrick')


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """The groups and options to put in a sample file, as oslo.config expects them."""
    return [*options.BY_GROUP.items(), *((group, _credentials(group)) for group in CREDENTIALS),
            *((group, _helper()) for group in HELPERS)]


def _credentials(group: str) -> list[cfg.Opt]:
    """What a section takes besides its own options, with a name and a password for a login."""
    from keystoneauth1 import loading
    listed = loading.get_auth_plugin_conf_options('password')
    if group != 'keystone_authtoken':
        # There these are in the list of keystonemiddleware.
        listed += loading.get_auth_common_conf_options()
        # Who is asked with a token of [service_user] has a section that says how.
        if group != service_user.GROUP:
            listed += loading.get_session_conf_options()
    known = {opt.dest for opt in options.BY_GROUP.get(group, ())}
    return [opt for opt in listed if opt.dest not in known]


def _helper() -> list[cfg.Opt]:
    from oslo_privsep import priv_context
    # The sample of the library for this one is the code that computes its default.
    threads = cfg.IntOpt('thread_pool_size', min=1, sample_default=16,
                         help='Number of threads that run the commands.')
    return [opt for opt in priv_context.OPTS if opt.dest != threads.dest] + [threads]
