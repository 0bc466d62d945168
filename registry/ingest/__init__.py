"""Metadata of the outside world, made into records: one file a format."""
