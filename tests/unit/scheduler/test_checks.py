# SPDX-License-Identifier: Apache-2.0
"""Faults of scheduling that are found before a volume is created."""
import pytest
from oslo_config import cfg

from cinder import conf as cinder_conf
from cinder import config_check
from cinder.scheduler import checks
from tests.fakes import scheduler as fakes
from tests.unit.scheduler.conftest import tell


def parse(tmp_path, text):
    path = tmp_path / 'cinder.conf'
    path.write_text(text)
    conf = cfg.ConfigOpts()
    cinder_conf.register(conf)
    cinder_conf.configure(['cinder-volume', '--config-file', str(path)], '1', conf)
    return conf


@pytest.mark.parametrize(('sections', 'faults'), [
    ('[a]\nfilter_function = volume.size < 10\ngoodness_function = 50\n[b]\n', []),
    ('[a]\nfilter_function =\n[b]\n', []),
    ('[a]\nfilter_function = volume.size <\n[b]\n', [
        '[a] filter_function = volume.size <: column 14: the text ends, expected a number, a text, '
        "a name, 'not', '+', '-', '('."]),
    ('[a]\n[b]\n[backend_defaults]\ngoodness_function = 1 %% 2\n', [
        "[a] goodness_function = 1 %% 2: column 3: '%' is not expected here.",
        "[b] goodness_function = 1 %% 2: column 3: '%' is not expected here."]),
    ('[a]\nfilter_function = volume.size\n  < size.volume\n[b]\n', [
        "[a] filter_function = volume.size < size.volume: column 15: unknown name 'size.volume', "
        'expected NAME of stats.NAME, capabilities.NAME, extra.NAME, qos.NAME, volume.NAME, '
        'volume_type.NAME, volume_types.NAME.']),
    ('[a]\n[b]\n[c]\nfilter_function = not enabled <\n', [])])
def test_functions_of_enabled_back_ends(tmp_path, sections, faults):
    conf = parse(tmp_path, f'[DEFAULT]\nenabled_backends = a,b\n{sections}')
    found = list(checks.check_functions(conf))
    assert [problem.text for problem in found] == faults
    assert all(problem.fatal for problem in found)
    assert config_check.CHECKS[checks.check_functions] == {config_check.VOLUME}


@pytest.mark.parametrize(('option', 'value', 'words'), [
    ('scheduler_weight_handler', 'no.such.Handler', 'scheduler_weight_handler = no.such.Handler'),
    ('scheduler_weight_handler', 'os.path', 'os.path cannot be loaded: it is no class; expected'),
    ('scheduler_default_filters', ['NoFilter', 'CapacityFilter'], 'names NoFilter'),
    ('scheduler_default_weighers', ['NoWeigher'], 'one of AllocatedCapacityWeigher, Capacity'),
    ('scheduler_driver', 'x', 'scheduler_driver = x')])
def test_classes(option, value, words):
    assert list(checks.check_classes(fakes.options())) == []
    problem, = checks.check_classes(fakes.options(**{option: value}))
    assert words in problem.text and problem.fatal
    assert config_check.CHECKS[checks.check_classes] == {config_check.SCHEDULER}


def test_a_faulty_function_of_a_report_is_logged_once_before_any_volume(
        manager, caplog, monkeypatch):
    monkeypatch.setattr(checks, '_logged', set())
    for _again in range(2):
        tell(manager, filter_function='volume.size <', pools=[
            {'pool_name': 'p', 'goodness_function': '1 +'}, {'pool_name': 'q'}])
    lines = [record.getMessage() for record in caplog.records]
    assert lines == [
        'filter_function of a pool of n1@lvm is volume.size <: column 14: the text ends, expected '
        "a number, a text, a name, 'not', '+', '-', '('. DriverFilter refuses the pool until it is "
        'corrected.',
        'goodness_function of a pool of n1@lvm is 1 +: column 4: the text ends, expected a number, '
        "a text, a name, '+', '-', '('. GoodnessWeigher rates the pool 0 until it is corrected."]
