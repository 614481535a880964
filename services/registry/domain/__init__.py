"""Rules, states, failures and ports of the registry: no await, no I/O."""
