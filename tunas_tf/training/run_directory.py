"""The directory of a run: what was asked for, how far it got, what came out.

    config.json        the command, its flags, derived settings, versions
    search_space.json  the tree that is searched (searches only)
    cost_model.json    the costs that it is searched by (searches with a cost model)
    ckpt-*             checkpoints, the newest few
    metrics.jsonl      one line per loop of steps
    events.out.*       the same for TensorBoard
    architecture.json  the chosen network (by analyze_search)

Starting a command again on its directory resumes it. The settings that decide the result
must be the same then; another setting wants another directory.
"""

import json
import os
from typing import Any, Optional

import tensorflow as tf

from tunas_tf.common.errors import InputError
from tunas_tf.common.files import write_json

__all__ = ["RunDirectory", "load_config"]

_CONFIG = "config.json"
_METRICS = "metrics.jsonl"


def _read_json(path: str) -> Any:
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}); give the directory of a run as "
            "--checkpoint_dir."
        ) from None
    except ValueError:
        raise InputError(f"{path} is damaged: it is not JSON; start again elsewhere.") from None


def load_config(path: str, *commands: str) -> dict[str, Any]:
    """The config.json of a run in the directory `path`, with its documents.

    Args:
      path: of the directory.
      *commands: it must be a run of one of these.
    """
    config = _read_json(os.path.join(path, _CONFIG))
    if config.get("command") not in commands:
        raise InputError(
            f"{path} holds a run of {config.get('command')}, not of {' or '.join(commands)}; "
            f"give the directory of a {commands[0]}."
        )
    for name in config.get("documents", ()):
        config[name] = _read_json(os.path.join(path, f"{name}.json"))
    return config


class RunDirectory:
    """A directory that this process trains in.

    Attributes:
      path: of the directory.
      resumes: whether an earlier process has started the run.
    """

    def __init__(
        self,
        path: str,
        command: str,
        settings: dict[str, Any],
        information: dict[str, Any],
        documents: Optional[dict[str, dict[str, Any]]] = None,
    ):
        """Creates the directory, or checks that it holds the same run. Writes nothing else.

        Args:
          path: of the directory.
          command: that trains in it.
          settings: what decides the result, JSON values; equal whenever the run is resumed.
          information: more to be noted in config.json. Of it, "derived" (what follows from the
            settings and the data) must be equal too.
          documents: what decides the result and is too long for a setting, JSON values:
            "search_space", "cost_model". Each becomes a file of its own.

        Raises:
          InputError: the directory belongs to another run, or cannot be written.
        """
        self.path = path
        self.resumes = os.path.exists(os.path.join(path, _CONFIG))
        if self.resumes:
            self._check_same(command, settings, information, documents or {})
            return
        try:
            os.makedirs(path, exist_ok=True)
            if os.listdir(path):
                raise InputError(
                    f"the directory {path} is not empty and holds no run of this program; give "
                    "a new or an empty --checkpoint_dir."
                )
            for name, document in (documents or {}).items():
                write_json(os.path.join(path, f"{name}.json"), document)
            # Last: a directory with a config.json is complete.
            config = {
                "command": command,
                "settings": settings,
                "documents": sorted(documents or {}),
                **information,
            }
            write_json(os.path.join(path, _CONFIG), config)
        except OSError as error:
            raise InputError(
                f"the run directory {path} cannot be written ({error.strerror}); give a "
                "--checkpoint_dir that you may write to."
            ) from None

    def _check_same(self, command, settings, information, documents) -> None:
        config = load_config(self.path, command)
        for name, document in documents.items():
            # Through JSON, which knows no tuples.
            if config.get(name) != json.loads(json.dumps(document)):
                raise InputError(
                    f"{self.path} holds a run with another {name.replace('_', ' ')}, as its "
                    f"{name}.json says; give another --checkpoint_dir."
                )
        old = {**config["settings"], **config.get("derived", {})}
        new = json.loads(json.dumps({**settings, **information.get("derived", {})}))

        def follows_from_others(name):
            return config["settings"].get(name) == settings.get(name)

        for name in sorted({*old, *new}, key=lambda name: (follows_from_others(name), name)):
            before, now = old.get(name), new.get(name)
            if before != now:
                difference = f"{name}={before}, now it is {now}"
                if isinstance(before, dict):  # Too long to be compared by eye.
                    difference = f"another {name}"
                raise InputError(
                    f"{self.path} was started with {difference}; give the same value to resume, "
                    "or another --checkpoint_dir to start anew."
                )
        if not os.access(self.path, os.W_OK):
            raise InputError(
                f"the run directory {self.path} cannot be written; change its permissions, or "
                "give another --checkpoint_dir."
            )

    def file(self, name: str) -> str:
        return os.path.join(self.path, name)

    def checkpoint_step(self) -> int:
        """The step of the newest checkpoint, 0 if there is none."""
        checkpoint = tf.train.latest_checkpoint(self.path)
        return int(checkpoint.rpartition("-")[2]) if checkpoint else 0

    def append_metrics(self, metrics: dict[str, float]) -> None:
        with open(self.file(_METRICS), "a", encoding="utf-8") as file:
            file.write(json.dumps(metrics) + "\n")

    def drop_metrics_after(self, step: int) -> None:
        """Forgets what a killed process wrote after the checkpoint at `step`."""
        path = self.file(_METRICS)
        if not os.path.exists(path):
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
        with open(f"{path}.tmp", "w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in kept)
        os.replace(f"{path}.tmp", path)
