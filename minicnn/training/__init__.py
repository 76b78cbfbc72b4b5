"""Training: the loop, its schedule, checkpoints and errors, and what a trained network predicts."""
