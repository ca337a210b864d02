# SPDX-License-Identifier: Apache-2.0
"""The metrics of a test: switched on for it, and read as Prometheus would read them."""
import contextlib
from collections.abc import Iterator

from prometheus_client.parser import text_string_to_metric_families

from cinder import metrics


def samples(text: bytes | str) -> dict[tuple, float]:
    """Return (name, (label, value) ...) -> value of a page in the text format of Prometheus."""
    text = text if isinstance(text, str) else text.decode()
    return {(sample.name, *sorted(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text) for sample in family.samples}


class Page:
    """What the processes of a daemon have counted."""

    def value(self, name: str, **labels: str) -> float | None:
        """Return the value of a sample; None: there is none."""
        return self.all().get((name, *sorted(labels.items())))

    def all(self) -> dict[tuple, float]:
        """Return all samples, see samples()."""
        return samples(metrics.current().render())


@contextlib.contextmanager
def counted(directory: object) -> Iterator[Page]:
    """Count during the block, in an empty directory."""
    metrics.start(str(directory))
    try:
        yield Page()
    finally:
        metrics.stop()
