"""Breaks the lines that pages show, and expects a proof to fail for each."""
