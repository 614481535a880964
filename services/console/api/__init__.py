"""The console's HTTP edge: JSON for the command line, pages for people."""

from services.console.api import access, contract, pages, v1

__all__ = ["access", "contract", "pages", "v1"]
