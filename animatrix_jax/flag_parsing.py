"""A verb's command line to keyword arguments, through absl and ml_collections.

Their errors are told again in one sentence each, with what is near.
"""

import importlib
import importlib.util
import inspect
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import ConfigDict, config_dict, config_flags
from ml_collections.config_flags import config_path

from animatrix_data.settings import build, near
from animatrix_jax.verbs import Config, Flag, Verb

KIND_WORDS = {
    "whole": "a whole number",
    "number": "a number",
    "wholes": "whole numbers with commas between",
    "pair": "a number or two (high,low)",
    "switch": "true or false",
}
TYPE_WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    tuple: "a tuple, as in '(1, 2)'",
    ConfigDict: "a group of settings, as in \"{'key': 1}\"",
}


class PairParser(flags.ArgumentParser):
    """One number, or two with a comma between (high,low)."""

    syntactic_help = "a number, or high,low"

    def parse(self, argument: Any) -> Any:
        """'5' becomes 5.0 and '4,3' becomes (4.0, 3.0); ValueError for anything else."""
        if not isinstance(argument, str):
            return argument
        numbers = tuple(float(part) for part in argument.split(","))
        if len(numbers) > 2:
            raise ValueError("more than two numbers")
        return numbers if len(numbers) == 2 else numbers[0]


class WholesParser(flags.ArgumentParser):
    """Whole numbers with commas between."""

    syntactic_help = "N,N,…"

    def parse(self, argument: Any) -> Any:
        """'17,33' becomes (17, 33); ValueError for anything else."""
        if not isinstance(argument, str):
            return argument
        return tuple(int(part) for part in argument.split(","))


def parse(verb: Verb, arguments: Sequence[str]) -> dict[str, Any]:
    """The keyword arguments for the verb's job out of its command line.

    Raises:
      ValueError: an unknown flag or config key, a value of another kind, or something missing.
      OSError: the config file cannot be read.
    """
    known = flags.FlagValues()
    known.set_gnu_getopt(True)
    for flag in verb.flags:
        _define(flag, known)
    words = {flag.name: _words(flag) for flag in verb.flags}
    config, path, remaining = ConfigDict(), None, list(arguments)
    if verb.config:
        path, remaining = _take_config(verb, remaining)
        if path is not None:
            config = load_config(path)
        words |= _define_overrides(config, remaining, known)
    rest = _parse(verb, known, words, remaining)
    values = {flag.keyword: known[flag.name].value for flag in verb.flags}
    values |= _positional(verb, rest)
    for flag in (*verb.arguments, *verb.flags):
        if flag.required and values[flag.keyword] is None:
            raise ValueError(f"--{flag.name} is missing: {flag.help}")
    flags.FLAGS.mark_as_parsed()
    if verb.config:
        values[verb.config.argument] = None if path is None else _settings(verb.config, config)
    return values


def _settings(config: Config, values: ConfigDict) -> Any:
    """The config as the job wants it."""
    if config.becomes is None:
        return values
    module, _, name = config.becomes.rpartition(".")
    return build(getattr(importlib.import_module(module), name), values)


def load_config(path: str) -> ConfigDict:
    """The ConfigDict of a config file, its keys locked and its lists made tuples.

    Args:
      path: a Python file with `get_config()`, or file:argument for `get_config(argument)`.

    Raises:
      ValueError: it is no Python, has no get_config, or takes no argument.
      FileNotFoundError: no such file; the sentence names what is near.
    """
    file_name, *argument = path.split(":", 1)
    file = Path(file_name)
    if not file.is_file():
        siblings = (str(other) for other in file.parent.glob("*.py"))
        raise FileNotFoundError(f"{file_name} is no config file{near(file_name, siblings)}")
    spec = importlib.util.spec_from_file_location("config_file", file)
    if spec is None or spec.loader is None:
        raise ValueError(f"{file_name} is no config file: a config is a Python file, NAME.py")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise ValueError(f"{file_name}, line {error.lineno}: {error.msg}") from error
    if not hasattr(module, "get_config"):
        raise ValueError(f"{file_name} has no function get_config(): a config file needs one")
    try:
        inspect.signature(module.get_config).bind(*argument)
    except TypeError:
        need = "takes no argument after ':'" if argument else "needs an argument after ':'"
        raise ValueError(f"the config {file_name} {need}") from None
    config = module.get_config(*argument)
    if not isinstance(config, ConfigDict):
        raise ValueError(f"get_config() of {file_name} must return a ConfigDict")
    _open_up(config)
    return config.lock()


def _open_up(config: ConfigDict) -> None:
    """Makes lists and empty values settable: tuples, and placeholders for anything."""
    with config.unlocked():
        for key, value in list(config.items()):
            if isinstance(value, ConfigDict):
                _open_up(value)
            elif isinstance(value, list) or (value is None and config.get_type(key) is type(None)):
                del config[key]  # a key keeps its first type as long as it lives
                config[key] = config_dict.placeholder(object) if value is None else tuple(value)


