"""Answers over HTTP: what a request may ask, limits, batches of requests, health."""
