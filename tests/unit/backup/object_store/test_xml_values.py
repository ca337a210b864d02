# SPDX-License-Identifier: Apache-2.0
import pytest

from cinder.backup.object_store import xml_values


def test_values_are_found_by_the_name_of_their_element():
    values = xml_values.read(
        '<a xmlns="http://x/"><Key>ü &amp; &lt;</Key>\n<Key/><Is>true</Is></a>')
    assert values['Key'] == ['ü & <', ''] and xml_values.first(values, 'Is') == 'true'
    assert xml_values.first(values, 'none') == ''


@pytest.mark.parametrize('text', ['', 'no', '<a>', b'\xff', '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;'])
def test_what_is_no_xml_has_no_values(text):
    assert xml_values.read(text) == {}
