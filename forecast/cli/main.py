"""``forecast COMMAND …``: finds the command's module, runs it, turns users' mistakes into one line and exit code 2."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

import forecast
from forecast.cli.terminal import plainly_spoken
from forecast.core.errors import ForecastError

#: Command → what it does. The module ``forecast.cli.<command>`` holds ``add_arguments(parser)`` and ``run(args)``;
#: it is imported only when its command is called, so that help answers at once.
COMMANDS = {
    "demo": "run every step on a synthetic town: data, training, forecasts, scores, pictures",
    "town": "write a synthetic town as a genuine nuScenes folder",
    "prepare": "read a data set once into a compact cache",
    "inspect": "draw exactly what the network sees of one agent",
    "pretrain": "teach a network to read maps, from maps alone",
    "train": "train a model on a data set",
    "adapt": "adapt trained weights to a new city without forgetting the old ones",
    "predict": "forecast a split with a trained model",
    "baselines": "forecast a split with the physics baselines",
    "score": "score files of forecasts: accuracy and temporal consistency",
    "convert": "turn forecasts from one form into another: logs of driving stacks, rows, submissions",
    "monitor": "watch the forecasts of a drive without labels, by limits learnt from another one",
    "draw": "draw forecasts of a scene, two models side by side, or an animation of successive forecasts",
    "view": "write a page on which scenes and forecasts are played, compared and asked about",
    "explain": "say what drives a forecast: which part of the map, which neighbour, which past",
    "counterfactual": "find the smallest change of a scene that flips a forecast, or edit a scene in words",
    "search": "find scenarios like one, but with one thing changed: a list and a sheet of pictures",
    "audit": "report whether a model uses its context, and whether it uses it rightly",
    "export": "export a trained model to ONNX, checked against the model",
    "list": "list configurations, networks, metrics, weights, …; of a data set, its scenes and agents",
    "completion": "print a script that completes commands and names in a shell",
    "info": "print what a model is: parameters, data, epochs, scores; or versions, for bug reports",
}

EXIT_DONE, EXIT_FAILED, EXIT_USER_MISTAKE = 0, 1, 2
#: Ctrl-C, as shells have it.
EXIT_INTERRUPTED = 130


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USER_MISTAKE, f"{self.prog}: {message} (see {self.prog} --help)\n")


def _main_parser() -> argparse.ArgumentParser:
    listing = "\n".join(f"  {name:<15}{what}" for name, what in COMMANDS.items())
    parser = _Parser(
        prog="forecast",
        description="Context-aware motion forecasting for automated driving.",
        epilog=f"commands:\n{listing}\n\n'forecast COMMAND --help' lists the options of a command.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"cab-forecast {forecast.__version__}")
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND")
    return parser


def _run(argv: Sequence[str]) -> None:
    main_parser = _main_parser()
    # Options before the command belong to `forecast` itself, all that follows belongs to the command.
    if not argv:
        main_parser.print_help(sys.stderr)
        raise SystemExit(EXIT_USER_MISTAKE)
    command = main_parser.parse_args(argv[:1]).command
    module = import_module(f"forecast.cli.{command}")
    parser = _Parser(prog=f"forecast {command}", description=module.__doc__)
    module.add_arguments(parser)
    if getattr(module, "TAKES_CONFIGURATION", False):
        args, configuration = parser.parse_known_args(argv[1:])
        args.configuration = configuration
    else:
        args = parser.parse_args(argv[1:])
    args.command_line = ["forecast", *argv]
    module.run(args)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        0 when done, 2 for a user's mistake or a file that cannot be read or written, 130 after Ctrl-C (one line on
        stderr each); anything else raises and Python exits with 1.
    """
    with plainly_spoken():
        return _run_and_tell(sys.argv[1:] if argv is None else argv)


def _run_and_tell(argv: Sequence[str]) -> int:
    try:
        _run(argv)
    except ForecastError as mistake:
        # What a file holds may be quoted, line breaks and all.
        print("forecast:", r"\n".join(str(mistake).splitlines()), file=sys.stderr)
        return EXIT_USER_MISTAKE
    except KeyboardInterrupt as interrupt:
        print(f"forecast: {str(interrupt) or 'interrupted'}", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader of our output (head, less) went away
        sys.stderr.close()
        return EXIT_DONE
    except OSError as fault:  # no space, no permission, a folder where a file was named
        where = f"{fault.filename}: " if fault.filename else ""
        print(f"forecast: {where}{fault.strerror or fault}", file=sys.stderr)
        return EXIT_USER_MISTAKE
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
