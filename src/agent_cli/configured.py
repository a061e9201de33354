"""The settings of a command, or the end of it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from agent_http.settings import Settings

WRONG_SETTING = 2


class WrongSettings(click.ClickException):
    """A setting is wrong; the message has every problem, a line each."""

    exit_code = WRONG_SETTING


def configured(environ: Mapping[str, str]) -> "Settings":
    """Read the settings. Raises WrongSettings."""
    from agent_http.settings import SettingsError, read_settings

    try:
        return read_settings(environ)
    except SettingsError as error:
        raise WrongSettings("\n".join(error.problems)) from None
