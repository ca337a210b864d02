# SPDX-License-Identifier: Apache-2.0
"""A manager that notes what its service asks of it, and works or not as a test wants."""
import oslo_messaging as messaging


class Manager:
    """:ivar asked: names of the calls so far, in order."""

    RPC_API_VERSION = '1.3'
    target = messaging.Target(version=RPC_API_VERSION)
    additional_endpoints = ()

    def __init__(self, host, service_name=None, cluster=None):
        self.host, self.service_name, self.cluster = host, service_name, cluster
        self.asked = []
        self.working = True
        self.added_to_cluster = None

    def init_host(self, added_to_cluster=None, service_id=None):
        self.asked.append('init_host')
        self.added_to_cluster = added_to_cluster
        assert service_id == self.service_id and self.service_uuid

    def init_host_with_rpc(self):
        self.asked.append('init_host_with_rpc')

    def is_working(self):
        return self.working

    def heartbeat(self):
        self.asked.append('heartbeat')

    def handle_lost_messages(self):
        self.asked.append('handle_lost_messages')

    def run_periodic_tasks(self, ctxt):
        self.asked.append('run_periodic_tasks')

    def reset(self):
        self.asked.append('reset')

    def stop(self):
        self.asked.append('stop')

    def wait(self):
        self.asked.append('wait')

    def release_operations(self):
        self.asked.append('release_operations')

    def notify_peers(self):
        self.asked.append('notify_peers')


class BrokenManager(Manager):
    """Cannot be initialised."""

    def init_host(self, added_to_cluster=None, service_id=None):
        raise RuntimeError('no storage here')
