"""Measuring on a phone: which device, which commands, what goes wrong, what is left behind."""

import hashlib
import os
import re
import signal
import subprocess
import sys
import time

import benchmark_outputs
import fake_adb
import pytest

from tunas_tf.common.errors import InputError
from tunas_tf.export import adb, adb_backend

_MODEL = b"\x1c\x00\x00\x00TFL3" + bytes(20)
_LISTING = "List of devices attached\n"
_BINARY = "/data/local/tmp/benchmark_model"


@pytest.fixture(name="phone")
def _phone(tmp_path, monkeypatch):
    phone = fake_adb.FakeAdb(tmp_path)
    monkeypatch.setenv("PATH", str(phone.path.parent), prepend=os.pathsep)
    phone.install_benchmark_model(benchmark_outputs.USUAL)
    return phone


def _backend(**settings):
    (device,) = adb.connect()
    return adb_backend.AdbBackend(device, **settings)


def _is_clean(phone):
    """Whether nothing of ours is left on the phone, and its removal was really asked for."""
    removal = "rm -rf /data/local/tmp/tunas_tf_"
    removals = [command for command in phone.shell_commands() if command.startswith(removal)]
    left = [path.name for path in phone.phone.iterdir()]
    return len(removals) == 1 and left == ["benchmark_model"]


@pytest.mark.parametrize(
    "listing, serials, message",
    [
        ("\n", [], "no Android device is connected; connect one"),
        ("\n", ["A"], "no Android device is connected; connect one"),
        ("A\tunauthorized\n", [], "the device A does not trust this computer; unlock it"),
        ("A\toffline\n", [], "the device A is offline; reconnect it"),
        ("A\tauthorizing\n", ["A"], "the device A is still deciding"),
        (
            "A\tno permissions (missing udev rules?); see [https://a.b]\n",
            [],
            r"the device A cannot be used, adb says: no permissions \(missing udev rules\?\); see",
        ),
        ("A\trecovery\n", [], "the device A cannot be used, adb says: recovery"),
        (
            "A\tdevice\nB\toffline\n",
            [],
            r"several devices are connected: A \(device\), B \(offline\); choose with --serial",
        ),
        ("A\tdevice\nB\toffline\n", ["A", "B"], "the device B is offline"),
        ("A\tdevice\n", ["C"], r"there is no device C; connected: A \(device\)"),
    ],
)
def test_devices_that_cannot_be_used(phone, listing, serials, message):
    phone.set(devices=_LISTING + listing + "\n")
    with pytest.raises(InputError, match=message):
        adb.connect(serials)


def test_devices_are_found(phone):
    listing = "emulator-5554\tdevice\nadb-X (2)._adb-tls-connect._tcp\tdevice\nB\toffline\n"
    phone.set(
        devices=f"* daemon started successfully\n{_LISTING}{listing}\n",
        devices_stderr="* daemon not running; starting now at tcp:5037\n",
    )
    serials = ["adb-X (2)._adb-tls-connect._tcp", "emulator-5554", "emulator-5554"]
    assert [device.serial for device in adb.connect(serials)] == serials[:2]


def test_no_adb(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="the program 'adb' cannot be started.*--adb"):
        adb.connect()


def test_adb_that_fails(phone):
    phone.set(devices="", devices_stderr="adb: cannot connect to daemon\n", devices_exit_code=1)
    with pytest.raises(InputError, match=r"devices` failed \(cannot connect to daemon\)"):
        adb.connect()


def test_measures_models_one_after_another(phone, tmp_path):
    path = tmp_path / "strange $(touch hacked); 'name'.tflite"
    path.write_bytes(_MODEL)
    measured = _backend(num_threads=4, taskset="0xF0", use_xnnpack=False).measure(
        [_MODEL, path], num_runs=520, num_warmup_runs=3
    )
    assert [latency.mean_ms for latency in measured] == [pytest.approx(1.88574)] * 2
    assert [latency.num_interleaved for latency in measured] == [1, 1]

    commands = phone.shell_commands()
    (made,) = [command for command in commands if command.startswith("mkdir")]
    directory = made.removeprefix("mkdir ")
    assert re.fullmatch("/data/local/tmp/tunas_tf_[0-9a-f]{16}", directory)
    expected = []
    for number in (0, 1):
        graph = f"{directory}/model_{number}.tflite"
        expected += [
            f"taskset f0 {_BINARY} --graph={graph} --num_threads=4 --warmup_runs=3 "
            "--num_runs=520 --min_secs=0 --use_xnnpack=false",
            f"rm -f {graph}",
        ]
    assert commands[commands.index(made) + 1 :] == [*expected, f"rm -rf {directory}"]
    pushes = [call for call in phone.log() if "push" in call]
    assert pushes[1] == ["-s", "PHONE1", "push", str(path), f"{directory}/model_1.tflite"]
    assert _is_clean(phone)
    assert not list(tmp_path.rglob("hacked"))


def test_provenance(phone):
    provenance = _backend(taskset="F0").provenance
    assert (provenance.backend, provenance.runtime) == ("adb", "benchmark_model")
    assert (provenance.device, provenance.abi) == ("Pixel 6 Pro", "arm64-v8a")
    assert provenance.operating_system == "Android 14"
    content = (phone.phone / "benchmark_model").read_bytes()
    assert provenance.runtime_sha256 == hashlib.sha256(content).hexdigest()
    assert (provenance.delegate, provenance.taskset) == ("xnnpack", "f0")
    # A shell script was built for no ABI.
    assert (provenance.runtime_version, provenance.runtime_abi) == (None, None)
    assert "PHONE1" not in str(provenance)
    assert provenance.serial_sha256 == hashlib.sha256(b"PHONE1").hexdigest()[:12]


