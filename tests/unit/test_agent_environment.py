"""What agents get to see of the server's environment, and of a client's variables."""

from pathlib import Path

from agent_adapters.processes import child_environment, job_environment, resolved


def test_the_environment_is_an_allow_list() -> None:
    environ = {
        **{"PATH": "/bin", "LC_CTYPE": "C", "https_proxy": "p", "HTTPS_PROXY": "p", "SSL_CERT_FILE": "c"},
        **{"AGENT_API_SECRET": "x", "DATABASE_URL": "x", "SSH_AUTH_SOCK": "x"},
    }
    passed = child_environment(environ, ("DATABASE_URL", "MISSING"), server_id="s")
    assert passed["DATABASE_URL"] == "x"
    assert passed["AGENT_SERVER_ID"] == "s"
    assert set(environ) - set(passed) == {"AGENT_API_SECRET", "SSH_AUTH_SOCK"}
    assert "MISSING" not in passed


def test_the_servers_own_credentials_are_not_passed_even_by_name() -> None:
    names = ("AGENT_API_SECRET", "WEBHOOK_SECRET", "GH_TOKEN", "GITHUB_TOKEN")
    assert "s3cret" not in child_environment(dict.fromkeys(names, "s3cret"), names).values()


def test_a_switch_is_the_operators_when_named() -> None:
    environ, switches = {"RETRIES": "9"}, {"RETRIES": "4"}
    assert child_environment(environ, (), switches=switches)["RETRIES"] == "4"
    assert child_environment(environ, ("RETRIES",), switches=switches)["RETRIES"] == "9"


def test_a_clients_variables_win_but_for_credentials_and_marks() -> None:
    own = {"PATH": "/theirs", "GH_TOKEN": "forged", "AGENT_SERVER_ID": "forged", "AGENT_JOB_ID": "forged"}
    given = job_environment({"PATH": "/bin", "HOME": "/home", "AGENT_SERVER_ID": "s"}, own, "job-1")
    assert given == {"PATH": "/theirs", "HOME": "/home", "AGENT_SERVER_ID": "s", "AGENT_JOB_ID": "job-1"}


def test_the_program_is_the_one_on_the_servers_own_path(tmp_path: Path) -> None:
    program = tmp_path / "agent"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert resolved(["agent", "-p"], {"PATH": str(tmp_path)}) == [str(program), "-p"]
    assert resolved(["agent", "-p"], {"PATH": "/nowhere"}) == ["agent", "-p"]
