"""Raw Chinese text to token ids."""
