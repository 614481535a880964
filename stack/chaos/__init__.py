"""Chaos: appointments are recorded and confirmed while everything is killed at counted points, then audited."""
