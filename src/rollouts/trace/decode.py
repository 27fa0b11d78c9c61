"""Typed values out of parsed JSON, by the rules and in the words of Rust's serde.

A record is a dataclass; its annotations say what each field must be. serde takes an array for a record (its fields in
order), a missing field for None, and ignores what it does not know.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from rollouts.trace.jsontext import JsonError, Number, quote

U64 = Annotated[int, "u64"]
U32 = Annotated[int, "u32"]
I64 = Annotated[int, "i64"]
I32 = Annotated[int, "i32"]
USIZE = Annotated[int, "usize"]
Anything = Annotated[object, "anything"]
"""Any JSON value; as a field it must be there, but may be null."""

Decoder = Callable[[Any], Any]
_LIMITS = {
    "u64": (0, 2**64),
    "usize": (0, 2**64),
    "u32": (0, 2**32),
    "i64": (-(2**63), 2**63),
    "i32": (-(2**31), 2**31),
}
T = TypeVar("T")


class WrongTypeError(JsonError):
    """A value that is not of the type that is wanted."""

    def __init__(self, value: object, expected: str, what: str = "type") -> None:
        self.value = value
        self.expected = expected
        self.what = what
        super().__init__(self.words(keeps_spelling=False))

    def words(self, *, keeps_spelling: bool) -> str:
        """The sentence; where numbers keep their spelling, serde does not know what kind they are."""
        return f"invalid {self.what}: {_shown(self.value, keeps_spelling=keeps_spelling)}, expected {self.expected}"


class WrongNumberError(WrongTypeError):
    """A value that is no whole number."""

    def words(self, *, keeps_spelling: bool) -> str:
        if isinstance(self.value, Number | int) and not isinstance(self.value, bool) and keeps_spelling:
            return "invalid number"
        return super().words(keeps_spelling=keeps_spelling)


def words(error: JsonError, *, keeps_spelling: bool) -> str:
    """An error's sentence, as the parser of a schema says it."""
    return error.words(keeps_spelling=keeps_spelling) if isinstance(error, WrongTypeError) else str(error)


def _shown(value: object, *, keeps_spelling: bool) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "boolean `true`", False: "boolean `false`"}[value]
    if isinstance(value, int | Number) and keeps_spelling:
        return "number"
    if isinstance(value, int):
        return f"integer `{value}`"
    if isinstance(value, Number):
        return f"floating point `{value.text}`"
    if isinstance(value, str):
        return f"string {quote(value)}"
    return "sequence" if isinstance(value, list) else "map"


def _string(value: object) -> str:
    if isinstance(value, str):
        return value
    raise WrongTypeError(value, "a string")


def _integer(kind: str) -> Decoder:
    low, end = _LIMITS[kind]

    def decoded(value: object) -> int:
        if isinstance(value, int) and not isinstance(value, bool):
            if low <= value < end:
                return value
            raise WrongNumberError(value, kind, "value")
        raise WrongNumberError(value, kind)

    return decoded


def _choice(names: tuple[str, ...]) -> Decoder:
    known = frozenset(names)

    def decoded(value: object) -> str:
        name, held = variant(value)
        if name not in known:
            raise unknown_variant(name, names)
        if held is not None:
            raise WrongTypeError(held, "unit")
        return name

    return decoded


def variant(value: object) -> tuple[str, object]:
    """The name of a variant and what it holds; serde writes one that holds something as an object.

    Raises:
        WrongTypeError: the value is no variant.
    """
    if isinstance(value, dict):
        if len(value) != 1:
            raise WrongTypeError(value, "map with a single key", "value")
        [(value, held)] = value.items()
        return str(value), held
    if not isinstance(value, str):
        raise WrongTypeError(value, "string or map")
    return value, None


def unknown_variant(name: str, names: tuple[str, ...]) -> JsonError:
    return JsonError(f"unknown variant `{name}`, expected {_one_of(names)}")


def _one_of(names: tuple[str, ...]) -> str:
    quoted = [f"`{name}`" for name in names]
    if len(quoted) < 3:
        return " or ".join(quoted)
    return f"one of {', '.join(quoted)}"


def _optional(inner: Decoder) -> Decoder:
    return lambda value: None if value is None else inner(value)


def _list_of(inner: Decoder) -> Decoder:
    def decoded(value: object) -> list[Any]:
        if isinstance(value, list):
            return [inner(item) for item in value]
        raise WrongTypeError(value, "a sequence")

    return decoded


class Repeated(dict[str, Any]):
    """An object in which a key stood twice, which a record refuses."""

    __slots__ = ("keys_in_order",)

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.keys_in_order = [key for key, _ in pairs]


def _refuse_repeated(value: Repeated, known: dict[str, Any]) -> None:
    seen = set()
    for key in value.keys_in_order:
        if key in seen and key in known:
            raise JsonError(f"duplicate field `{key}`")
        seen.add(key)


