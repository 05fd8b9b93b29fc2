"""The errors a user sees: one line that names the reason, the place and the remedy."""

from __future__ import annotations

from collections.abc import Iterable


class RecipeError(Exception):
    """Bad input or bad usage. The command line prints it as one line and exits with code 2."""


class Refusal(RecipeError):
    """A model that was understood, but cannot be converted exactly.

    reason: what is wrong; node: the graph node at fault; remedy: what the user can do.
    """

    def __init__(self, reason: str, *, node: str = "", remedy: str = ""):
        self.reason, self.node, self.remedy = reason, node, remedy
        text = reason if reason.endswith(".") else reason + "."
        if node:
            text += f" Node at fault: '{node}'."
        if remedy:
            text += f" {remedy if remedy.endswith('.') else remedy + '.'}"
        super().__init__(text)


class NoMatch(RecipeError):
    """A graph that is not of the kind that was looked for: it may be another's.

    reason: what was looked for and what was found, for a person; wanted, found: the same for a program, two numbers for
    one, or operations and the one that is there; node: where the search ended.
    """

    def __init__(self, reason: str, *, node: str = "", wanted: object = None, found: object = None):
        self.reason, self.node, self.wanted, self.found = reason, node, wanted, found
        super().__init__(f"{reason} (at '{node}')" if node else reason)


def some_of(names: Iterable[str], most: int = 5, *, none: str = "none") -> str:
    """What a message lists: 'a, b, c and 14 more'."""
    known = list(names)
    more = f" and {len(known) - most} more" if len(known) > most else ""
    return f"{', '.join(known[:most])}{more}" or none
