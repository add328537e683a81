"""The directory of a run: what was asked for, how far it got, what came out.

    config.json        the command, its flags, derived settings, versions, names of the classes
    search_space.json  the tree that is searched (searches only)
    cost_model.json    the costs that it is searched by (searches with a cost model)
    ckpt-*             checkpoints, the newest few
    metrics.jsonl      one line per loop of steps
    events.out.*       the same for TensorBoard
    architecture.json  the chosen network (by analyze_search)
    lock               held by the process that trains

Starting a command again on its directory resumes it. The settings that decide the result
must be the same then; another setting wants another directory.
"""

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf

from tunas_tf.common import lock, run_config
from tunas_tf.common.errors import InputError, one_line
from tunas_tf.common.files import replaced, write_json
from tunas_tf.common.json_files import VERSIONS
from tunas_tf.training import checkpoints

__all__ = ["RunDirectory", "load_config", "readable"]

_METRICS = "metrics.jsonl"


def _as_read(value: dict[str, Any]) -> dict[str, Any]:
    """What a file with this value holds: JSON knows no tuples."""
    return json.loads(json.dumps(value))


def load_config(path: str, *commands: str) -> dict[str, Any]:
    """The config.json of a run in the directory `path`, with its documents.

    Args:
      path: of the directory.
      *commands: it must be a run of one of these.
    """
    config = run_config.read(path, "give the directory of a run as --checkpoint_dir")
    if config["command"] not in commands:
        raise InputError(
            f"{path} holds a run of {one_line(config['command'])}, not of {' or '.join(commands)}; "
            f"give the directory of a {commands[0]}."
        )
    return config


@contextlib.contextmanager
def readable(directory: str) -> Iterator[None]:
    """Says in one sentence if a run has not what is looked for in it."""
    try:
        yield
    except InputError:
        raise
    except (
        AttributeError,
        IndexError,
        KeyError,
        TypeError,
        ValueError,
        tf.errors.OpError,
    ) as error:
        reason = one_line(f"{type(error).__name__}: {error}")
        raise InputError(
            f"the run in {directory} cannot be read ({reason}); give the directory of another run."
        ) from None


