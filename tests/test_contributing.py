"""The whole files shown in CONTRIBUTING.md work when they are plugged in as they stand."""

import re
from pathlib import Path

import numpy as np
from PIL import Image
from test_run import bench, main_score, records

ROOT = Path(__file__).parents[1]


def test_the_shown_method_task_and_data_set_run(tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    files = [block for block in blocks if block.startswith('"""')]
    assert len(files) == 3
    plugins = []
    for number, content in enumerate(files):
        plugins += ["--plugin", tmp_path / f"shown_{number}.py"]
        plugins[-1].write_text(content)
    rng = np.random.default_rng(0)
    for person in range(4):
        folder = tmp_path / "data" / "my_people" / f"p{person}"
        folder.mkdir(parents=True)
        for number in range(10):
            pixels = np.full((24, 24, 3), 50 * person, np.uint8) + rng.integers(0, 20, (24, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.jpg")
    common = [*plugins, "--profile", "smoke", "--out", tmp_path / "out", "--cluster", "debug"]
    bench(tmp_path, "run", *common, "-m", "linear_autoencoder[steps=20]", "-t", "glasses", check=0)
    bench(tmp_path, "run", *common, "-m", "linear_autoencoder[steps=20]", "-t", "identity[dataset=my_people]",
          "--data-root", tmp_path / "data", check=0)  # fmt: skip
    found = {task: record for (_, task), record in records(tmp_path).items()}
    assert set(found) == {"glasses", "identity"}
    assert main_score(found["identity"])["value"] == 1.0  # the people differ in brightness
    assert found["glasses"]["facts"] == {"images_seen": 1280, "optimiser_steps": 20}
