"""The text of --help: what the command is for, then its flags by topic, its own first."""

import textwrap

from absl import flags

__all__ = ["help_text", "own_flags"]

_WIDTH = 96

# Flags of absl and its kin, which `--help` leaves out and `--helpfull` shows.
_LIBRARY_PACKAGES = ("absl", "tensorflow", "tensorflow_datasets", "etils", "tf_keras")

# Last part of the name of a module that defines flags -> what these are about, in the order of
# the text. What is not here is the module of the command itself.
_TOPICS = {
    "compare_flags": "Comparison",
    "calibration_flags": "Calibration",
    "export_flags": "Export",
    "search_command": "Search",
    "train_command": "Training of one network",
    "network_flags": "Network, cost, seed and output",
    "detector_flags": "Detector and its images",
    "training_flags": "Data and training",
    "device_flags": "Measurement",
    "strategy_flags": "Devices",
}
_OWN = "This command"

_EPILOGUE = """\
--flagfile=FILE reads flags from a file, one a line; FILE may be one of those that come with the
package, such as flags/quickstart.flags. --helpfull shows the flags of all libraries too.

Exit codes: 0 done, or stopped by SIGTERM with a checkpoint written; 1 a mistake of this program;
2 something to mend, which one line says; 3 a worker was lost, start all again; 130 Ctrl-C."""


def _flags_by_topic() -> dict[str, list[flags.Flag]]:
    """Our own flags, in the order of the topics and, in one, in that of their definition."""
    by_topic: dict[str, list[flags.Flag]] = {topic: [] for topic in (_OWN, *_TOPICS.values())}
    for module, module_flags in flags.FLAGS.flags_by_module_dict().items():
        if module.partition(".")[0] not in _LIBRARY_PACKAGES:
            by_topic[_TOPICS.get(module.rpartition(".")[2], _OWN)] += module_flags
    return by_topic


def own_flags() -> list[flags.Flag]:
    """The flags that our own modules define, by name: those that say what a command does."""
    found = {flag.name: flag for group in _flags_by_topic().values() for flag in group}
    return [found[name] for name in sorted(found)]


def _flag_text(flag: flags.Flag) -> str:
    values, text = "", flag.help
    if isinstance(flag, flags.EnumFlag):  # absl puts the values before the text.
        values = "|".join(flag.parser.enum_values)
        text = text.removeprefix(f"<{values}>: ")
        values = f"={values}"
    name = f"[no]{flag.name}" if flag.boolean else flag.name
    default = (flag.default_as_str or "").strip("'")
    default = default and f" (default: {default})"
    lines = textwrap.wrap(text, _WIDTH - 8)
    return "\n".join([f"  --{name}{values}{default}", *(f"        {line}" for line in lines)])


def help_text(description: str) -> str:
    """The text of --help.

    Args:
      description: of the command, the docstring of its module.
    """
    parts = [description]
    for topic, group in _flags_by_topic().items():
        if group:
            parts.append("\n".join([f"{topic}:", *map(_flag_text, group)]))
    return "\n\n".join([*parts, _EPILOGUE])
