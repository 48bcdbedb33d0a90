"""Tables: environments of which every chance is known, planning on them, and bandits. NumPy only."""