_Plan = dict[str, tuple[Decoder, bool, Any]]
_PLANS: dict[type, _Plan] = {}


def _plan(record: Any) -> _Plan:
    """Field by field: its decoder, whether it may be missing, and what it is then."""
    return _PLANS.get(record) or _PLANS.setdefault(record, _planned(record))


def _planned(record: Any) -> _Plan:
    hints = get_type_hints(record, include_extras=True)
    plan = {}
    for field in fields(record):
        hint = hints[field.name]
        default = None if field.default is MISSING else field.default
        default = field.metadata.get("lacking", default)
        may_lack = field.default is not MISSING or "lacking" in field.metadata or type(None) in get_args(hint)
        plan[str(field.metadata.get("key", field.name))] = (decoder(hint), may_lack, default)
    return plan


def _from_array(record: type[T], value: list[Any], name: str) -> T:
    plan = _plan(record)
    found = []
    for place, (read, _, default) in enumerate(plan.values()):
        if place >= len(value) and default is None:
            raise JsonError(f"invalid length {place}, expected {name} with {_elements(len(plan))}")
        found.append(read(value[place]) if place < len(value) else default)
    if len(value) > len(plan):
        raise JsonError(f"invalid length {len(value)}, expected {_elements(len(plan))} in sequence")
    return record(*found)


def _elements(count: int) -> str:
    return f"{count} element{'' if count == 1 else 's'}"


def _from_object(record: type[T], value: dict[str, Any]) -> T:
    plan = _plan(record)
    if isinstance(value, Repeated):
        _refuse_repeated(value, plan)
    found = {key: plan[key][0](item) for key, item in value.items() if key in plan}
    if len(found) == len(plan):
        return record(*(found[key] for key in plan))
    return record(*(found[key] if key in found else _lacking(key, *plan[key]) for key in plan))


def _lacking(key: str, _: Decoder, may_lack: bool, default: Any) -> Any:
    if may_lack:
        return default
    raise JsonError(f"missing field `{key}`")


def struct(record: type[T], name: str = "") -> Callable[[Any], T]:
    """A decoder of records; serde calls them by `name`, else by the dataclass's `RUST`."""
    name = name or getattr(record, "RUST", f"struct {record.__name__}")

    def decoded(value: object) -> T:
        if isinstance(value, dict):
            return _from_object(record, value)
        if isinstance(value, list):
            return _from_array(record, value, name)
        raise WrongTypeError(value, name)

    return decoded


def _pascal(tag: str) -> str:
    return "".join(word.capitalize() for word in tag.split("_"))


def tagged(name: str, records: dict[str, type[T]]) -> Callable[[Any], T]:
    """A decoder of one of several records, told apart by the text under `type`."""
    decoders = {tag: struct(record, f"struct variant {name}::{_pascal(tag)}") for tag, record in records.items()}
    tags = tuple(records)

    def decoded(value: object) -> T:
        rest: object = value
        if isinstance(value, list):
            if not value:
                raise JsonError("missing field `type`")
            tag, rest = value[0], value[1:]
        elif isinstance(value, dict):
            if isinstance(value, Repeated):
                _refuse_repeated(value, {"type": None})
            if "type" not in value:
                raise JsonError("missing field `type`")
            tag = value["type"]
        else:
            raise WrongTypeError(value, f"internally tagged enum {name}")
        if not isinstance(tag, str):
            raise WrongTypeError(tag, "variant identifier")
        if tag not in decoders:
            raise unknown_variant(tag, tags)
        return decoders[tag](rest)

    return decoded


def _union(hint: Any) -> Decoder:
    members = get_args(hint)
    concrete = [member for member in members if member is not type(None)]
    if len(concrete) == 1:
        return _optional(decoder(concrete[0]))
    inner = tagged(concrete[0].ENUM, {member.TAG: member for member in concrete})
    return _optional(inner) if len(concrete) < len(members) else inner


def decoder(hint: Any) -> Decoder:  # noqa: PLR0911 - one a kind of annotation
    """What reads a value of an annotated type."""
    if hint is str:
        return _string
    if get_origin(hint) is Annotated:
        kind = get_args(hint)[1]
        if callable(kind):
            own: Decoder = kind
            return own
        return (lambda value: value) if kind == "anything" else _integer(kind)
    if get_origin(hint) is Literal:
        return _choice(get_args(hint))
    if get_origin(hint) in {Union, UnionType}:
        return _union(hint)
    if get_origin(hint) is list:
        return _list_of(decoder(get_args(hint)[0]))
    if is_dataclass(hint) and isinstance(hint, type):
        return struct(hint)
    raise TypeError(f"no decoder for {hint}")
