"""Running .tflite files of unknown origin once, in a process that may crash.

The interpreter verifies the structure of a file, so that one that is cut off or overwritten is
refused. What it does not verify is the sense: with shapes and indices that do not fit each other
it may read and write where it should not, which ends the process.
"""

import multiprocessing
import signal
from collections.abc import Sequence

from tunas_tf.common.errors import InputError, one_line
from tunas_tf.export.latency import read_model
from tunas_tf.export.quiet import quiet_native_code

__all__ = ["require_runnable"]

# Of loading a model and running it once; the slowest networks take a few seconds.
_MAX_SECONDS = 300.0
_SECONDS_TO_END = 10.0


def _try(connection, models: Sequence[str], num_threads: int, use_xnnpack: bool) -> None:
    """The life of the process: sends for each model what is wrong with it, or nothing."""
    from tunas_tf.export.local_backend import LocalBackend

    backend = LocalBackend(num_threads, use_xnnpack)
    for model in models:
        problem = ""
        try:
            with quiet_native_code():  # A crash has its words there, too.
                backend.measure([model], num_runs=1, num_warmup_runs=0)
        except InputError as error:
            problem = str(error)
        except Exception as error:  # pylint: disable=broad-except  # Whatever the file has led to.
            reason = one_line(f"{type(error).__name__}: {error}")
            problem = f"{model} cannot be run ({reason}); export it again."
        connection.send_bytes(problem.encode(errors="replace"))


def _end(exit_code: int | None) -> str:
    """How a process ended, as a clause."""
    if exit_code is None:
        return "does not answer any more"
    if exit_code < 0:
        return f"was ended by {signal.Signals(-exit_code).name}"
    return f"ended with code {exit_code}"


def require_runnable(
    models: Sequence[str],
    num_threads: int = 1,
    use_xnnpack: bool = True,
    max_seconds: float = _MAX_SECONDS,
) -> None:
    """Runs each model once, with random inputs, before it is run in this process.

    Args:
      models: paths of .tflite files.
      num_threads, use_xnnpack: as of `LocalBackend`.
      max_seconds: that one model may take.

    Raises:
      InputError: a model cannot be read or run, crashes the runtime or takes too long.
    """
    for model in models:
        read_model(model)  # No process is needed to see what is no model at all.
    # "spawn": a copy of a process with threads, as TensorFlow and LiteRT have, may hang.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(
        target=_try, args=(theirs, list(models), num_threads, use_xnnpack), daemon=True
    )
    process.start()
    theirs.close()
    try:
        for model in models:
            if not ours.poll(max_seconds):
                raise InputError(
                    f"{model} did not finish one inference within {max_seconds:g} s; give a "
                    "smaller model, or export it again."
                )
            # Bytes, as unpickling would trust a process that a file may have taken over.
            if problem := ours.recv_bytes():
                raise InputError(one_line(problem.decode(errors="replace"), 500))
    except EOFError:
        process.join(_SECONDS_TO_END)
        raise InputError(
            f"{model} crashes the TFLite runtime: a process that ran it once "
            f"{_end(process.exitcode)}; export it again."
        ) from None
    finally:
        process.kill()
        process.join()
        ours.close()
