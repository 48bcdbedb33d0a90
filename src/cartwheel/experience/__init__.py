"""Experience: what candidates met in their episodes, and how it is gathered."""
