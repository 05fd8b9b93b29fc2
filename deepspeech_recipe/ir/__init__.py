"""The IR contract: names, metadata, forms, layers, reading, saving."""