def test_abi_of_the_program(phone, tmp_path):
    arm32 = fake_adb.ARM64_HEADER[:18] + b"\x28\x00"
    for header, abi in ((fake_adb.ARM64_HEADER, "arm64-v8a"), (arm32, "armeabi-v7a")):
        for path in (phone.phone / "benchmark_model", tmp_path / "elf"):
            path.write_bytes(header + b"more")
        assert _backend().provenance.runtime_abi == abi
        assert _backend(binary=str(tmp_path / "elf")).provenance.runtime_abi == abi


def test_program_is_copied(phone, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    program = tmp_path / "-program of mine"
    program.write_text(phone.program(benchmark_outputs.OLD))
    program.chmod(0o644)
    backend = _backend(binary="-program of mine")
    assert backend.provenance.runtime_sha256 == hashlib.sha256(program.read_bytes()).hexdigest()
    (latency,) = backend.measure([_MODEL])
    assert latency.mean_ms == pytest.approx(83.1004)
    assert _is_clean(phone)


@pytest.mark.parametrize("old_shell", [False, True])
def test_devices_before_android_7(phone, old_shell):
    """They end lines with CR LF and do not report exit codes."""
    phone.set(newline="\r\n", old_shell=old_shell)
    assert _backend().measure([_MODEL])[0].mean_ms == pytest.approx(1.88574)
    phone.install_benchmark_model("ERROR: Failed to load model\n", "exit 1")
    with pytest.raises(InputError, match="exit code 1: ERROR: Failed to load model"):
        _backend().measure([_MODEL])


def test_program_is_missing(phone, tmp_path):
    (phone.phone / "benchmark_model").unlink()
    with pytest.raises(InputError, match=f"there is no {_BINARY} on the device PHONE1; give it as"):
        _backend()
    with pytest.raises(InputError, match="the program .* cannot be read .*No such file"):
        _backend(binary=str(tmp_path / "none"))


@pytest.mark.parametrize(
    "output, ending, message",
    [
        ("INFO: STARTING!\n", "kill -ABRT $$", r"crashed on the device PHONE1 .*134: Aborted"),
        ("INFO: STARTING!\n", "kill -SEGV $$", "crashed on the device PHONE1 .*139"),
        ("ERROR: Failed to load model\nok\n", "exit 1", "failed .*1: ERROR: Failed to load model"),
        ("INFO: STARTING!\n", "exit 0", "cannot be read .0 lines of statistics"),
        ("", "exit 0", "cannot be read"),
        ("", "exec /none/at/all", "cannot be started on the device PHONE1, of ABI arm64-v8a"),
    ],
)
def test_program_that_fails(phone, output, ending, message):
    phone.install_benchmark_model(output, ending)
    with pytest.raises(InputError, match=message):
        _backend().measure([_MODEL])
    assert _is_clean(phone)


def test_program_for_another_device(phone):
    (phone.phone / "benchmark_model").chmod(0o644)
    with pytest.raises(InputError, match="cannot be started.*arm64-v8a .*ermission denied"):
        _backend().measure([_MODEL])


@pytest.mark.parametrize("length", [1, 400, len(benchmark_outputs.USUAL) - 1])
def test_connection_that_breaks(phone, length):
    phone.set(cut=length)
    with pytest.raises(InputError, match=r"the output of the device PHONE1 broke off \(closed\)"):
        _backend().measure([_MODEL])
    assert _is_clean(phone)
    directory = phone.shell_commands()[-1].rpartition("/")[2]
    # The pattern must match what runs in that directory, but not the command that holds it.
    kill = phone.shell_commands()[-2]
    pattern = kill.removeprefix("pkill -f ").strip("'")
    assert re.search(pattern, f"{_BINARY} --graph=/data/local/tmp/{directory}/model_0.tflite")
    assert not re.search(pattern, kill)


def test_full_device(phone):
    phone.set(push_error="couldn't create file: No space left on device")
    with pytest.raises(InputError, match=r"cannot be copied to the device PHONE1 .*No space left"):
        _backend().measure([_MODEL])
    assert _is_clean(phone)


def test_program_that_does_not_end(phone, monkeypatch):
    phone.set(hangs=True)
    monkeypatch.setattr(adb_backend, "_RUN_SECONDS", 0.5)
    with pytest.raises(InputError, match="did not end within 0.5 s; check the device"):
        _backend().measure([_MODEL])
    assert _is_clean(phone)


def test_interrupt_leaves_nothing_behind(phone, tmp_path):
    phone.set(hangs=True)
    model = tmp_path / "m.tflite"
    model.write_bytes(_MODEL)
    arguments = ["-m", "tunas_tf.benchmark", "--backend=adb", f"--model={model}"]
    process = subprocess.Popen([sys.executable, *arguments], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while not phone.is_hanging() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (130, "interrupted.\n")
    assert _is_clean(phone)


@pytest.mark.parametrize("taskset", ["", "0", "0x", "f0; reboot", "-f"])
def test_core_masks_that_are_none(phone, taskset):
    with pytest.raises(InputError, match="give the hexadecimal mask"):
        _backend(taskset=taskset)


def test_number_of_threads(phone):
    with pytest.raises(InputError, match="num_threads is 0; at least 1 is needed"):
        _backend(num_threads=0)
