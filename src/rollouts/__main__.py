"""`python -m rollouts`."""

from rollouts.cli import main

main()
