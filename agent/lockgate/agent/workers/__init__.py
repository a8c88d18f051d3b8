"""The scan workers: the only processes that parse hostile bytes."""
