"""Is everything installed that is needed, and does it work? (`doctor`)"""
