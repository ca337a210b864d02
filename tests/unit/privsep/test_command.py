# SPDX-License-Identifier: Apache-2.0
"""command.execute with real, harmless processes: output, exit codes, deadlines and lanes."""
import contextlib
import os
import pathlib
import time

import pytest
from oslo_concurrency.processutils import ProcessExecutionError

from cinder import privsep
from cinder.privsep import command


@pytest.fixture(autouse=True)
def programs(monkeypatch):
    for name in ('sh', 'sleep', 'no-such-program'):
        monkeypatch.setitem(command.PROGRAMS, name,
                            command.Program('tests', privsep.as_root_pctxt))


# The shell waits until there is a file `go` in a folder.
WAIT = 'until [ -e "{}/go" ]; do sleep 0.01; done'


def wait_for_end(pid):
    """Return when a process does nothing any more; somebody else may have to reap it."""
    deadline = time.monotonic() + 30
    with contextlib.suppress(FileNotFoundError):
        while pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z':
            assert time.monotonic() < deadline, 'still running'
            time.sleep(0.01)


def sh(script, **kwargs):
    return command.execute('sh', '-c', script, **kwargs)


def test_output_and_errors_are_text():
    assert sh('echo out; echo err >&2') == ('out\n', 'err\n')


def test_arguments_are_not_read_by_a_shell():
    assert command.execute('sh', '-c', 'echo "$1"', 'sh', '$(id); *') == ('$(id); *\n', '')


def test_input(monkeypatch):
    assert sh('cat', process_input='text') == ('text', '')
    assert sh('cat') == ('', '')


def test_the_locale_is_c_whatever_the_service_has(monkeypatch):
    monkeypatch.setenv('LC_MESSAGES', 'de_DE.UTF-8')
    monkeypatch.setenv('LANG', 'de_DE.UTF-8')
    assert sh('echo "$LC_ALL $LANG $LC_MESSAGES"')[0] == 'C C \n'


def test_threads_take_no_address_space_for_memory_of_their_own():
    assert sh('echo $MALLOC_ARENA_MAX')[0] == '1\n'


def test_programs_of_the_system_are_found_from_a_short_path(monkeypatch):
    monkeypatch.setenv('PATH', '/usr/bin:/bin')
    assert sh('echo $PATH')[0].strip().endswith(':/usr/sbin:/sbin')


@pytest.mark.parametrize(('script', 'code'), [('exit 5', 5), ('kill -SEGV $$', 139)])
def test_another_exit_code_is_an_error_with_all_that_was_said(script, code):
    with pytest.raises(ProcessExecutionError) as caught:
        sh(f'echo out; echo err >&2; {script}')
    error = caught.value
    assert (error.exit_code, error.stdout, error.stderr) == (code, 'out\n', 'err\n')


def test_exit_codes_that_are_no_error():
    assert sh('echo out; exit 5', check_exit_code=(0, 5)) == ('out\n', '')


def test_a_program_that_is_not_installed():
    with pytest.raises(ProcessExecutionError) as caught:
        command.execute('no-such-program')
    assert caught.value.exit_code == 127


@pytest.mark.parametrize(('program', 'env'), [('rm', None), ('sh', {'LD_PRELOAD': 'x.so'})])
def test_only_known_programs_and_variables(program, env):
    with pytest.raises(ProcessExecutionError, match='not a command of this service'):
        command.execute(program, run_as_root=True, env_variables=env)


def test_variables_reach_the_program():
    assert sh('echo $LVM_SYSTEM_DIR', env_variables={'LVM_SYSTEM_DIR': '/x'})[0] == '/x\n'


def test_a_secret_is_not_in_the_error():
    with pytest.raises(ProcessExecutionError) as caught:
        command.execute('sh', '-c', 'exit 1', '--password', 'verysecret')
    assert 'verysecret' not in str(caught.value)


