"""Rules, states, failures and ports of the notifier: no await of anything real, no I/O."""
