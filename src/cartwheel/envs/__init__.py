"""Environments: Gymnasium in, arrays out. The only folder that knows Gymnasium."""
