"""From a config's nested mapping to frozen dataclasses: no ConfigDict passes this edge."""

import contextlib
import dataclasses
import difflib
import enum
import inspect
import numbers
import pathlib
import types
import typing
from collections.abc import Iterable, Iterator
from typing import Any

KIND_NAMES: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    pathlib.Path: "a path",
    type(None): "None",
}


def near(name: str, known: Iterable[str]) -> str:
    """What is close to `name` among `known`, as the end of a sentence.

    Returns: ': did you mean …?', or ': there are …' when nothing is close (the first twelve),
    or an empty text when nothing is known.
    """
    names = sorted({str(other) for other in known})
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if not close:
        close = [other for other in names if name and (name in other or other in name)][:3]
    if close:
        return f": did you mean {' or '.join(close)}?"
    if not names:
        return ""
    return f": there are {', '.join(names[:12])}{' and more' if len(names) > 12 else ''}"


@contextlib.contextmanager
def naming(what: object) -> Iterator[None]:
    """Put `what` before the sentence of a ValueError that is raised meanwhile."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from error


def build[Built](dataclass_type: type[Built], mapping: Any, where: str = "config") -> Built:
    """Makes a (frozen, possibly nested) dataclass from a mapping of its fields.

    Args:
      dataclass_type: the class; a field's annotation says what its value becomes. A list becomes
        a tuple, a mapping becomes the dataclass that the annotation names, a text becomes a path
        or an enum member where one is asked for.
      mapping: a ConfigDict or any mapping from field name to value.
      where: the place the mapping stands at, for the error sentences ('config.optimizer').

    Raises:
      ValueError: an unknown or a missing key, or a value of another kind; the sentence names the
        place and what is near. A ValueError of the class's own checks gets the place in front.
    """
    if not hasattr(mapping, "items"):
        raise ValueError(f"{where} must be a group of settings, not {_show(mapping)}")
    values = {str(key): value for key, value in mapping.items()}
    fields = {field.name: field for field in dataclasses.fields(_a_dataclass(dataclass_type))}
    settable = {name: field for name, field in fields.items() if field.init}
    for key in values:
        if key not in settable:
            raise ValueError(f"{where} has no key {key!r}{near(key, settable)}")
    hints = typing.get_type_hints(dataclass_type)
    arguments = {}
    for name, field in settable.items():
        if name in values:
            arguments[name] = _convert(hints[name], values[name], f"{where}.{name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ValueError(f"{where} lacks the key {name!r} ({_kind(hints[name])})")
    try:
        return dataclass_type(**arguments)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _a_dataclass(candidate: Any) -> Any:
    assert dataclasses.is_dataclass(candidate), f"{candidate} is not a dataclass"
    return candidate


def _convert(kind: Any, value: Any, where: str) -> Any:
    """`value` as the annotation `kind` asks for it."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any or kind is object or isinstance(kind, typing.TypeVar):
        return _plain(value)
    if origin is typing.Annotated:
        return _convert(parts[0], value, where)
    if origin in (typing.Union, types.UnionType):
        return _convert_union(kind, parts, value, where)
    if origin is typing.Literal:
        if value not in parts:
            raise ValueError(f"{where} cannot be {value!r}{near(str(value), map(str, parts))}")
        return value
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return value if isinstance(value, kind) else build(kind, value, where)
    container = origin or kind
    if isinstance(container, type):
        if issubclass(container, enum.Enum):
            return _convert_enum(container, value, where)
        if container is not str and issubclass(tuple, container):
            return _convert_sequence(kind, parts, value, where)
        if issubclass(dict, container):
            return _convert_mapping(parts, value, where)
    return _convert_scalar(kind, value, where)


def _convert_scalar(kind: Any, value: Any, where: str) -> Any:
    if kind in (int, float) and isinstance(value, numbers.Real) and not isinstance(value, bool):
        number = float(value)
        if kind is float:
            return number
        if isinstance(value, numbers.Integral) or number.is_integer():
            return int(typing.cast(int, value))
    if kind is pathlib.Path and isinstance(value, str | pathlib.Path):
        return pathlib.Path(value)
    if kind is type(None) and value is None:
        return None
    if kind not in (int, float) and isinstance(value, _class_of(kind)):
        return value
    raise ValueError(f"{where} must be {_kind(kind)}, not {_show(value)}")


def _class_of(kind: Any) -> type:
    """The class that a value annotated `kind` is an instance of (callables pass as objects)."""
    origin = typing.get_origin(kind) or kind
    return origin if inspect.isclass(origin) else object


def _convert_union(kind: Any, parts: tuple[Any, ...], value: Any, where: str) -> Any:
    # A flag of a text or a path can say None as a text alone.
    if type(None) in parts and (value is None or (isinstance(value, str) and value == "None")):
        return None
    others = [part for part in parts if part is not type(None)]
    failures = []
    for part in others:
        if part is type(value):
            return value
    for part in others:
        try:
            return _convert(part, value, where)
        except ValueError as error:
            failures.append(error)
    if len(failures) == 1:
        raise failures[0]
    raise ValueError(f"{where} must be {_kind(kind)}, not {_show(value)}") from failures[-1]


def _convert_enum(kind: type[enum.Enum], value: Any, where: str) -> enum.Enum:
    if isinstance(value, kind):
        return value
    for member in kind:
        if value in (member.value, member.name):
            return member
    names = [str(member.value) for member in kind]
    raise ValueError(f"{where} cannot be {value!r}{near(str(value), names)}")


def _convert_sequence(kind: Any, parts: tuple[Any, ...], value: Any, where: str) -> Any:
    if isinstance(value, str) or not isinstance(value, Iterable) or hasattr(value, "items"):
        raise ValueError(f"{where} must be {_kind(kind)}, not {_show(value)}")
    items = tuple(value)
    if not parts:
        return tuple(_plain(item) for item in items)
    if (len(parts) == 2 and parts[1] is Ellipsis) or len(parts) == 1:
        kinds: tuple[Any, ...] = (parts[0],) * len(items)
    else:
        kinds = parts
    if len(kinds) != len(items):
        raise ValueError(f"{where} must hold {len(kinds)} values, not {len(items)}")
    return tuple(
        _convert(part, item, f"{where}[{index}]")
        for index, (part, item) in enumerate(zip(kinds, items, strict=True))
    )


def _convert_mapping(parts: tuple[Any, ...], value: Any, where: str) -> dict[Any, Any]:
    if not hasattr(value, "items"):
        raise ValueError(f"{where} must be a group of settings, not {_show(value)}")
    kind = parts[1] if len(parts) == 2 else Any
    return {key: _convert(kind, item, f"{where}.{key}") for key, item in value.items()}


def _plain(value: Any) -> Any:
    """`value` without ConfigDicts and lists."""
    if hasattr(value, "items"):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_plain(item) for item in value)
    return value


def _kind(kind: Any) -> str:
    """An annotation in words."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if kind in KIND_NAMES:
        return KIND_NAMES[kind]
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_kind(part) for part in parts)
    if origin is typing.Literal:
        return "one of " + ", ".join(map(str, parts))
    if origin is not None and inspect.isclass(origin) and issubclass(tuple, origin):
        return "a list"
    if dataclasses.is_dataclass(kind):
        return "a group of settings"
    return f"of type {getattr(kind, '__name__', kind)}"


def _show(value: Any) -> str:
    """`value` in an error sentence, cut short."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else text[:57] + "…"
