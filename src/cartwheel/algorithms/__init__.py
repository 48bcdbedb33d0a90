"""Algorithms: one file each, registered by name. They see arrays, never an environment, a file, a clock or a worker."""
