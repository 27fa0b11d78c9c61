"""Shapes that others read: pure, versioned."""
