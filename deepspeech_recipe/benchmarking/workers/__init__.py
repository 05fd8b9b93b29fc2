"""Programs that a benchmark runs in processes of their own: Python 3.9, and nothing but what lies beside them."""
