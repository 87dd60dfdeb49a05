"""Samples on disk: what is kept of each, the file that keeps them, and what reads them out."""
