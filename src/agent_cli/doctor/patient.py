"""The machine as the doctor sees it: its environment and the settings in it, whether or not they are right."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from attrs import frozen

from agent_cli.env_file import EnvFileError, environment

if TYPE_CHECKING:
    from agent_http.settings import Settings

_STAND_IN = "stands-in-for-a-secret-that-is-not-set"


@frozen(kw_only=True)
class Patient:
    """What every probe looks at."""

    shell: Mapping[str, str]
    """The environment without the env file."""
    environ: Mapping[str, str]
    env_file_problem: str | None
    settings: "Settings"
    """Where a setting is wrong or missing, its default."""
    problems: Sequence[str]
    """What is wrong with the settings."""

    @classmethod
    def examined(cls, shell: Mapping[str, str] = os.environ) -> "Patient":
        """Read the env file and the settings as far as they can be read."""
        from agent_http.settings import SettingsError, read_settings

        env_file_problem, environ = None, shell
        try:
            environ = environment(shell)
        except EnvFileError as problem:
            env_file_problem = problem.message
        problems: Sequence[str] = ()
        try:
            settings = read_settings(environ)
        except SettingsError as problem:
            problems = problem.problems
            wrong = {text.partition(":")[0] for text in problems}
            kept = {name: value for name, value in environ.items() if name not in wrong}
            if "AGENT_COMMAND" in wrong:
                kept.pop("AGENT_CODE_AGENT", None)
            try:
                settings = read_settings({"AGENT_API_SECRET": _STAND_IN, **kept})
            except SettingsError:  # not even the defaults are right: HOME is no path
                settings = read_settings({"AGENT_API_SECRET": _STAND_IN, "HOME": "/"})
        return cls(
            shell=shell, environ=environ, env_file_problem=env_file_problem, settings=settings, problems=problems
        )
