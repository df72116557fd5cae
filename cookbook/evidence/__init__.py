"""Runs proofs, on one version or many, and keeps the results."""
