# SPDX-License-Identifier: Apache-2.0
"""What wraps the API application: faults, identity, the limit of a body."""
