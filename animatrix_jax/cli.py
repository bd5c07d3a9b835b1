"""The `animatrix` command: flags in, a job called, status out.

A job, with all it imports, is loaded only when its verb is called.
Exit status: 0 done, 2 a user's mistake (one sentence on stderr), 130 interrupted, 143 a run that
SIGTERM stopped, with a checkpoint.
"""

import importlib
import os
import sys
import textwrap
from collections.abc import Sequence

from animatrix_jax.verbs import VERBS, Flag, Verb

COLUMNS = 100


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line (without the program's name; sys.argv by default) to its status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    verb = None
    try:
        if not arguments or arguments[0] in ("-h", "--help", "-help", "help"):
            print(overview())
            return 0 if arguments else 2
        verb = find_verb(arguments[0])
        if {"-h", "--help", "-help", "--helpfull"} & set(arguments[1:]):
            print(verb_help(verb))
            return 0
        from animatrix_jax.flag_parsing import parse

        values = parse(verb, arguments[1:])
        importlib.import_module(f"animatrix_jax.jobs.{verb.name}").run(**values)
        return 0
    except KeyboardInterrupt:
        print("animatrix: interrupted", file=sys.stderr)
        return 130
    except (ValueError, OSError) as error:
        if os.environ.get("ANIMATRIX_TRACEBACK"):
            raise
        program = f"animatrix {verb.name}" if verb else "animatrix"
        print(f"{program}: {sentence(error)}", file=sys.stderr)
        return 2


def overview() -> str:
    """The text of `animatrix --help`."""
    width = max(len(verb.name) for verb in VERBS)
    lines = [f"  {verb.name:{width}}  {verb.help}" for verb in VERBS]
    return "\n".join(
        ["usage: animatrix VERB --flags", "", *lines, "", "animatrix VERB --help shows its flags."]
    )


def verb_help(verb: Verb) -> str:
    """The text of `animatrix VERB --help`."""
    rows = [(flag.name.upper(), flag) for flag in verb.arguments]
    if verb.config:
        row = Flag("config", verb.config.help, required=verb.config.required)
        rows.append(("--config FILE[:ARGUMENT]", row))
        rows.append(("--config.KEY=VALUE", Flag("override", "another value for one of its keys")))
    rows += [(f"--{flag.name} {flag.metavar}".rstrip(), flag) for flag in verb.flags]
    width = max(len(left) for left, _ in rows)
    lines = []
    for left, flag in rows:
        note = flag.help
        if flag.required:
            note += " (required)"
        elif flag.default is not None and flag.default is not False:
            note += f" (default {flag.default})"
        wrapped = textwrap.wrap(note, COLUMNS - width - 4)
        lines.append(f"  {left:{width}}  {wrapped[0]}")
        lines += [" " * (width + 4) + rest for rest in wrapped[1:]]
    places = "".join(f" {flag.name.upper()}" for flag in verb.arguments)
    usage = f"usage: animatrix {verb.name}{places} --flags"
    return "\n".join([usage, "", verb.help, "", *lines, "", f"example: {verb.example}"])


def find_verb(name: str) -> Verb:
    """The verb called `name`; ValueError with the nearest when there is none."""
    from animatrix_data.settings import near

    for verb in VERBS:
        if verb.name == name:
            return verb
    what = "flag before the verb" if name.startswith("-") else "verb"
    raise ValueError(f"unknown {what} {name!r}{near(name, [verb.name for verb in VERBS])}")


def sentence(error: BaseException) -> str:
    """An error as one line for the person who typed the command."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror[:1].lower()}{error.strerror[1:]}"
    text = " ".join(str(error).split()) or type(error).__name__
    return text if _raised_at_home(error) else f"{text} (ANIMATRIX_TRACEBACK=1 shows where)"


def _raised_at_home(error: BaseException) -> bool:
    """Whether our own code raised it, and so wrote its sentence."""
    if isinstance(error, OSError):
        return True
    trace = error.__traceback__
    module = ""
    while trace is not None:
        module = trace.tb_frame.f_globals.get("__name__", "")
        trace = trace.tb_next
    return module.startswith(("animatrix_", "config_file", "__main__"))


if __name__ == "__main__":
    sys.exit(main())
