"""The embedded stack, the launcher and the demo: everything that starts processes."""
