"""What stands in the configurations that the server writes: the shared repository's, and its own git directories'."""

from pathlib import Path

TRACKING = "+refs/heads/*:refs/remotes/origin/*"

BARE_CONFIG = """\
[gc]
	auto = 0
[maintenance]
	auto = false
"""
# What the operator's ~/.gitconfig may say otherwise and must not here. git-lfs reaches an origin on this disk by a
# child that takes GIT_DIR for the origin's: it is started where it finds our repository without.
_OWN_CONFIG = """\
[core]
	logAllRefUpdates = false
	quotePath = true
	sparseCheckout = false
	splitIndex = false
	untrackedCache = false
[diff]
	suppressBlankEmpty = false
[fetch]
	recurseSubmodules = false
[feature]
	manyFiles = false
[i18n]
	commitEncoding = UTF-8
[index]
	version = 2
[protocol "ext"]
	allow = never
[push]
	followTags = false
	gpgSign = false
	recurseSubmodules = no
[submodule]
	recurse = false
[lfs]
	storage = {storage}
[lfs "customtransfer.lfs-standalone-file"]
	path = sh
	args = "-c 'cd \\"$GIT_DIR\\" && unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE && exec git-lfs standalone-file'"
"""
NO_DRIVERS = "* !diff\n"
"""Attributes of an own git directory: a repository's may not choose among the diff drivers that the operator has."""


def own_config(url: str, lfs_storage: Path) -> str:
    """Return what an own git directory has beside what `git init` wrote."""
    return remote(url) + BARE_CONFIG + _OWN_CONFIG.format(storage=quoted(str(lfs_storage)))


def remote(url: str) -> str:
    """Return the section that makes the URL the origin."""
    return f'[remote "origin"]\n\turl = {quoted(url)}\n\tfetch = {TRACKING}\n'


def quoted(value: str) -> str:
    """Return a value as it stands in a configuration file."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
