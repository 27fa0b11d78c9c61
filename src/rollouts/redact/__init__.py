"""Finds secrets in decoded text and puts typed placeholders there. Knows neither the archive nor any server."""
