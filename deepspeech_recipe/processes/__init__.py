"""Processes of their own: trials of what native code may die of, and workers that answer questions."""
