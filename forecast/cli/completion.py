"""Print a script that completes commands, options, configurations and shipped weights in a shell.

bash: eval "$(forecast completion bash)" in ~/.bashrc. zsh: the output as a file _forecast in a folder of $fpath. fish:
as ~/.config/fish/completions/forecast.fish. Needs shtab (extra completion) to print it, and nothing afterwards.
"""

from __future__ import annotations

import argparse
from importlib import import_module

#: What help calls an argument → what a shell completes there.
_TAKEN = {
    **dict.fromkeys(("FILE", "PICTURE", "FORECASTS", "IN", "OUT"), "files"),
    **dict.fromkeys(("DIR", "RUN"), "folders"),
    "MODEL": "models",
    "NAME|FILE": "configs",
}
#: How each shell offers names and files beside each other; bash and zsh call a function for it.
_BASH = '_forecast_{0}() {{ compgen -W \'{1}\' -- "$1"; compgen -f -- "$1"; }}\n'
_ZSH = "_forecast_{0}() {{ _alternative 'names:name:({1})' 'files:file:_files' }}\n"
_FISH = "(string split ' ' '{0}'; __fish_complete_path (commandline -ct))"
_SHELLS = ("bash", "zsh", "fish")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say for which shell."""
    parser.add_argument("shell", choices=_SHELLS, metavar="SHELL", help=f"one of {', '.join(_SHELLS)}")


def run(args: argparse.Namespace) -> None:
    """Print the script."""
    from forecast.core.extras import optional_module
    from forecast.prediction.checkpoint import SHIPPED
    from forecast.training.config_layers import config_names

    shtab = optional_module("shtab", "completion")
    names = {"models": " ".join(SHIPPED), "configs": " ".join(config_names())}
    preamble = {
        shell: "".join(function.format(kind, found) for kind, found in names.items())
        for shell, function in (("bash", _BASH), ("zsh", _ZSH))
    }
    ways = {
        kind: {"bash": f"_forecast_{kind}", "zsh": f"_forecast_{kind}", "fish": _FISH.format(found)}
        for kind, found in names.items()
    }
    parser = _whole_parser({**ways, "files": shtab.FILE, "folders": shtab.DIRECTORY})
    print(shtab.complete(parser, shell=args.shell, preamble=preamble))


def _whole_parser(ways: dict[str, dict[str, str]]) -> argparse.ArgumentParser:
    """All commands and their options in one parser, to be read, not to parse with."""
    from forecast.cli.main import COMMANDS

    parser = argparse.ArgumentParser(prog="forecast")
    parser.add_argument("--version", action="store_true", help="print the version")
    commands = parser.add_subparsers()
    for name, what in COMMANDS.items():
        command = commands.add_parser(name, help=what)
        import_module(f"forecast.cli.{name}").add_arguments(command)
        for action in command._actions:
            kind = "models" if "--model" in action.option_strings else _TAKEN.get(str(action.metavar))
            if kind is not None:
                action.complete = ways[kind]  # type: ignore[attr-defined]  # where shtab looks
    return parser
