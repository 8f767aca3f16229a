"""The page: self-contained, escaped, right on partial results, and usable in a browser (where there is one)."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest
from records import fake_run, record, write_plan

from bench.report import write_report

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
HOSTILE = "</script><img src=x onerror=alert(1)> & <b>nan</b> `|_$"
METHODS, TASKS = ["pdr", "beta_vae", "pca"], ["emotion", "ood_lighting"]

# Runs inside the page and leaves what it saw in the document's title.
DRIVER = """
<script>
addEventListener("load", () => {
  const visible = () => Array.from(document.querySelectorAll("#all tbody tr")).filter(row => !row.hidden);
  const header = Array.from(document.querySelectorAll("#all thead th")).find(th => th.textContent === "value");
  const values = () => visible().map(row => parseFloat(row.cells[3].textContent));
  const seen = { rows: visible().length };
  header.querySelector("button").click();
  seen.ascending = values();
  header.querySelector("button").click();
  seen.descending = values();
  seen.sort = header.getAttribute("aria-sort");
  const search = document.getElementById("search");
  search.value = "emotion pdr";
  search.dispatchEvent(new Event("input"));
  seen.found = visible().map(row => row.cells[0].textContent + " " + row.cells[1].textContent);
  seen.said = document.getElementById("shown").textContent;
  visible()[0].querySelector("button").click();
  const dialog = document.getElementById("detail");
  seen.open = dialog.open;
  seen.title = document.getElementById("detail-title").textContent;
  seen.curves = dialog.querySelectorAll("svg").length;
  seen.record = dialog.querySelector("pre").textContent.includes("optimiser_steps");
  dialog.querySelector("form button").click();
  seen.closed = !dialog.open;
  search.value = "vq_vae";
  search.dispatchEvent(new Event("input"));
  visible()[0].querySelector("button").click();
  seen.log = dialog.querySelector("pre").textContent;
  seen.images = Array.from(document.images).every(image => image.naturalWidth > 0);
  document.title = JSON.stringify(seen);
});
</script>
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of a run in which one method failed with a hostile message and one cell is still running."""
    out = tmp_path_factory.mktemp("run")
    store = fake_run(out, METHODS, TASKS, 1)
    store.write_record(record("vq_vae", "emotion", status="failed", reason=HOSTILE, traceback=HOSTILE))
    cells = [(method, task, 0) for method in METHODS for task in TASKS]
    write_plan(store, [*cells, ("vq_vae", "emotion", 0), ("pca", "identity", 0)], command="run " + HOSTILE)
    return write_report(store, out / "report")


class Tags(HTMLParser):
    """Every tag with its attributes."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def test_self_contained_and_escaped(page):
    text = page.read_text()
    tags = Tags(text).tags
    addresses = [
        value for _, attrs in tags for name, value in attrs.items() if name in ("src", "href", "data", "action")
    ]
    assert addresses
    assert all(value.startswith(("data:", "#")) for value in addresses)
    assert "@import" not in text
    assert "default-src 'none'" in text
    assert not [attrs for _, attrs in tags if "onerror" in attrs]
    assert len([tag for tag, _ in tags if tag == "script"]) == 2, "the data and the code, none from a record"


def test_partial_results_are_said_first(page):
    text = page.read_text()
    problems = text.index('id="problems"')
    assert problems < text.index('id="claims"') < text.index('id="overview"')
    assert re.search(r'badge failed">1 failed</span>.*badge pending">1 pending</span>', text)
    overview = text[text.index('id="overview"') :]
    row = re.search(r'<th scope="row">pca</th>.*', overview)[0]
    assert "running" in row
    assert 'class="pending"' in row
    assert row.endswith('<td class="rank">-</td></tr>'), "an incomplete row has no mean rank"


def test_records_are_in_the_page(page):
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text(), re.DOTALL)
    data = json.loads(found[1])
    (cell,) = data["cells"]["0-0"]
    assert (data["methods"][0], data["tasks"][0], cell["status"]) == ("pdr", "emotion", "ok")
    assert data["names"][cell["scores"][0][0]] == "accuracy"
    assert {"loss", "validation"} == set(data["curves"][cell["facts"]["artefact"]])


def chromium(*arguments, folder):
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--enable-logging=stderr",
    ]
    command = [CHROMIUM, *options, f"--user-data-dir={folder}", "--virtual-time-budget=5000", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_sorting_filtering_and_drill_down_in_a_browser(page, tmp_path):
    driven = tmp_path / "driven.html"
    driven.write_text(page.read_text().replace("</body>", DRIVER + "</body>"))
    done = chromium("--dump-dom", driven.as_uri(), folder=tmp_path / "profile")
    assert not re.findall(r"CONSOLE.*", done.stderr)
    seen = json.loads(
        re.search(r"<title>(.*?)</title>", done.stdout)[1]
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
    )
    assert seen["rows"] == 8
    numbers = [value for value in seen["ascending"] if value is not None]
    assert numbers == sorted(numbers)
    assert len(numbers) == 6
    assert seen["ascending"][6:] == seen["descending"][6:] == [None, None], "rows without a value stay last"
    assert seen["descending"][:6] == numbers[::-1]
    assert (seen["sort"], seen["found"], seen["said"]) == ("descending", ["pdr emotion"], "1 of 8 shown")
    assert (seen["open"], seen["title"], seen["curves"], seen["record"], seen["closed"]) == (
        True,
        "pdr on emotion",
        2,
        True,
        True,
    )
    assert seen["log"].startswith(HOSTILE)
    assert seen["images"]
