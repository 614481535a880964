"""What the sandbox does over time: it waits for changes, breaks calls on request, and delivers to its callers."""
