"""Refuses faulty sources, with one line for each fault."""
