"""Origin repositories on the local disk, reached by the URLs of GitHub."""

import shutil
import subprocess
from pathlib import Path

ORG = "rig"
FILES = {"small": 30, "big": 20_000}
URLS = ("git@github.com:", "ssh://git@github.com/", "https://github.com/")


def template(work: Path, kind: str) -> Path:
    """A bare repository of 30 files ("small") or 20,000 ("big") to copy origins from; made once."""
    bare = work / f"template-{kind}.git"
    if bare.exists():
        return bare
    source = work / f"template-{kind}"
    for i in range(FILES[kind]):
        file = source / f"src/d{i // 100:03d}/f{i:05d}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"file {i}\n" + "some line of source text\n" * (20 + i % 40))
    (source / "README.md").write_text("# rig\n")
    # gc.auto would go on in the background while the folder is copied and removed
    options = ["-c", "user.name=rig", "-c", "user.email=rig@localhost", "-c", "gc.auto=0"]
    for words in ("init -q -b main", "add -A", "commit -q -m first", "repack -a -d -q"):
        subprocess.run(["git", "-C", str(source), *options, *words.split()], check=True)
    subprocess.run(["git", "clone", "-q", "--bare", str(source), str(bare)], check=True)
    subprocess.run(["git", "-C", str(bare), "remote", "remove", "origin"], check=True)
    shutil.rmtree(source)
    return bare


class Origins:
    """The origins of one run: `<folder>/<org>/<name>.git`."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        self.folder, self.names = folder, names

    def create(self, source: Path) -> None:
        for name in self.names:
            shutil.copytree(source, self.path(name))

    def path(self, name: str) -> Path:
        return self.folder / ORG / f"{name}.git"

    def git_configuration(self) -> str:
        """For the operator's own ~/.gitconfig: every URL of GitHub leads here."""
        redirects = "".join(f"\tinsteadOf = {url}\n" for url in URLS)
        return f'[url "{self.folder}/"]\n{redirects}'

    def branches(self, prefix: str) -> list[str]:
        """The branches under a prefix ("feature"), of all origins together."""
        found: list[str] = []
        for name in self.names:
            listing = ["for-each-ref", "--format=%(refname:lstrip=2)", f"refs/heads/{prefix}"]
            command = ["git", "-C", str(self.path(name)), *listing]
            found += subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        return found

    def remove_branches(self, prefix: str) -> None:
        """Take the branches under a prefix away, at all origins."""
        for name in self.names:
            git = ["git", "-C", str(self.path(name))]
            listing = [*git, "for-each-ref", "--format=delete %(refname)", f"refs/heads/{prefix}"]
            listed = subprocess.run(listing, capture_output=True, check=True).stdout
            subprocess.run([*git, "update-ref", "--stdin"], input=listed, check=True)
