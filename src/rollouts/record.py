"""Named tuples for the hot path: `typing.NamedTuple` to a type checker, the same thing built here at run time.

Importing `typing` costs as much CPU as starting Python itself (6 ms), and hooks start this program at every turn.
"""

from __future__ import annotations

__all__ = ["Record"]
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple as Record
else:
    from collections import namedtuple

    class _FromAnnotations(type):
        def __new__(cls, name, bases, namespace):
            if not bases:
                return super().__new__(cls, name, bases, namespace)
            fields = namespace["__annotations__"]
            defaults = [namespace.pop(field) for field in fields if field in namespace]
            parent = namedtuple(name, fields, defaults=defaults)  # noqa: PYI024 - typing.NamedTuple is what this avoids
            return type(name, (parent,), namespace | {"__slots__": ()})

    class Record(metaclass=_FromAnnotations):
        """Base class; its children are tuples with the annotated fields."""
