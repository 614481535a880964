"""`python -m services.console.cli`, which `./boothline` runs."""

from services.console.cli.main import main

if __name__ == "__main__":
    main()
