"""Weights to answers."""
