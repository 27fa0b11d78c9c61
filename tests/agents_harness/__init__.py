"""Real coding agents, offline: a scripted model on loopback, a driver each, and the truth about their turns."""
