"""The IR contract in code: names, metadata, options; the description of an IR, layers, runner; reading and saving."""
