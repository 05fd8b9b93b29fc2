"""Streams that share calls of the network."""
