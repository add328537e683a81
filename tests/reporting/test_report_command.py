"""`report`, run as a user runs it, and its pages in a browser."""

import html
import html.parser
import json
import os
import pathlib
import shutil
import subprocess
import sys

import example_runs
import numpy as np
import pytest

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
_needs_chromium = pytest.mark.skipif(
    _CHROMIUM is None, reason="there is no chromium to look at the page (Debian: chromium)"
)


def _report(directory) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "tunas_tf.report", f"--run_dir={directory}"],
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_report_of_a_training(tmp_path):
    example_runs.write_training(tmp_path)
    (tmp_path / "report.html").write_text("an older one")
    result = _report(tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"written to {tmp_path}/report.html\n"
    assert "Training loss" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not (tmp_path / "report.html.tmp").exists()


def test_bad_input_is_one_line(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text('{"command": "bake"}')
    (tmp_path / "long").mkdir()
    (tmp_path / "long" / "config.json").write_text(json.dumps({"command": "9" * 5000}))
    for directory, message in (
        ("", "error: --run_dir is missing; give the directory of a run."),
        (tmp_path, f"error: {tmp_path} holds no run; give the directory of a search"),
        (tmp_path / "nothing", f"error: {tmp_path}/nothing holds no run"),
        (tmp_path / "other", f"error: {tmp_path}/other holds a run of bake, of which"),
        (tmp_path / "long", f"error: {tmp_path}/long holds a run of {97 * '9'} ... {97 * '9'}, of"),
    ):
        result = _report(directory)
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr.startswith(message) and result.stderr.count("\n") == 1


# Writes into the page around it what a reader would see of it.
_PROBE = """<script>
addEventListener("load", () => {
  const root = document.documentElement;
  const missing = [...document.images].filter(image => !image.naturalWidth).length;
  const small = [...document.querySelectorAll("figure > img, figure > svg")]
      .filter(picture => picture.getBoundingClientRect().width < 280).length;
  parent.document.body.dataset.seen = JSON.stringify({
    overflow: root.scrollWidth - root.clientWidth, width: innerWidth, missing, small,
    images: document.images.length, columns: getComputedStyle(document.querySelector(".figures"))
      .gridTemplateColumns.split(" ").length});
});
</script></body>"""


class _Seen(html.parser.HTMLParser):
    """Finds what the probe wrote."""

    def handle_starttag(self, tag, attributes):
        if tag == "body":
            self.seen = json.loads(dict(attributes)["data-seen"])


def _chromium(path: pathlib.Path, width: int, *arguments: str) -> str:
    result = subprocess.run(
        [
            _CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--window-size={width},1600",
            f"--user-data-dir={path.parent / 'chromium'}",
            *arguments,
            path.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return result.stdout


@pytest.fixture(name="search_page", scope="module")
def _search_page(tmp_path_factory) -> pathlib.Path:
    directory = tmp_path_factory.mktemp("search")
    example_runs.write_search(directory)
    example_runs.write_architecture(directory)
    example_runs.write_events(directory, [1, 100, 200])
    assert _report(directory).returncode == 0
    return directory / "report.html"


@_needs_chromium
@pytest.mark.parametrize("width, columns", [(390, 1), (1200, 2)])
def test_page_in_a_browser(search_page, width, columns):
    page = search_page.read_text(encoding="utf-8")
    start = page.index("<meta http-equiv")  # Which forbids scripts, that of the probe too.
    page = page[:start] + page[page.index(">", start) + 1 :]
    page = html.escape(page.replace("</body>", _PROBE), quote=True)
    # Windows are not as narrow as phones, frames are.
    around = search_page.with_name("frame.html")
    around.write_text(
        f'<meta charset="utf-8"><body><iframe width="{width}" height="900" frameborder="0" '
        f'srcdoc="{page}"></iframe></body>',
        encoding="utf-8",
    )
    reader = _Seen()
    reader.feed(_chromium(around, 1400, "--dump-dom"))
    images = reader.seen.pop("images")
    assert images > 5
    # Nothing to scroll sideways, all pictures there and large enough.
    assert reader.seen == {
        "overflow": 0, "width": width, "missing": 0, "small": 0, "columns": columns
    }  # fmt: skip


@_needs_chromium
def test_page_is_not_empty_and_can_be_printed(search_page):
    from matplotlib import image

    screenshot = search_page.with_name("page.png")
    _chromium(search_page, 390, f"--screenshot={screenshot}")
    pixels = image.imread(screenshot)[..., :3]
    dark = (pixels.max(axis=-1) < 0.5).mean(axis=1)  # Of each line.
    assert pixels.shape[1] == 390
    assert np.mean(dark > 0) > 0.3
    printed = search_page.with_name("page.pdf")
    _chromium(search_page, 1200, f"--print-to-pdf={printed}")
    assert printed.read_bytes().startswith(b"%PDF") and printed.stat().st_size > 20_000
