"""Token ids to hidden states to logits: paddle.nn only, no files."""
