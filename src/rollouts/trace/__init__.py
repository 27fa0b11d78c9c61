"""Rollout traces: a writer, a typed event model, a reader and a reducer, on their own feet.

Nothing here knows the rest of the house. The format is that of openai/codex's `rollout-trace` crate.
"""
