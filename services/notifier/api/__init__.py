"""HTTP edge: what providers call."""
