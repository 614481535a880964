"""Use cases of the notifier: sequences of steps over ports, no framework."""
