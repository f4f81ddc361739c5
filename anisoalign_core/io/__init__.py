"""Readers and writers of every supported format."""
