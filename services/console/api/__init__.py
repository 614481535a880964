"""The console's HTTP edge: JSON for the command line, pages for people."""

from services.console.api import access, pages, v1

__all__ = ["access", "pages", "v1"]
