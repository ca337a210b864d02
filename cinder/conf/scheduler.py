# SPDX-License-Identifier: Apache-2.0
"""Options of cinder-scheduler: which classes decide, and with what weight.
Options of a single filter or weigher stand here too, named after it."""

from oslo_config import cfg

from cinder.conf.option_types import NamesOpt

OPTS = [
    cfg.StrOpt('scheduler_driver',
               default='cinder.scheduler.filter_scheduler.FilterScheduler',
               help='Class that chooses the back end.'),
    cfg.StrOpt('scheduler_host_manager', default='cinder.scheduler.host_manager.HostManager',
               help='Class that keeps what the back ends report.'),
    cfg.IntOpt('scheduler_max_attempts', default=3, min=1,
               help='Number of back ends to try for one volume before it is put in error.'),
    cfg.IntOpt('scheduler_driver_init_wait_time', default=60, min=1,
               help='Longest wait, in seconds after start, for the first reports of the back '
                    'ends before a request can be refused for want of one.'),
    NamesOpt('scheduler_default_filters',
             default=['AvailabilityZoneFilter', 'CapacityFilter', 'CapabilitiesFilter'],
             help='Filters a pool must pass, by entry-point name, in order.'),
    NamesOpt('scheduler_default_weighers', default=['CapacityWeigher'],
             help='Weighers that order the remaining pools, by entry-point name.'),
    cfg.FloatOpt('capacity_weight_multiplier', default=1.0,
                 help='Factor that the free capacity of a pool is multiplied with: positive '
                      'spreads volumes over the pools, negative fills one pool after the other.'),
]