def test_a_command_without_a_lane_is_killed_at_its_deadline(tmp_path):
    child, timeout = tmp_path / 'child', 0.05
    while not child.exists():  # on a busy machine it takes a while to start
        timeout *= 2
        with pytest.raises(command.CommandOverdue):
            sh(f'sleep 60 & echo $! >"{tmp_path}/new" && mv "{tmp_path}/new" "{child}"; wait',
               timeout=timeout)
    wait_for_end(int(child.read_text()))


def test_a_command_in_a_lane_goes_on_and_the_next_waits_for_it(tmp_path):
    with pytest.raises(command.CommandOverdue, match='did not end within'):
        sh(f'{WAIT.format(tmp_path)}; touch "{tmp_path}/late"', timeout=0.1, lane='group')
    with pytest.raises(command.CommandOverdue, match='is still running'):
        sh(f'touch "{tmp_path}/second"', timeout=0.1, lane='group')
    assert not (tmp_path / 'second').exists()
    assert sh('echo other', timeout=60, lane='other') == ('other\n', '')
    (tmp_path / 'go').touch()
    assert sh(f'ls "{tmp_path}"', timeout=60, lane='group') == ('go\nlate\n', '')


def test_much_output_does_not_stop_a_command_that_is_overdue(tmp_path):
    with pytest.raises(command.CommandOverdue):
        sh(f'{WAIT.format(tmp_path)}; head -c 300000 /dev/zero', timeout=0.1, lane='loud')
    (tmp_path / 'go').touch()
    assert sh('echo next', timeout=60, lane='loud') == ('next\n', '')


def test_the_list_of_programs_says_what_each_is_for():
    assert all(program.purpose for program in command.PROGRAMS.values())
    assert command.DIES_WITH_US[0] in command.PROGRAMS


@pytest.mark.parametrize(('line', 'programs'), [
    ('dd if=a of=b', ['dd']),
    ('setpriv --dump', ['setpriv']),
    ('setpriv --pdeathsig KILL dd if=a', ['setpriv', 'dd']),
    ('setpriv --pdeathsig KILL ionice -c 2 -n7 dd if=a', ['setpriv', 'ionice', 'dd']),
    ('setpriv --reuid 0 rm -r /', ['setpriv', 'rm']),
])
def test_programs_that_others_run_are_seen(line, programs):
    assert command._programs(line.split()) == programs


@pytest.mark.parametrize('line', ['setpriv rm /no/such', 'ionice -c3 setpriv bash', 'lvs',
                                  'qemu-img --help'])
def test_each_context_runs_its_own_programs_only(line):
    code, _out, err = command._run_as_root(line.split(), {}, None, 5, None)
    assert (code, err.startswith('not a command of this service')) == (126, True)
    code, _out, err = command._run_sys_admin(['dd'], {}, None, 5, None)
    assert code == 126


def test_a_privileged_program_has_the_capabilities_of_its_row():
    words = command._confined(['dd'], ['setpriv', 'ionice', 'dd'])
    assert words == ['setpriv', '--bounding-set=-all,+dac_override,+sys_nice', 'dd']
    assert command._confined(['tgtadm'], ['tgtadm'])[1] == '--bounding-set=-all'


@pytest.mark.skipif(os.geteuid(), reason='needs root')
def test_what_root_executes_has_no_other_capabilities(monkeypatch):
    out = command.execute('sh', '-c', 'grep CapEff /proc/self/status', run_as_root=True)[0]
    assert int(out.split()[1], 16) == 0
    monkeypatch.setitem(command.PROGRAMS, 'sh', command.PROGRAMS['lvs'])
    out = command.execute('sh', '-c', 'grep CapEff /proc/self/status', run_as_root=True)[0]
    assert int(out.split()[1], 16) == sum(1 << number for number in privsep.LVM_CAPABILITIES)


def test_a_copy_dies_with_the_process_that_started_it(tmp_path):
    """The child of a killed shell is not adopted by anybody."""
    go = tmp_path / 'go'
    script = (f'setpriv --pdeathsig KILL sh -c "touch {go}; exec sleep 60" & {WAIT}; '
              'echo $!; kill -9 $$')
    with pytest.raises(ProcessExecutionError) as caught:
        sh(script.format(tmp_path))
    wait_for_end(int(caught.value.stdout))
