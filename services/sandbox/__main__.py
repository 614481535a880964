"""Starts the sandbox: `python -m services.sandbox`."""

from services.sandbox.app import main

main()
