# SPDX-License-Identifier: Apache-2.0
"""Responses about manageable volumes."""
from cinder.api.views.base import Field, View

FIELDS = [Field('reference'), Field('size'), Field('safe_to_manage')]
DETAILS = [Field('reason_not_safe'), Field('cinder_id'), Field('extra_info')]

SUMMARY = View('manageable-volume', 'manageable-volumes', FIELDS)
DETAIL = View('manageable-volume', 'manageable-volumes', FIELDS + DETAILS)
