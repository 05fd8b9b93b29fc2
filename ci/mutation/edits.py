"""Edits of the code that a careless hand could make, by rule: one small change of one expression or statement each.

Which of them are tried is decided by a hash of the seed and of the edit itself, so a change elsewhere in the code moves
no choice.
"""

from __future__ import annotations

import ast
import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ci.mutation.rules import RULES

# What is edited: group → folder.
GROUPS = {
    **{name: f"deepspeech_recipe/{name}" for name in ("patterns", "recipes", "rewrite", "converters", "passes")},
    **{name: f"deepspeech_recipe/{name}" for name in ("audio", "graphdef", "sources", "runtime", "verification")},
    "plugin": "mo_extensions",
}


@dataclass(frozen=True)
class Edit:
    """`source[start:end]`, in bytes, becomes `after`. function: where it stands, '' for the module itself; lines: those
    of the statement; number: of equal edits in one function."""

    path: str
    function: str
    rule: str
    lines: tuple[int, int]
    start: int
    end: int
    before: str
    after: str
    number: int = 0

    @property
    def key(self) -> str:
        again = f" ({self.number + 1})" if self.number else ""
        before, after = (" ".join(text.split()) for text in (self.before, self.after))
        return f"{self.path} {self.function or '-'} {self.rule}: {before} → {after}{again}"

    def apply(self, source: bytes) -> bytes:
        return source[: self.start] + self.after.encode() + source[self.end :]


def chosen(root: Path, count: int, seed: int, groups: tuple[str, ...] = tuple(GROUPS)) -> dict[str, list[Edit]]:
    """That many edits in all, spread evenly over the groups, and in a group over the rules."""
    found = {}
    for group in groups:
        edits = [edit for path in sorted((root / GROUPS[group]).rglob("*.py")) for edit in all_edits(root, path)]
        edits.sort(key=lambda edit: hashlib.sha256(f"{seed} {edit.key}".encode()).digest())
        by_rule: dict[str, list[Edit]] = {}
        for edit in edits:
            by_rule.setdefault(edit.rule, []).append(edit)
        in_turns = itertools.chain.from_iterable(itertools.zip_longest(*(by_rule[rule] for rule in sorted(by_rule))))
        found[group] = [edit for edit in in_turns if edit is not None][: -(-count // len(groups))]
    return found


def all_edits(root: Path, path: Path) -> list[Edit]:
    """Every edit of a file, in its order."""
    source = path.read_bytes()
    found: list[Edit] = []
    seen: dict[str, int] = {}
    for edit in _Finder(path.relative_to(root).as_posix(), source).edits():
        number = seen[edit.key] = seen.get(edit.key, -1) + 1
        found.append(replace(edit, number=number))
    return found


class _Finder:
    def __init__(self, path: str, source: bytes):
        self.path, self.source = path, source
        self.starts = [0, *itertools.accumulate(len(line) for line in source.splitlines(keepends=True))]

    def edits(self) -> Iterator[Edit]:
        yield from self._within(ast.parse(self.source), "", None)

    def _within(self, parent: ast.AST, function: str, statement: ast.stmt | None) -> Iterator[Edit]:
        for name, value in ast.iter_fields(parent):
            if name in ("annotation", "returns", "type_params"):
                continue
            for node in value if isinstance(value, list) else [value]:
                if isinstance(node, ast.AST) and not _is_typing(node):
                    inner = f"{function}.{node.name}".lstrip(".") if isinstance(node, _NAMED) else function
                    within = node if isinstance(node, ast.stmt) else statement
                    yield from self._of(node, parent, inner, within)
                    yield from self._within(node, inner, within)

    def _of(self, node: ast.AST, parent: ast.AST, function: str, statement: ast.stmt | None) -> Iterator[Edit]:
        for rule in RULES:
            for target, after in rule(self, node, parent):
                start, end = self._span(target)
                before = self.source[start:end].decode()
                if before == after:
                    continue
                lines = _lines(target, statement)
                yield Edit(self.path, function, rule.__name__.strip("_"), lines, start, end, before, after)

    def text(self, node: ast.AST) -> str:
        start, end = self._span(node)
        return self.source[start:end].decode()

    def _span(self, node) -> tuple[int, int]:
        return (
            self.starts[node.lineno - 1] + node.col_offset,
            self.starts[node.end_lineno - 1] + node.end_col_offset,
        )


_NAMED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def _is_typing(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _lines(target, statement: ast.stmt | None) -> tuple[int, int]:
    """The lines that run if the edited code does: those of a simple statement, or of an expression in another."""
    if statement is None or hasattr(statement, "body"):
        return target.lineno, target.end_lineno
    return statement.lineno, statement.end_lineno
