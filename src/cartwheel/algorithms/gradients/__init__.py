"""What policy gradients share: a policy and a value that learn together, and how a stretch becomes updates."""
