"""Other libraries' learners, run here beside ours: `python -m learning.peers` in an interpreter that has them."""
