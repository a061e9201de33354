"""Secrets do not get out: by their value, by their shape, and in what is to be published."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_core.domain.errors import WorldError
from agent_core.domain.publish_policy import MB, FileChange, PublishPolicy, added_lines, blocked_sentence
from agent_core.domain.secrets import REDACTED, Secrets

KNOWN = "correct horse battery"
SHAPED = [
    "ghp_" + "a1B2" * 9,
    "github_pat_" + "11ABCDEFG0" * 4,
    "sk-ant-oat01-" + "x_Y-9" * 10,
    "whsec_" + "MfKQ9r8GKYqrTwjU",
    "agt_" + "a1B2_-x" * 6 + "z",
    "AKIA" + "ABCDEFGHIJKLMNOP",
    "ghs_" + "a1B2" * 5,
    "github_pat_" + "a1B2" * 5,
    "sk-ant-" + "a1B2" * 4,
    "xoxb-" + "1234567890",
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk=\n-----END OPENSSH PRIVATE KEY-----",
]
ANY = re.compile(
    rf"{KNOWN}|gh[pousr]_[A-Za-z0-9]{{20}}|github_pat_[A-Za-z0-9_]{{20}}|sk-ant-[A-Za-z0-9_-]{{16}}|agt_[A-Za-z0-9_-]{{43}}"
    r"|whsec_[A-Za-z0-9+/=]{16}|AKIA[0-9A-Z]{16}|xox[abprs]-[A-Za-z0-9-]{10}|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|\b[Bb](?:earer|EARER)\s+(?=[A-Za-z._~+/-]*[0-9])[A-Za-z0-9._~+/-]{16}"
    r"|[A-Za-z0-9+.-]://[^/\s:@]*:[^/\s@]+@"
)
BEGINNINGS = [
    "ghp_",
    "ghr_",
    "github_pat_",
    "sk-ant-",
    "agt_",
    "whsec_",
    "AKIA",
    "xoxb-",
    "-----BEGIN A PRIVATE KEY-----",
]
BEGINNINGS += ["Bearer", "BEARER", "bearer ", "https://u:", "://a:b@"]
PIECES = st.sampled_from([*BEGINNINGS, *SHAPED, KNOWN, "A1" * 8, *"a1_-+/=:@é \n\u00a0\ud800"])
STREAMS = Path(__file__).parents[2] / "fakes" / "streams"


@given(st.text(), st.sampled_from([KNOWN, *SHAPED]), st.text())
def test_a_secret_is_gone_wherever_it_stands(before: str, secret: str, after: str) -> None:
    assert secret not in Secrets([KNOWN]).redact(f"{before} {secret} {after}")


@given(st.lists(PIECES, max_size=12).map("".join))
def test_whatever_holds_a_secret_is_looked_through(text: str) -> None:
    secrets = Secrets([KNOWN])
    assert (secrets.redact(text) != text) == (ANY.search(text) is not None)
    group = f"{{}}\n{text}\n{{}}".encode("utf-8", "surrogatepass")
    assert secrets.may_be_in(group) or secrets.redact(text) == text


def test_the_agents_usual_events_need_not_be_looked_through() -> None:
    message = {"id": "msg_01XFDUDYJgAACzvnptvVoYEL", "usage": {"cache_creation_input_tokens": 1}}
    result = {"tool_use_id": "toolu_01A09q90qw90lq917835lq9", "content": "see https://example.com:8080/a@b"}
    usual = [json.dumps(event) for event in (message, result)]
    usual += [line for path in STREAMS.glob("*.jsonl") for line in path.read_text().splitlines()]
    assert not [line for line in usual if Secrets([KNOWN]).may_be_in(line.encode())]


@pytest.mark.parametrize("run", ["a-", "a.b.", "a://", "a:", "bearer "])
def test_a_run_of_beginnings_is_gone_through_once(run: str) -> None:
    text = f"{run * 500_000} https://user:pass@host"  # its square would take hours
    assert Secrets().redact(text).endswith(f" https://{REDACTED}@host")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Authorization: Bearer abc.def-123_456~789", f"Authorization: Bearer {REDACTED}"),
        ("https://user:pass@example.com/x.git", f"https://{REDACTED}@example.com/x.git"),
        ("Authorization: Bearer abc.def-123_456~789 user@x", f"Authorization: Bearer {REDACTED} user@x"),
        ("HTTPS://a:b@c and git+ssh://d:e@f", f"HTTPS://{REDACTED}@c and git+ssh://{REDACTED}@f"),
        ("the bearer of bad news", "the bearer of bad news"),
        ("see https://example.com:8080/a@b", "see https://example.com:8080/a@b"),
        ("git@github.com:org/repo.git", "git@github.com:org/repo.git"),
        ("f0e1d2c3b4a5968778695a4b3c2d1e0f00112233", "f0e1d2c3b4a5968778695a4b3c2d1e0f00112233"),
    ],
)
def test_credentials_go_and_ordinary_text_stays(text: str, expected: str) -> None:
    assert Secrets().redact(text) == expected


def test_of_known_values_the_longest_is_replaced_whole() -> None:
    secrets = Secrets(["part-of-it", "part-of-it-and-more", "never seen"])
    assert secrets.redact("x part-of-it-and-more part-of-it y") == f"x {REDACTED} {REDACTED} y"


def test_a_known_value_that_is_too_short_to_be_told_apart_is_left_alone() -> None:
    assert Secrets(["test"]).redact("the tests pass") == "the tests pass"


@pytest.mark.parametrize("secret", [KNOWN, *SHAPED])
def test_work_with_a_secret_in_an_added_line_is_refused_by_the_name_of_the_file(secret: str) -> None:
    policy = PublishPolicy(secrets=Secrets([KNOWN]))
    change = FileChange(path="config/prod.env", size=10, added=f"TOKEN={secret}\n")
    assert policy.violations([change]) == ["config/prod.env: an added line holds a secret"]


def test_a_file_over_the_limit_is_refused() -> None:
    changes = [FileChange(path="big.bin", size=51 * MB), FileChange(path="small.txt", size=50 * MB)]
    assert PublishPolicy().violations(changes) == ["big.bin: 51.0 MB, more than the 50.0 MB allowed"]


@pytest.mark.parametrize(
    ("pattern", "path", "protected"),
    [
        (".github/**", ".github/workflows/ci.yml", True),
        (".github/**", "src/.github/x", False),
        ("**/secrets/*", "secrets/a", True),
        ("**/secrets/*", "x/y/secrets/a", True),
        ("**/secrets/*", "x/secrets/a/b", False),
        ("*.pem", "deep/down/key.pem", True),
        ("Makefile", "sub/Makefile", True),
        ("/Makefile", "sub/Makefile", False),
        ("/Makefile", "Makefile", True),
        ("infra/*.tf", "infra/main.tf", True),
        ("infra/*.tf", "infra/x/main.tf", False),
    ],
)
def test_a_protected_path_is_refused_as_its_pattern_says(pattern: str, path: str, *, protected: bool) -> None:
    policy = PublishPolicy(protected_paths=[pattern])
    expected = [f"{path}: protected by {pattern}"] if protected else []
    assert policy.violations([FileChange(path=path, size=1)]) == expected


def test_a_line_break_in_a_path_does_not_lead_past_its_pattern_nor_into_the_sentence() -> None:
    policy = PublishPolicy(protected_paths=[".github/**"])
    change = FileChange(path=".github/a\nb\udcff", size=1)
    assert policy.violations([change]) == [r"'.github/a\nb\udcff': protected by .github/**"]


def test_work_that_breaks_no_rule_passes_the_check_and_any_other_is_refused_with_the_reason_per_file() -> None:
    policy = PublishPolicy(max_file_size=10 * MB, secrets=Secrets([KNOWN]))
    policy.check([FileChange(path="a", size=1, added="fine\n"), FileChange(path="gone", size=0)])
    with pytest.raises(WorldError) as caught:
        policy.check([FileChange(path="big", size=11 * MB), FileChange(path="env", size=9, added=KNOWN)])
    assert caught.value.code == "blocked_by_policy"
    assert str(caught.value) == (
        "The work may not be published: big: 11.0 MB, more than the 10.0 MB allowed; env: an added line holds a secret"
    )
    assert KNOWN not in str(caught.value)


@pytest.mark.parametrize(
    ("before", "after", "added"),
    [
        ("", "a\nb", "a\nb"),
        ("a\nb\n", "b\na\n", ""),
        ("a\n", "a\na\n", "a\n"),
        ("a\nb\n", "a\nc\n", "c\n"),
        ("a\n", "", ""),
    ],
)
def test_added_lines_are_those_that_were_nowhere_in_the_file_before(before: str, after: str, added: str) -> None:
    assert added_lines(before, after) == added


def test_a_long_list_of_violations_is_cut_in_the_sentence() -> None:
    sentence = blocked_sentence([f"f{n}: too big" for n in range(30)])
    assert sentence.startswith("The work may not be published: f0: too big; f1")
    assert sentence.endswith("and 10 more")
