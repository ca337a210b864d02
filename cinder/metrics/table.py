# SPDX-License-Identifier: Apache-2.0
"""Every metric of the daemons: its kind, its labels and what it means. Label values are bounded:
routes rather than URLs, names of the configuration and of this code."""
from typing import NamedTuple

COUNTER, HISTOGRAM, SUM, LATEST = 'counter', 'histogram', 'livesum', 'livemostrecent'
# Upper bounds of the histograms, in seconds: of requests and messages, and of operations.
FAST = (.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10)
SLOW = (.1, .5, 1, 5, 15, 60, 300, 1800, 7200)


class Metric(NamedTuple):
    """A metric of all processes of a daemon; `kind` also says how a gauge is combined: the sum of
    the living processes, or the value that was set last."""

    kind: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = FAST


METRICS = {
    'cinder_api_requests_total': Metric(
        COUNTER, 'Requests by route, method and status.', ('route', 'method', 'code')),
    'cinder_api_request_seconds': Metric(
        HISTOGRAM, 'Time of requests, until the response begins.', ('route', 'method')),

    'cinder_database_seconds': Metric(
        HISTOGRAM, 'Time of reads, of write transactions, and of the commits of these.',
        ('access',)),
    'cinder_database_errors_total': Metric(
        COUNTER, 'Transactions and reads that the database refused or lost.', ('error',)),
    'cinder_message_call_seconds': Metric(
        HISTOGRAM, 'Time until another service answered a message.', ('method',)),
    'cinder_message_call_errors_total': Metric(
        COUNTER, 'Messages that were not answered, or with an error.', ('method', 'error')),
    'cinder_message_cast_seconds': Metric(
        HISTOGRAM, 'Time to hand a message over to the broker.', ('method',)),
    'cinder_message_casts_lost_total': Metric(
        COUNTER, 'Messages that the broker did not take; their operations stay in the database.',
        ('method',)),
    'cinder_messages_received_total': Metric(
        COUNTER, 'Messages that arrived.', ('method',)),

    'cinder_notifications_sent_total': Metric(
        COUNTER, 'Notifications that the broker has confirmed.'),
    'cinder_notifications_failed_total': Metric(
        COUNTER, 'Attempts to send a notification that the broker did not confirm; it is sent '
                 'again.', ('error',)),

    'cinder_command_seconds': Metric(
        HISTOGRAM, 'Time of commands such as lvcreate, with the wait for their turn.',
        ('program',)),
    'cinder_command_errors_total': Metric(
        COUNTER, 'Commands that failed, or did not end in their time.', ('program', 'error')),
    'cinder_target_seconds': Metric(
        HISTOGRAM, 'Time to change an export.', ('target', 'action')),
    'cinder_target_errors_total': Metric(
        COUNTER, 'Exports that could not be changed.', ('target', 'action', 'error')),
    'cinder_ceph_call_seconds': Metric(
        HISTOGRAM, 'Time of calls of librados and librbd.', ('call',)),
    'cinder_ceph_call_errors_total': Metric(
        COUNTER, 'Calls of librados and librbd that failed.', ('call', 'error')),

    'cinder_operation_seconds': Metric(
        HISTOGRAM, 'Time of an attempt to do an operation.', ('verb', 'service'), SLOW),
    'cinder_operations_finished_total': Metric(
        COUNTER, 'Operations that ended: done, failed, or superseded by a later request.',
        ('verb', 'service', 'result')),
    'cinder_operation_retries_total': Metric(
        COUNTER, 'Attempts after the first one.', ('verb', 'service')),
    'cinder_operation_claims_lost_total': Metric(
        COUNTER, 'Operations that stopped because their lock or lease was lost.',
        ('verb', 'service')),
    'cinder_executor_running': Metric(
        SUM, 'Operations that run.', ('service', 'class')),
    'cinder_executor_limit': Metric(
        SUM, 'How many operations may run at a time.', ('service', 'class')),
    'cinder_executor_queued': Metric(
        SUM, 'Operations in the queue of the process.', ('service', 'class')),
    'cinder_executor_oldest_seconds': Metric(
        LATEST, 'For how long the oldest operation has been in the queue of the process.',
        ('service', 'class')),

    'cinder_scheduler_decisions_total': Metric(
        COUNTER, 'Decisions by verb: placed or refused.', ('verb', 'result')),
    'cinder_scheduler_refusals_total': Metric(
        COUNTER, 'Pools that a refused request did not get, by the filter that refused it.',
        ('filter',)),

    'cinder_backend_working': Metric(
        LATEST, 'Whether the back end works: 1 or 0.', ('service',)),
    'cinder_backend_probe_seconds': Metric(
        LATEST, 'Time of the last check of the storage.', ('service',)),
    'cinder_backend_probe_timestamp_seconds': Metric(
        LATEST, 'When the storage was last checked, in seconds since 1970.', ('service',)),
    'cinder_backend_findings_total': Metric(
        COUNTER, 'Contradictions between rows and storage that a start found; repaired: yes or no.',
        ('service', 'kind', 'repaired')),
    'cinder_pool_total_bytes': Metric(LATEST, 'Size of the pool.', ('pool',)),
    'cinder_pool_free_bytes': Metric(LATEST, 'Free space of the pool.', ('pool',)),
    'cinder_pool_provisioned_bytes': Metric(
        LATEST, 'Sum of the sizes of all volumes of the pool.', ('pool',)),
    'cinder_pool_allocated_bytes': Metric(
        LATEST, 'Sum of the sizes of the volumes of this service in the pool.', ('pool',)),
    'cinder_pool_data_used_ratio': Metric(
        LATEST, 'Used share of the data space, 0 to 1.', ('pool',)),
    'cinder_pool_metadata_used_ratio': Metric(
        LATEST, 'Used share of the metadata of a thin pool, 0 to 1.', ('pool',)),
    'cinder_pool_full_in_seconds': Metric(
        LATEST, 'When the pool is full if it grows as in the last day; infinite if it does not.',
        ('pool',)),
    'cinder_pool_trash_resources': Metric(
        LATEST, 'Deleted volumes and snapshots in the trash of the pool.', ('pool',)),
    'cinder_pool_trash_bytes': Metric(LATEST, 'Sum of their sizes.', ('pool',)),
}
