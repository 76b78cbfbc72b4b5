"""Training: the loop, schedules and checkpoints; error rates; a trained network's predictions."""
