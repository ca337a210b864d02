# SPDX-License-Identifier: Apache-2.0
"""Options of cinder-scheduler and of its filters and weighers.
An option of a single filter or weigher is named after it."""

from oslo_config import cfg

from cinder.conf.option_types import NamesOpt

OPTS = [
    cfg.StrOpt('scheduler_driver',
               default='cinder.scheduler.filter_scheduler.FilterScheduler',
               help='Class that selects the back end.'),
    cfg.StrOpt('scheduler_host_manager', default='cinder.scheduler.host_manager.HostManager',
               help='Class that holds the reports of the back ends.'),
    cfg.IntOpt('scheduler_max_attempts', default=3, min=1,
               help='Number of back ends to try for one volume before its status becomes error.'),
    cfg.IntOpt('scheduler_driver_init_wait_time', default=60, min=1,
               help='Seconds after start to wait for the first reports of the back ends before a '
                    'request fails because no back end is known.'),
    NamesOpt('scheduler_default_filters',
             default=['AvailabilityZoneFilter', 'CapacityFilter', 'CapabilitiesFilter'],
             help='Filters that a pool must pass, in order: names of the entry points '
                  'cinder.scheduler.filters, or class paths.'),
    NamesOpt('scheduler_default_weighers', default=['CapacityWeigher'],
             help='Weighers that rate the remaining pools: names of the entry points '
                  'cinder.scheduler.weights, or class paths.'),
    cfg.StrOpt('scheduler_weight_handler',
               default='cinder.scheduler.weights.OrderedHostWeightHandler',
               help='Class that chooses a pool by the sums of its weights: the highest sum, or '
                    'with cinder.scheduler.weights.stochastic.StochasticHostWeightHandler any '
                    'pool, with a probability in proportion to its sum.'),
    cfg.StrOpt('scheduler_equal_pools', default='least_loaded',
               choices=[('least_loaded', 'the one with the least provisioned space'),
                        ('chance', 'any of them, so that several schedulers spread volumes')],
               help='Which of several pools with the same weight gets a volume.'),
    cfg.FloatOpt('capacity_weight_multiplier', default=1.0,
                 help='Factor for the free capacity of a pool: a positive number spreads '
                      'volumes over the pools, a negative one fills one pool after the other.'),
    cfg.FloatOpt('allocated_capacity_weight_multiplier', default=-1.0,
                 help='Factor for the space of the volumes of a pool: a negative number spreads '
                      'volumes over the pools, a positive one fills one pool after the other.'),
    cfg.FloatOpt('volume_number_multiplier', default=-1.0,
                 help='Factor for the number of the volumes of a pool: a negative number spreads '
                      'volumes over the pools, a positive one fills one pool after the other.'),
]
