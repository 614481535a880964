"""The console's HTTP edge: JSON for the command line, pages for people."""

from services.console.api import pages, v1

__all__ = ["pages", "v1"]
