# SPDX-License-Identifier: Apache-2.0
"""Fault points: how they are armed, and how often they fire."""
import contextlib

import pytest

from cinder import exception, fault_points


def test_fault_points_fire_once_with_a_flag_file(tmp_path):
    flag = tmp_path / 'flag'
    flag.touch()
    fault_points.arm([f'a:before=raise@{flag}', 'b=raise'])
    try:
        with pytest.raises(exception.CinderException):
            fault_points.reach('a:before')
        fault_points.reach('a:before')
        for _ in range(2):
            with pytest.raises(exception.CinderException):
                fault_points.reach('b')
    finally:
        fault_points.arm([])


def test_several_entries_of_one_point_fire_for_their_own_flags(tmp_path):
    first, second = tmp_path / 'first', tmp_path / 'second'
    fault_points.arm([f'a=raise@{first}', f'a=duplicate@{second}'])
    try:
        for flag, is_raised in ((first, True), (second, False)):
            flag.touch()
            with pytest.raises(exception.CinderException) if is_raised else (
                    contextlib.nullcontext()):
                fault_points.reach('a')
            assert not flag.exists()
        assert not fault_points.is_armed('a')
    finally:
        fault_points.arm([])


def test_a_fault_point_that_makes_no_sense_is_refused():
    with pytest.raises(exception.InvalidConfigurationValue, match='fault_points'):
        fault_points.arm(['nonsense'])
