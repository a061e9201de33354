"""The wheel has everything that is in the source, and nothing else."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("agent_core", "agent_adapters", "agent_http", "agent_cli")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names in the wheel, without its own papers."""
    dist = tmp_path_factory.mktemp("dist")
    words = [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "wheel", "--quiet", "--no-index"]
    subprocess.run(
        [*words, "--no-deps", "--no-build-isolation", "--wheel-dir", str(dist), str(ROOT)], check=True, timeout=60
    )
    [path] = dist.iterdir()
    with zipfile.ZipFile(path) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def test_every_file_of_the_four_packages_is_in_the_wheel_and_no_other(wheel: set[str]) -> None:
    source = ROOT / "src"
    files = (path for package in PACKAGES for path in (source / package).rglob("*") if path.is_file())
    assert wheel == {str(path.relative_to(source)) for path in files if "__pycache__" not in path.parts}


def test_types_data_and_pages_are_among_them(wheel: set[str]) -> None:
    assert {f"{package}/py.typed" for package in PACKAGES} <= wheel
    for folder, ending in (
        ("agent_adapters/sqlite/schema/", ".sql"),
        ("agent_http/page/templates/", ".html"),
        ("agent_http/page/static/", ".js"),
        ("agent_http/page/static/", ".css"),
        ("agent_http/swagger/", ".html"),
        ("agent_cli/", "instructions.md"),
    ):
        assert any(name.startswith(folder) and name.endswith(ending) for name in wheel), (folder, ending)
