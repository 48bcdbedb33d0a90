"""The command line, one file per command; `api`, the same in Python; the progress view of both."""
