"""Checkpoints: their files, the table of their variables, and the inference graph that is rebuilt from them."""
