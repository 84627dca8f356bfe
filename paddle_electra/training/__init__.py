"""What pretraining and fine-tuning share: optimizer, schedule, state, log."""
