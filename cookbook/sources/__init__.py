"""Reads what people write: pages, recipes, transcripts and proofs."""