class RunDirectory:
    """A directory that this process trains in, alone until it ends, or only reads.

    Attributes:
      path: of the directory.
      writes: whether this process trains in it.
      resumes: whether an earlier process has started the run.
    """

    def __init__(
        self,
        path: str,
        command: str,
        settings: dict[str, Any],
        information: dict[str, Any],
        documents: dict[str, dict[str, Any]] | None = None,
        writes: bool = True,
    ):
        """Creates and locks the directory, or checks that it holds the same run.

        Args:
          path: of the directory.
          command: that trains in it.
          settings: what decides the result, JSON values; equal whenever the run is resumed.
          information: more to be noted in config.json. Of it, "derived" (what follows from the
            settings and the data) must be equal too; "defaults" of settings are not noted, but
            stand for what a directory from before a setting was there does not say.
          documents: what decides the result and is too long for a setting, JSON values:
            "search_space", "cost_model". Each becomes a file of its own.
          writes: whether this process trains. One that does not (it evaluates, or is one of
            several workers of which another one writes) locks and creates nothing, and what it
            would add to the metrics is dropped.

        Raises:
          InputError: the directory belongs to another run, is in use by another process, or
            cannot be written.
        """
        self.path = path
        self.writes = writes
        self._start: str | None = None
        self._has_looked = False
        self._config: dict[str, Any] = {}
        self.resumes = self._holds_run()
        if self.resumes:
            self._check_same(command, settings, information, documents or {})
        if not writes:
            return
        with self._writing():
            self._make_and_lock(documents or {})
            if self.resumes:
                return
            for name, document in (documents or {}).items():
                write_json(self.file(f"{name}.json"), {"version": VERSIONS[name], **document})
            # Last: a directory with a config.json is complete.
            self._config = {
                "version": VERSIONS["config"],
                "command": command,
                "settings": settings,
                "documents": sorted(documents or {}),
                **information,
            }
            self._config.pop("defaults", None)
            write_json(self.file(run_config.FILE_NAME), self._config)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Says in one sentence if something cannot be written."""
        try:
            yield
        except OSError as error:
            raise InputError(
                f"the run directory {self.path} cannot be written ({error.strerror}); give a "
                "--checkpoint_dir that you may write to."
            ) from None

    def _holds_run(self) -> bool:
        return os.path.exists(self.file(run_config.FILE_NAME))

    def _make_and_lock(self, documents) -> None:
        os.makedirs(self.path, exist_ok=True)
        # A process may have been killed before it had written the configuration, the last one.
        own = {run_config.FILE_NAME, *(f"{name}.json" for name in documents)}
        own |= {lock.FILE_NAME, *(f"{name}.tmp" for name in own)}
        if not self.resumes and set(os.listdir(self.path)) - own:
            raise InputError(
                f"the directory {self.path} is not empty and holds no run of this program; give "
                "a new or an empty --checkpoint_dir."
            )
        lock.hold(self.path)
        if self._holds_run() != self.resumes:
            raise InputError(
                f"another process has just started a run in {self.path}; start the command again "
                "to resume that run, or give another --checkpoint_dir."
            )

    def _check_same(self, command, settings, information, documents) -> None:
        self._config = config = load_config(self.path, command)
        for name, document in documents.items():
            content = {key: value for key, value in document.items() if key != "version"}
            if config.get(name) != _as_read(content):
                raise InputError(
                    f"{self.path} holds a run with another {name.replace('_', ' ')}, as its "
                    f"{name}.json says; give another --checkpoint_dir."
                )
        settings_then = config.get("settings", {})
        asked_then = _as_read({**information.get("defaults", {}), **settings_then})
        asked_now = _as_read(settings)
        derived_then = config.get("derived", {})
        derived_now = _as_read(information.get("derived", {}))
        # What one of the two programs does not derive follows from what is equal in both.
        derived = derived_then.keys() & derived_now.keys()

        def follows_from_others(name: str) -> bool:
            return asked_then.get(name) == asked_now.get(name)

        names = {*settings_then, *settings, *derived}
        for name in sorted(names, key=lambda name: (follows_from_others(name), name)):
            if name in derived:  # It counts rather than the flag of the same name.
                before, now = derived_then[name], derived_now[name]
            else:
                before, now = asked_then.get(name), asked_now.get(name)
            if before != now:
                difference = one_line(f"{name}={before}, now it is {now}")
                if isinstance(before, dict):  # Too long to be compared by eye.
                    difference = one_line(f"another {name}")
                raise InputError(
                    f"{self.path} was started with {difference}; give the same value to resume, "
                    "or another --checkpoint_dir to start anew."
                )
        if not os.access(self.path, os.W_OK):
            raise InputError(
                f"the run directory {self.path} cannot be written; change its permissions, or "
                "give another --checkpoint_dir."
            )

    def agree_on_classes(self, class_names: Sequence[str]) -> None:
        """Notes the classes of the data in config.json, or compares them with those noted there.

        Labels are numbers: data whose classes were renamed would go on with other meanings.

        Args:
          class_names: in the order of the labels.

        Raises:
          InputError: the run has other ones. One from before they were noted takes any.
        """
        if "class_names" in self._config:
            run_config.require_same_classes(self.path, self._config["class_names"], class_names)
        elif self.writes and not self.resumes:
            self._config["class_names"] = list(class_names)
            with self._writing():
                write_json(self.file(run_config.FILE_NAME), self._config)

    def file(self, name: str) -> str:
        return os.path.join(self.path, name)

    def checkpoint(self) -> str | None:
        """The checkpoint that the run goes on from: the newest one, as of the first call.

        Raises:
          InputError: there are checkpoints, none of which can be used.
        """
        if not self._has_looked:
            self._start = checkpoints.newest(self.path)
            self._has_looked = True
        return self._start

    def checkpoint_step(self) -> int:
        """The step of `checkpoint`, 0 if there is none."""
        checkpoint = self.checkpoint()
        return checkpoints.step_of(checkpoint) if checkpoint else 0

    def append_metrics(self, metrics: dict[str, float]) -> None:
        if not self.writes:
            return
        with open(self.file(_METRICS), "a", encoding="utf-8") as file:
            file.write(json.dumps(metrics) + "\n")

    def drop_metrics_after(self, step: int) -> None:
        """Forgets what a killed process wrote after the checkpoint at `step`."""
        path = self.file(_METRICS)
        if not self.writes or not os.path.exists(path):
            return
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
        kept = []
        for line in lines:
            try:
                if json.loads(line)["step"] <= step:
                    kept.append(line)
            except (ValueError, KeyError):
                continue  # The kill came in the middle of a line.
        with replaced(path) as file:
            file.writelines(f"{line}\n" for line in kept)
