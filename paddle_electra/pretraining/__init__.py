"""Corpus to shards to pretrained weights."""
