"""Native environments: physics in three compiled functions, equal to Gymnasium's to the bit."""
