"""Functions from ov.Model to ov.Model: `name(model, …)` returns a new model, and leaves the given one as it was."""
