"""Rules of asking and answering: numbers, derived codes, states, ports. Nothing here waits or talks to anything."""
