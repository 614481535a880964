"""What every service needs and nothing about any of them."""
