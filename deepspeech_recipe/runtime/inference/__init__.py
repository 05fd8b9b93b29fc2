"""From samples to probabilities: frames, windows, calls of the network."""
