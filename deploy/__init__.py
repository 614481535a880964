"""What an installation in containers needs beside the services."""
