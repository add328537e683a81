"""An adb program and a phone for tests: what adb is asked is logged and carried out here.

`adb shell` gives its command to a real shell, with the phone's directory in a temporary one, so
quoting, redirection and exit codes are the shell's own.
"""

import json
import pathlib
import stat
import sys

_ADB = """
import json, os, pathlib, shutil, subprocess, sys, time

home = pathlib.Path(__file__).parents[1]
state = json.loads((home / "state.json").read_text())
arguments = sys.argv[1:]
with open(home / "log", "a") as log:
    log.write(json.dumps(arguments) + "\\n")


def local(text):
    return text.replace("/data/local/tmp", str(home / "phone"))


if arguments == ["devices"]:
    sys.stderr.write(state["devices_stderr"])
    sys.stdout.write(state["devices"])
    sys.exit(state["devices_exit_code"])
option, serial, verb, *rest = arguments
assert option == "-s"
if f"{serial}\\tdevice" not in state["devices"]:
    sys.exit(f"error: device '{serial}' not found")
if verb == "push":
    source, target = rest
    if source.startswith("-"):
        sys.exit(f"adb: error: unrecognized option '{source}'")
    if state["push_error"]:
        sys.exit("adb: error: failed to copy: " + state["push_error"])
    shutil.copyfile(source, local(target))
    print(f"{source}: 1 file pushed, 0 skipped.")
elif verb == "shell":
    (command,) = rest
    if state["hangs"] and "--graph" in command:
        (home / "hanging").touch()
        time.sleep(60)
    result = subprocess.run(
        ["sh", "-c", local(command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={"PATH": f"{home / 'tools'}:{os.environ['PATH']}"},
    )
    output = result.stdout.replace(str(home / "phone"), "/data/local/tmp")
    if state["cut"] and "--graph" in command:
        sys.stdout.write(output[: state["cut"]])
        sys.exit("error: closed")
    sys.stdout.write(output.replace("\\n", state["newline"]))
    sys.exit(0 if state["old_shell"] else result.returncode)
"""

_GETPROP = """
case $1 in
  ro.product.model) echo "Pixel 6 Pro";;
  ro.product.cpu.abi) echo arm64-v8a;;
  ro.build.version.release) echo 14;;
  *) echo;;
esac
"""

# The first 20 bytes of a 64-bit program for Arm: class 2, little endian, machine 183.
ARM64_HEADER = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00" + b"\xb7\x00"


class FakeAdb:
    """The adb program at `path`, and the phone that it reaches.

    Attributes:
      path: of the program, in a directory of its own.
      phone: local directory that stands for the phone's /data/local/tmp.
    """

    def __init__(self, directory: pathlib.Path):
        """One phone, PHONE1, that has no benchmark_model yet."""
        self._home = directory
        self.path = self._script("adb_bin/adb", f"#!{sys.executable} -SE{_ADB}")
        self.phone = directory / "phone"
        self.phone.mkdir()
        self._script("tools/getprop", f"#!/bin/sh{_GETPROP}")
        # Like the real one it runs the rest of its command line. Signals are for nobody here.
        self._script("tools/taskset", '#!/bin/sh\nshift\nexec "$@"\n')
        self._script("tools/pkill", "#!/bin/sh\nexit 0\n")
        self._state = {
            "devices": "List of devices attached\nPHONE1\tdevice\n\n",
            "devices_stderr": "",
            "devices_exit_code": 0,
            "push_error": "",
            "hangs": False,
            "cut": 0,
            "newline": "\n",
            "old_shell": False,
        }
        self.set()

    def set(self, **state) -> None:
        """Changes how adb and the phone behave; the keys are those of `__init__`."""
        assert set(state) <= set(self._state)
        self._state.update(state)
        (self._home / "state.json").write_text(json.dumps(self._state))

    def install_benchmark_model(self, output: str, ending: str = "exit 0") -> None:
        """Puts a benchmark_model on the phone that prints `output` and ends by `ending`."""
        self._script("phone/benchmark_model", self.program(output, ending))

    @staticmethod
    def program(output: str, ending: str = "exit 0") -> str:
        """A shell script that stands for a benchmark_model."""
        return f"#!/bin/sh\ncat >&2 <<'END'\n{output}END\n{ending}\n"

    def log(self) -> list[list[str]]:
        """The arguments of every call of adb so far."""
        return [json.loads(line) for line in (self._home / "log").read_text().splitlines()]

    def shell_commands(self) -> list[str]:
        """The commands of every `adb shell` so far, without what makes it print the exit code."""
        ending = " 2>&1; echo exit_code=$?"
        commands = [call[-1] for call in self.log() if "shell" in call]
        assert all(command.endswith(ending) for command in commands)
        return [command.removesuffix(ending) for command in commands]

    def is_hanging(self) -> bool:
        """Whether a benchmark_model has begun to hang."""
        return (self._home / "hanging").exists()

    def _script(self, name: str, text: str) -> pathlib.Path:
        path = self._home / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path
