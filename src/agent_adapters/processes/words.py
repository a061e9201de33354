"""Text that a program wrote, made fit to be stored. Pure."""

LONGEST_ERROR = 2000
"""Characters of a program's own words in the sentence of an error."""


def tidy(words: str) -> str:
    """Replace what a store of text refuses."""
    return words.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def shortened(words: str, length: int) -> str:
    """Cut a text that is too long, and say so."""
    return words if len(words) <= length else f"{words[:length]}… [{len(words) - length} characters more]"
