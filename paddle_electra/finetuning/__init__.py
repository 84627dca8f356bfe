"""Fine-tuned weights and scores for a task."""
