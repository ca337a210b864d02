# SPDX-License-Identifier: Apache-2.0
"""Marks the texts that a user may read, so that they can be translated."""
import oslo_i18n

DOMAIN = 'cinder'

_translators = oslo_i18n.TranslatorFactory(domain=DOMAIN)

_ = _translators.primary
