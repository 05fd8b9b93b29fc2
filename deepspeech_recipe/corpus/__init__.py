"""Many recordings: listed, looked at, recognised, their texts written; on this machine or on a cluster."""
