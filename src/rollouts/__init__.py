"""Rollouts keeps every turn of a coding agent: the conversation and the byte-exact codebase at that turn."""

__version__ = "0.2.0"
