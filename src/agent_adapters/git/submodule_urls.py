"""Where a submodule comes from, by what `.gitmodules` says and where the repository itself comes from."""

from agent_core.domain.errors import RepoStoreError


def absolute(base: str, url: str) -> str:
    """Return a submodule's URL; one that begins with `./` or `../` is relative to the URL of its repository.

    Raises RepoStoreError for what cannot be a URL.
    """
    if not url or url.startswith("-") or not url.isprintable():
        raise RepoStoreError(f"{url!r} cannot be fetched from", code="worktree_failed")
    if not url.startswith(("./", "../")):
        return url
    left, rest, joint = base.rstrip("/"), url, "/"
    while rest.startswith(("./", "../")):
        step, _, rest = rest.partition("/")
        if step == "..":
            left, joint = _parent(left, url)
    return f"{left}{joint}{rest}".rstrip("/")


def _parent(url: str, asked: str) -> tuple[str, str]:
    """Take the last part of a URL away; return the rest, and what joins it with another last part."""
    at = max(url.rfind("/"), url.rfind(":"))
    if at <= url.find("://") + 2 or at < 0:
        raise RepoStoreError(f"{asked!r} leads out of the host of the repository", code="worktree_failed")
    return url[:at], url[at]


def is_local(url: str) -> bool:
    """Whether the URL names a place on this machine."""
    return url.startswith("file://") or ("://" not in url and ":" not in url.partition("/")[0])
