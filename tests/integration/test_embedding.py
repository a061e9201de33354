"""The example of the embedding guide runs as it stands."""

import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "embed.py"


def test_the_example_runs_a_job_to_its_pull_request_without_http() -> None:
    run = subprocess.run([sys.executable, str(EXAMPLE)], capture_output=True, text=True, timeout=100, check=False)
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert "system Starting the agent" in lines
    assert any(line.startswith("stdout ") for line in lines)
    assert any(line.startswith('job.completed {"jobId":"job-') for line in lines)
    assert lines[-1].startswith("completed file://")
    assert run.stderr == ""


def test_the_core_imports_nothing_but_attrs_and_the_standard_library() -> None:
    program = (
        "import sys; before = set(sys.modules); import agent_core; "
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout.split() == ["agent_core", "attr", "attrs"]
