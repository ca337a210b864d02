# SPDX-License-Identifier: Apache-2.0
"""The proof at the end of `cinder-manage db adopt`: prints it, and keeps it in a file."""
import json
import os
from collections.abc import Mapping
from typing import Any

from cinder import context, exception
from cinder.cmd import quota_recount, volume_doctor
from cinder.cmd.tables import complain, print_table
from cinder.conf import CONF
from cinder.db.adoption import proof
from cinder.db.adoption.source import Source


def prove(source: Source, renamed: Mapping[str, str], path: str | None) -> int:
    """Compare both sides; status 1 if something differs.

    :param renamed: hosts that were renamed, for the report
    :param path: of the report; None: adoption.json in state_path
    """
    counts = proof.counts(source)
    differing = [count for count in counts if count.differs]
    quotas = quota_recount.differences(context.get_admin_context())
    storage = volume_doctor.findings()
    print_table(('Resource', 'Source', 'GiB', 'Here', 'GiB'), (
        (kind, *sums) for kind, sums in sorted(proof.totals(counts).items())))
    if differing:
        print_table(('Different', 'Project', 'Type', 'Status', 'Source', 'GiB', 'Here', 'GiB'),
                    differing)
    for difference in quotas:
        print('quota {quota} of project {project_id}: {counted} counted, {rows} in the rows'
              .format(**difference._asdict()))
    for finding in storage:
        print('{backend}: {kind}: {what}. {advice}.'.format(**finding))
    print(f'counts: {len(differing)} differences; quota check: {len(quotas)}; volume doctor, of '
          f'the back ends of this host: {len(storage)} findings')
    path = _keep(path, {
        'source': source.name, 'revision': source.revision, 'renamed': dict(renamed),
        'counts': [count._asdict() for count in counts],
        'quotas': [difference._asdict() for difference in quotas], 'storage': storage})
    print(f'The proof is in {path}.')
    # Files of the original are there until they are removed on request.
    trouble = [finding for finding in storage if finding['kind'] != 'saved']
    if differing or quotas or trouble:
        return complain('The proof has differences, see above.', 1)
    return 0


def _keep(path: str | None, report: dict[str, Any]) -> str:
    """Write the report; return its path.

    :raises InvalidInput: the file cannot be written
    """
    path = path or os.path.join(CONF.state_path, 'adoption.json')
    try:
        with open(path, 'w', encoding='utf-8') as file:
            json.dump(report, file, indent=1)
    except OSError as exc:
        raise exception.InvalidInput(
            reason=f'the proof cannot be kept in {path}: {exc.strerror}; name another file with '
                   '--report') from exc
    return path
