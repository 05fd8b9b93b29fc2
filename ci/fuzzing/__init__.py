"""Damaged files for every reader of the project: see ci/fuzz."""
