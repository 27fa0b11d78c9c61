"""What a user can set: the environment first, then `config.toml` in the home."""

from __future__ import annotations

import os

from rollouts.errors import RolloutsError
from rollouts.paths import Home

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_DIGITS = 18  # no file has more bytes, and Python refuses to read far more
_VARIABLE = "ROLLOUTS_MAX_FILE_SIZE"


def _size(value: object, where: str) -> int:
    text = str(value).strip().upper().removesuffix("B").removesuffix("I")
    unit = text[-1:] if text[-1:] in _UNITS else ""
    digits = text.removesuffix(unit) if unit else text
    if isinstance(value, bool) or not digits.isascii() or not digits.isdecimal() or len(digits) > _DIGITS:
        raise RolloutsError(
            f"{where} is {value!r}, which is no size; give bytes, or a number with K, M or G, like 100M"
        )
    return int(digits) * _UNITS[unit]


def _from_file(path: str) -> object:
    import tomllib  # noqa: PLC0415 - 8 ms, and only for those who have the file

    try:
        with open(path, "rb") as file:
            settings = tomllib.load(file)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RolloutsError(f"{path} is not valid TOML: {error}") from error
    capture = settings.get("capture", {})
    if not isinstance(capture, dict):
        raise RolloutsError(f"{path}: [capture] must be a table with max_file_size in it")
    return capture.get("max_file_size")


def max_file_size(home: Home) -> int | None:
    """The size limit that the user set, in bytes; None when there is none.

    Raises:
        RolloutsError: it is no size, or the file is not TOML.
    """
    if os.environ.get(_VARIABLE):
        return _size(os.environ[_VARIABLE], _VARIABLE)
    path = f"{home.path}/config.toml"
    value = _from_file(path) if os.path.exists(path) else None
    return None if value is None else _size(value, f"{path}: [capture] max_file_size")
