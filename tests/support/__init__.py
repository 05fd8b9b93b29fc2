"""Helpers of the tests: models, writers of files, references, and how to compare."""
