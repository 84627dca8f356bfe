"""What the logs of training runs say: curves and a summary."""