def _define(flag: Flag, known: flags.FlagValues) -> None:
    parser: flags.ArgumentParser
    if flag.choices:
        parser = flags.EnumParser(list(flag.choices))
    elif flag.kind == "switch":
        flags.DEFINE_boolean(flag.name, flag.default, flag.help, flag_values=known)
        return
    elif flag.kind == "whole":
        parser = flags.IntegerParser()
    elif flag.kind == "number":
        parser = flags.FloatParser()
    elif flag.kind == "wholes":
        parser = WholesParser()
    elif flag.kind == "pair":
        parser = PairParser()
    else:
        parser = flags.ArgumentParser()
    flags.DEFINE(parser, flag.name, flag.default, flag.help, flag_values=known)


def _words(flag: Flag) -> str:
    if flag.choices:
        return "one of " + ", ".join(flag.choices)
    return KIND_WORDS.get(flag.kind, "a text")


def _take_config(verb: Verb, arguments: list[str]) -> tuple[str | None, list[str]]:
    """The value of --config (None when it may be left out and is), and the other arguments."""
    path, rest = None, []
    waiting = iter(arguments)
    for argument in waiting:
        name, equals, value = argument.partition("=")
        if name in ("--config", "-config"):
            path = value if equals else next(waiting, None)
            if path is None:
                raise ValueError("--config needs a value")
        else:
            rest.append(argument)
    assert verb.config is not None
    if path is None and (verb.config.required or any("config." in other for other in rest)):
        raise ValueError(f"--config is missing, as in '{verb.example}'")
    return path, rest


def _define_overrides(
    config: ConfigDict, arguments: list[str], known: flags.FlagValues
) -> dict[str, str]:
    """Defines a flag for each --config.key among the arguments; their kinds in words."""
    words = {}
    for argument in arguments:
        match = re.match(r"--?(?:no)?config\.([^=]*)", argument)
        if match:
            kind = _key_type(config, match[1])
            words[f"config.{match[1]}"] = TYPE_WORDS.get(kind, "a text")
    try:
        config_flags.DEFINE_config_dict("config", config, flag_values=known, sys_argv=arguments)
    except flags.Error as error:
        raise ValueError(str(error)) from error
    return words


def _key_type(config: ConfigDict, path: str) -> type:
    """The type of the config's value at a dotted path; ValueError names what is near."""
    try:
        parts: tuple[str | int, ...] = config_path.split(path)
    except ValueError:
        raise ValueError(f"--config.{path} is no config key") from None
    value: Any = config
    where = "config"
    kind: type = ConfigDict
    for part in parts:
        if isinstance(value, ConfigDict):
            if part not in value:
                everywhere = [key for key, _ in _leaves(config, "config")]
                elsewhere = [key for key in everywhere if key.endswith(f".{part}")]
                hint = f": did you mean {elsewhere[0]}?" if elsewhere else near(str(part), value)
                raise ValueError(f"{where} has no key {part!r}{hint}")
            kind = value.get_type(part)
        elif not (isinstance(value, tuple) and isinstance(part, int) and part < len(value)):
            raise ValueError(f"{where} has no key {part!r}: it is {value!r}")
        else:
            kind = type(value[part])
        value = value[part]
        where = f"{where}[{part}]" if isinstance(part, int) else f"{where}.{part}"
    return kind


def _leaves(config: ConfigDict, where: str) -> Iterable[tuple[str, Any]]:
    for key, value in config.items():
        yield f"{where}.{key}", value
        if isinstance(value, ConfigDict):
            yield from _leaves(value, f"{where}.{key}")


def _parse(
    verb: Verb, known: flags.FlagValues, words: dict[str, str], arguments: list[str]
) -> list[str]:
    """Parses into `known`; the positional arguments that are left over."""
    try:
        return known([verb.name, *arguments])[1:]
    except flags.UnrecognizedFlagError as error:
        names = [flag.name for flag in verb.flags] + (["config"] if verb.config else [])
        hint = near(error.flagname.replace("-", "_"), names)
        raise ValueError(
            f"unknown flag --{error.flagname}{hint.replace('mean ', 'mean --')}"
        ) from None
    except flags.IllegalFlagValueError as error:
        match = re.match(r"flag --(?:no)?([^=]+)=(.*?): ", str(error), re.DOTALL)
        if match is None or match[1] not in words:
            raise ValueError(str(error)) from error
        raise ValueError(f"--{match[1]} takes {words[match[1]]}, not {match[2]!r}") from None
    except flags.Error as error:
        match = re.match(r"Missing value for flag (\S+)", str(error))
        raise ValueError(f"{match[1]} needs a value" if match else str(error)) from error
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"{str(error).strip(chr(39))}") from error


def _positional(verb: Verb, rest: list[str]) -> dict[str, str | None]:
    if len(rest) > len(verb.arguments):
        extra = rest[len(verb.arguments)]
        names = [flag.name for flag in verb.flags]
        hint = f": did you mean --{extra}?" if extra in names else ""
        raise ValueError(f"nothing is expected where {extra!r} stands{hint}")
    padded = [*rest, *[None] * (len(verb.arguments) - len(rest))]
    missing = [flag for flag, value in zip(verb.arguments, padded, strict=True) if value is None]
    if missing:
        raise ValueError(f"{missing[0].name.upper()} is missing: {missing[0].help}")
    return {flag.name: value for flag, value in zip(verb.arguments, padded, strict=True)}
