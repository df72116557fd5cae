"""Checks the sources and reports each fault in one line."""
