"""`python -m services.registry`."""

from services.registry.app import main

if __name__ == "__main__":
    main()
