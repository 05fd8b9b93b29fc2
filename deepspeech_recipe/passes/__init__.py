"""Functions from ov.Model to ov.Model, each usable alone."""
