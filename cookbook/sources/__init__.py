"""Reads what people wrote: pages, recipes, transcripts and proofs."""
