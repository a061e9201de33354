"""The integration guide shows how a callback is verified: what stands there is run here, on one signed by us."""

import json
import os
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent_adapters.webhook import Signer
from tests.integration.shown_code import Python, TypeScript

SECRET = "a secret with ümlauts"
ENCODED = "whsec_bm8gc2VjcmV0IGF0IGFsbA=="
BODY = '{"jobId":"job-1","error":"née 💥"}'
Headers = dict[str, str]
Check = Callable[..., list[list[bool]]]
"""Takes cases of body, headers and secret; tells of each whether the agent's and the standard signature are good."""
GOOD, BAD = [True, True], [False, False]

IN_PYTHON = """
import json, sys
from callbacks import has_agent_signature, has_standard_signature
for body, *more in json.load(sys.stdin):
    print(json.dumps([check(body.encode(), *more) for check in (has_agent_signature, has_standard_signature)]))
"""
IN_TYPESCRIPT = """
import { readFileSync } from "node:fs";
import { hasAgentSignature, hasStandardSignature } from "./callbacks.js";
for (const [body, headers, secret] of JSON.parse(readFileSync(0))) {
  const given = [Buffer.from(body), new Headers(headers), secret];
  console.log(JSON.stringify([hasAgentSignature(...given), hasStandardSignature(...given)]));
}
"""


@pytest.fixture(params=[Python, TypeScript], ids=["python", "typescript"])
def check(request: pytest.FixtureRequest, tmp_path: Path) -> Check:
    command = request.param(tmp_path).command(IN_PYTHON if request.param is Python else IN_TYPESCRIPT)

    def verdicts(*cases: tuple[str, Headers, str]) -> list[list[bool]]:
        environ = {"PATH": os.environ["PATH"]}
        told = json.dumps(cases).encode()
        run = subprocess.run(command, input=told, env=environ, capture_output=True, check=True, timeout=60)
        return [json.loads(line) for line in run.stdout.splitlines()]

    return verdicts


def signed(secret: str = SECRET, old_secret: str | None = None, ago: timedelta = timedelta()) -> Headers:
    return Signer(secret, old_secret).headers("msg_1", datetime.now(UTC) - ago, BODY.encode())


def spoilt(headers: Headers) -> Headers:
    return {
        name: f"{value[:-2]}{'A' if value[-2] != 'A' else 'B'}{value[-1]}" if "ignature" in name else value
        for name, value in headers.items()
    }


def test_what_we_have_signed_is_accepted(check: Check) -> None:
    assert check((BODY, signed(), SECRET), (BODY, signed(ENCODED), ENCODED)) == [GOOD, GOOD]


def test_nothing_else_is_accepted(check: Check) -> None:
    headers = signed()
    assert (
        check(
            (BODY + " ", headers, SECRET),
            (BODY, headers, "another secret"),
            (BODY, spoilt(headers), SECRET),
            (BODY, dict.fromkeys(headers, ""), SECRET),
            (BODY, {}, SECRET),
        )
        == [BAD] * 5
    )


def test_a_standard_signature_covers_id_and_time_and_grows_old(check: Check) -> None:
    another_time = str(int(signed()["webhook-timestamp"]) + 1)
    assert check(
        (BODY, {**signed(), "webhook-id": "msg_2"}, SECRET),
        (BODY, {**signed(), "webhook-timestamp": another_time}, SECRET),
        (BODY, signed(ago=timedelta(minutes=4)), SECRET),
        (BODY, signed(ago=timedelta(minutes=6)), SECRET),
        (BODY, signed(ago=-timedelta(minutes=6)), SECRET),
    ) == [[True, False], [True, False], GOOD, [True, False], [True, False]]


def test_while_secrets_are_changed_the_old_one_is_good_for_the_standard_signature(check: Check) -> None:
    headers = signed("the new secret", SECRET)
    assert check((BODY, headers, SECRET), (BODY, headers, "the new secret")) == [[False, True], GOOD]
