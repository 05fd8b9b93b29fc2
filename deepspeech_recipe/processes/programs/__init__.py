"""Programs that answer questions, on Python 3.9 too, without the package."""
