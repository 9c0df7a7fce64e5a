"""Proof by running: generated pipelines, carried out for real on the machine at hand."""
