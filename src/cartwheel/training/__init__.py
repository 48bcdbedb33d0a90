"""Training: the loop, budgets, hooks and executors."""
