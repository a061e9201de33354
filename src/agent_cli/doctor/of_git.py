"""Whether git is there, and whether it is let in where the clients' repositories are."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from attrs import frozen

from agent_adapters.git.process import Git
from agent_cli.doctor.asking import Answer, aside, ask, found
from agent_cli.doctor.finding import Finding, error, ok, warning
from agent_cli.doctor.patient import Patient

NEEDED = (2, 29)
"""The first git with every option that is used."""
TRIED = (2, 39)
"""The oldest that was tried."""
_INSTALL = "brew install git, or apt install git"
_CONNECT_SECONDS = 8
_SCP_LIKE = re.compile(r"(?:(?P<user>[^/@:]+)@)?(?P<host>[^/@:\[\]]+):(?!//)")


@frozen(kw_only=True)
class Remote:
    """Where AGENT_GIT_REMOTE leads: by ssh, by http(s) or to a directory."""

    way: str
    host: str = ""
    user: str | None = None
    port: int | None = None
    directory: Path | None = None


def remote_of(template: str) -> Remote:
    """Read the template of the repositories' URLs."""
    if "://" in template:
        url = urlsplit(template)
        if url.scheme == "file":
            return Remote(way="directory", directory=_fixed_part(url.path))
        way = "ssh" if url.scheme in ("ssh", "git+ssh", "ssh+git") else url.scheme
        return Remote(way=way, host=url.hostname or "", user=url.username, port=url.port)
    if template.startswith(("/", ".")):
        return Remote(way="directory", directory=_fixed_part(template))
    if match := _SCP_LIKE.match(template):
        return Remote(way="ssh", host=match["host"], user=match["user"])
    return Remote(way="directory", directory=_fixed_part(template))


async def git(patient: Patient) -> Sequence[Finding]:
    """Tell which git there is."""
    program = await aside(lambda: found("git", patient.environ))
    if program is None:
        return [error("git", "git is not on the PATH", _INSTALL)]
    told = await ask([program, "--version"], patient.environ)
    version = re.search(r"(\d+)\.(\d+)[\d.]*", told.out)
    if told.code != 0 or version is None:
        return [error("git", f"{program} does not work: {told.last_words}", f"xcode-select --install, {_INSTALL}")]
    number = (int(version[1]), int(version[2]))
    if number < NEEDED:
        return [error("git", f"{version[0]} is too old: 2.29 is needed", _INSTALL)]
    if number < TRIED:
        return [warning("git", f"{version[0]} is older than any that was tried (2.39)", _INSTALL)]
    return [ok("git", f"{version[0]} ({program})")]


async def origin(patient: Patient) -> Sequence[Finding]:
    """Tell whether the place of the repositories lets this user in."""
    remote = remote_of(patient.settings.git_remote)
    match remote.way:
        case "ssh":
            return await _by_ssh(patient, remote)
        case "http" | "https":
            return await _by_https(patient, remote)
        case "directory" if remote.directory is not None:
            if await aside(remote.directory.is_dir):
                return [ok("origin", f"repositories below {remote.directory}, on this machine")]
            return [error("origin", f"{remote.directory} is not there", "set AGENT_GIT_REMOTE to where they are")]
    return [warning("origin", f"nothing is known of {remote.way}:// addresses", "try: git ls-remote <repository>")]


async def _by_ssh(patient: Patient, remote: Remote) -> Sequence[Finding]:
    command = shlex.split(patient.environ.get("GIT_SSH_COMMAND") or "ssh")
    if await aside(lambda: found(command[0], patient.environ)) is None:
        return [
            error("origin", f"{command[0]} is not on the PATH", "brew install openssh, or apt install openssh-client")
        ]
    place = f"{remote.user}@{remote.host}" if remote.user else remote.host
    port = ["-p", str(remote.port)] if remote.port else []
    options = ["-o", "BatchMode=yes", "-o", f"ConnectTimeout={_CONNECT_SECONDS}", "-T", *port]
    told = await ask([*command, *options, "--", place], Git(patient.environ).environ)
    return [told_by_ssh(told, place, " ".join(["ssh", "-T", *port, place]))]


def told_by_ssh(told: Answer, place: str, by_hand: str) -> Finding:
    """Judge what ssh said. A host that lets in and gives no shell ends with a code of its own; 255 is ssh's."""
    if "successfully authenticated" in told.err or told.code != 255:
        return ok("origin", f"{place} knows this machine's key")
    if "Host key verification failed" in told.err or "authenticity of host" in told.err:
        message = f"the host key of {place} is not known, or has changed"
        return error("origin", message, f"{by_hand}: compare the fingerprint with the published one, and answer yes")
    if "Permission denied" in told.err:
        remedy = "ssh-keygen -t ed25519, and add the .pub file there (gh ssh-key add); a passphrase needs an ssh-agent"
        return error("origin", f"{place} knows no key of this user", remedy)
    return error("origin", f"{place} is not reached: {told.last_words}", f"see what stands in the way: {by_hand}")


async def _by_https(patient: Patient, remote: Remote) -> Sequence[Finding]:
    """Ask git for a login, offline: which repository could be listed is not known here."""
    host = remote.host if remote.port is None else f"{remote.host}:{remote.port}"
    question = f"protocol={remote.way}\nhost={host}\n\n".encode()
    quiet = {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "", "SSH_ASKPASS": "", "GCM_INTERACTIVE": "never"}
    environ = Git(patient.environ).environ
    program = await aside(lambda: found("git", environ))
    if program is None:
        return []
    told = await ask([program, "-c", "core.askPass=", "credential", "fill"], {**environ, **quiet}, question)
    if told.code == 0 and "password=" in told.out:
        return [ok("origin", f"git has a login for {remote.way}://{host}")]
    remedy = "gh auth setup-git, or another credential helper in ~/.gitconfig"
    return [warning("origin", f"git has no login for {remote.way}://{host}: private repositories fail", remedy)]


def _fixed_part(path: str) -> Path:
    """Return the directory before the first placeholder."""
    return Path(path.partition("{")[0].rpartition("/")[0] or "/")
