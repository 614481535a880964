"""Ways out: one provider a file."""
