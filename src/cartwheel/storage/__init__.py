"""Files: atomic writes, policy files, checkpoints, metrics, run folders. No file can run code when it is read."""
