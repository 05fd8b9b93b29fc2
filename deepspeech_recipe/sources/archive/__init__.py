"""Archives: what is inside is unpacked within bounds, and the best model of it is read."""
