# SPDX-License-Identifier: Apache-2.0
"""Rule of the metrics that cinder-api serves next to the API."""
from oslo_policy import policy

from cinder.policies.base import ADMIN, rule

GET = 'metrics:get'

RULES = [
    rule(GET, ADMIN, 'Read the metrics of cinder-api and of the deployment, without being in '
         '[metrics] allowed_networks.', [('GET', '/metrics')], was=None),
]


def list_rules() -> list[policy.RuleDefault]:
    return RULES
