"""The families of models that people have, and what becomes of each: what docs/other-models.md says and tests show.

Every module of this package has a tuple FAMILIES. `PYTHONPATH=. python docs/make_other_models.py` writes the page.
"""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Graph:
    """A frozen graph, the inputs of calls one after the other, and its outputs; tensors by name ('x:0').

    states: input → the output that it is fed in the next call."""

    graph_def: bytes
    calls: tuple[dict[str, np.ndarray], ...]
    outputs: tuple[str, ...]
    states: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Family:
    """name: in the words of those who have it; section: the page's.

    graph: makes a member, which needs TensorFlow; None if tests of its own show it, in the file `shown_by`.
    sequences, loops: what it becomes; neither: it is refused, and `reason` stands in the message.
    mo: what Model Optimizer with the plugin does, if it is not the same. instead: what the user can do, if refused;
    `ovc` in it is tried. why: the page's words for the reason, if they are others.
    """

    name: str
    section: str
    graph: Callable[[], Graph] | None = None
    sequences: int = 0
    loops: int = 0
    reason: str = ""
    instead: str = ""
    why: str = ""
    mo: str = ""
    shown_by: str = ""

    @property
    def is_refused(self) -> bool:
        return not self.sequences and not self.loops

    def __str__(self) -> str:
        return self.name


def families() -> list[Family]:
    """All of them, module by module."""
    modules = [importlib.import_module(f"{__name__}.{each.name}") for each in pkgutil.iter_modules(__path__)]
    return [family for module in modules for family in module.FAMILIES]
