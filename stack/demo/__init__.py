"""The demo: a made-up district, 60 appointments, and simulated workers who confirm them by every way there is."""
