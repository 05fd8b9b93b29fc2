"""doctor: what is installed, what works, and what to do about the rest."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from deepspeech_recipe.self_test import devices, model_optimizer, packages
from deepspeech_recipe.self_test.finding import Finding, Health


def doctor(
    *, directory: str | os.PathLike | None = None, on_finding: Callable[[Finding], None] | None = None
) -> Health:
    """Looks at versions, converters, the plugin and devices; runs `mo` on a small graph if it is installed.

    directory: the one in which mo would be run, by default the current one. on_finding: gets every finding as it is
    made.
    """
    findings = []
    for finding in _examine(Path(directory or Path.cwd())):
        findings.append(finding)
        if on_finding:
            on_finding(finding)
    return Health(tuple(findings))


def _examine(directory: Path) -> Iterator[Finding]:
    yield from packages.findings()
    yield from packages.recipes()
    yield packages.kept_models()
    graph = devices.small_graph()
    yield devices.converter(graph)
    yield from model_optimizer.findings(graph, directory)
    yield from devices.findings(graph)
