"""Puts code, transcripts and evidence on pages."""
