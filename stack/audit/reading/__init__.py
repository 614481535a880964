"""Readers: each looks into one place and changes nothing there."""
