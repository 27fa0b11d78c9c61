"""What a user can set: the environment first, then `config.toml` in the home."""

from __future__ import annotations

import os

from rollouts.errors import RolloutsError
from rollouts.paths import Home
from rollouts.record import Record

TYPE_CHECKING = False  # `typing` costs captures 6 ms
if TYPE_CHECKING:
    from rollouts.contracts.automation import Patterns
    from rollouts.contracts.pricing import Price

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_DIGITS = 18  # no file has more bytes, and Python refuses to read far more
_VARIABLE = "ROLLOUTS_MAX_FILE_SIZE"
_LONGEST_NAME = 100
_OF_LICENSES = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.+-")
_DEAREST = 1e9  # USD; a number beyond it is a slip


def _size(value: object, where: str) -> int:
    text = str(value).strip().upper().removesuffix("B").removesuffix("I")
    unit = text[-1:] if text[-1:] in _UNITS else ""
    digits = text.removesuffix(unit) if unit else text
    if isinstance(value, bool) or not digits.isascii() or not digits.isdecimal() or len(digits) > _DIGITS:
        raise RolloutsError(
            f"{where} is {value!r}, which is no size; give bytes, or a number with K, M or G, like 100M"
        )
    return int(digits) * _UNITS[unit]


def _from_file(home: Home) -> tuple[str, dict[str, object]]:
    """The path of the user's file and what is in it; nothing where there is none."""
    path = f"{home.path}/config.toml"
    if not os.path.exists(path):
        return path, {}
    import tomllib  # noqa: PLC0415 - 8 ms, and only for those who have the file

    try:
        with open(path, "rb") as file:
            return path, tomllib.load(file)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RolloutsError(f"{path} is not valid TOML: {error}") from error


def max_file_size(home: Home) -> int | None:
    """The size limit that the user set, in bytes; None when there is none.

    Raises:
        RolloutsError: it is no size, or the file is not TOML.
    """
    if os.environ.get(_VARIABLE):
        return _size(os.environ[_VARIABLE], _VARIABLE)
    path, settings = _from_file(home)
    capture = settings.get("capture", {})
    if not isinstance(capture, dict):
        raise RolloutsError(f"{path}: [capture] must be a table with max_file_size in it")
    value = capture.get("max_file_size")
    return None if value is None else _size(value, f"{path}: [capture] max_file_size")


def _check_keys(table: dict[str, object], known: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in known:
            raise RolloutsError(f"{where} has {key!r}, which is not known there; it takes {', '.join(known)}")


def _rate(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _DEAREST:
        raise RolloutsError(f"{where} is {value!r}, which is no price; give USD for a million tokens, like 2.5")
    return float(value)


def _price(entry: object, where: str) -> Price:
    from rollouts.contracts.pricing import CUSTOM, RATES, price  # noqa: PLC0415 - captures never ask for prices

    if not isinstance(entry, dict):
        raise RolloutsError(f"{where} must be a table with model and prices in it")
    keys = tuple(f"{rate}_per_mtok" for rate in RATES)
    _check_keys(entry, ("model", *keys), where)
    model = entry.get("model")
    if not isinstance(model, str) or not model.strip():
        raise RolloutsError(f"{where} has no model; give its name as the agents write it")
    rates = [_rate(entry.get(key, 0), f"{where} {key}") for key in keys]
    return price(model.strip(), rates, source=CUSTOM)


def prices(home: Home) -> tuple[Price, ...]:
    """The user's own prices: `[[prices]]`, each with model and USD for a million tokens; a missing one is 0.

    Raises:
        RolloutsError: a row is none, a model stands twice, or the file is not TOML.
    """
    path, settings = _from_file(home)
    entries = settings.get("prices", [])
    if not isinstance(entries, list):
        raise RolloutsError(f"{path}: prices must be tables, each under its own [[prices]]")
    rows: dict[str, Price] = {}
    for number, entry in enumerate(entries, start=1):
        row = _price(entry, f"{path}: [[prices]] number {number}")
        if row.pattern in rows:
            raise RolloutsError(f"{path}: [[prices]] number {number} prices {row.pattern!r} again; keep one of them")
        rows[row.pattern] = row
    return tuple(rows.values())


def license_name(text: str) -> str | None:
    """A licence as the Hub writes it, in lower case; None for what is no name of one."""
    name = text.strip().lower()
    return name if name and len(name) <= _LONGEST_NAME and not set(name) - _OF_LICENSES else None


class HubDefaults(Record):
    """What the user wants of every dataset."""

    private: bool | None = None
    """Of a new one; None: nothing was said."""
    license: str | None = None


def hub(home: Home) -> HubDefaults:
    """`[hf]`: private (true or false), license (a name that the Hub knows).

    Raises:
        RolloutsError: it holds something else, or the file is not TOML.
    """
    path, settings = _from_file(home)
    table = settings.get("hf", {})
    where = f"{path}: [hf]"
    if not isinstance(table, dict):
        raise RolloutsError(f"{where} must be a table with private or license in it")
    _check_keys(table, HubDefaults._fields, where)
    private, name = table.get("private"), table.get("license")
    if private is not None and not isinstance(private, bool):
        raise RolloutsError(f"{where} private is {private!r}; it takes true or false")
    known = license_name(name) if isinstance(name, str) else None
    if name is not None and known is None:
        raise RolloutsError(f"{where} license is {name!r}; give a name that the Hub knows, like cc-by-4.0")
    return HubDefaults(private, known)


def _texts(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(text, str) and text.strip() for text in value):
        raise RolloutsError(f"{where} must be a list of texts, none of them empty")
    return tuple(value)


def automation(home: Home) -> Patterns:
    """The user's own patterns of automated sessions: `[automation]` with prefixes, substrings and exact.

    Raises:
        RolloutsError: they are no lists of texts, or the file is not TOML.
    """
    from rollouts.contracts.automation import Patterns  # noqa: PLC0415 - captures never ask for them

    path, settings = _from_file(home)
    table = settings.get("automation", {})
    where = f"{path}: [automation]"
    if not isinstance(table, dict):
        raise RolloutsError(f"{where} must be a table with prefixes, substrings or exact in it")
    _check_keys(table, Patterns._fields, where)
    lists = {name: _texts(table.get(name, []), f"{where} {name}") for name in Patterns._fields}
    return Patterns(lists["prefixes"], lists["substrings"], tuple(text.strip() for text in lists["exact"]))
