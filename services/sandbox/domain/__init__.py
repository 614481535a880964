"""State and rules of the sandbox: a Bot API, a carrier and the phones they reach, all in memory and without I/O."""
