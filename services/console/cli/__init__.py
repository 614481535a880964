"""The `boothline` command: it speaks HTTP to the services and acts with the rights of an API key."""

from services.console.cli.main import main

__all__ = ["main"]
