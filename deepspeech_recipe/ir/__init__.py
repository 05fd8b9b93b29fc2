"""The IR contract in code: names, metadata, options; an IR's description, its layers, its runner; reading and saving."""
