"""Programs that are kept to be asked again: every answer is whole, and what goes wrong is no answer."""

import asyncio
import gc
import os
import signal
import sys

import pytest

from agent_adapters.processes import coprocess
from agent_adapters.processes.coprocess import Coprocess
from tests.integration.process_place import living, wait_until

ENVIRON = {"PATH": os.environ["PATH"]}
PARROT = """
import os, sys, time
for line in sys.stdin:
    match line.split():
        case ["who"]:
            print(os.getpid())
        case ["much", size]:
            print("x" * int(size))
        case ["die"]:
            os.kill(os.getpid(), 9)
        case ["sleep"]:
            time.sleep(600)
        case _:
            print(line, end="")
    sys.stdout.flush()
"""


def parrot() -> Coprocess:
    return Coprocess([sys.executable, "-u", "-c", PARROT], ENVIRON)


async def ask(asked: Coprocess, *lines: str, limit: float = 30, most: int = 1_000_000) -> bytes | None:
    return await asked.ask("\n".join([*lines, "end", ""]).encode(), b"end\n", limit=limit, most=most)


async def pid_of(asked: Coprocess) -> int:
    answer = await ask(asked, "who")
    assert answer is not None
    return int(answer)


async def test_one_program_gives_all_answers_each_to_whom_it_is_due() -> None:
    asked = parrot()
    first = await pid_of(asked)
    answers = await asyncio.gather(*(ask(asked, f"a{n}", f"b{n}") for n in range(20)))
    assert answers == [f"a{n}\nb{n}\n".encode() for n in range(20)]
    assert await pid_of(asked) == first


async def test_a_long_answer_comes_whole() -> None:
    assert await ask(parrot(), "much 900000") == b"x" * 900_000 + b"\n"


async def test_one_that_was_killed_since_is_started_anew() -> None:
    asked = parrot()
    killed = await pid_of(asked)
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: not living([killed]))
    assert await pid_of(asked) != killed


@pytest.mark.parametrize(
    "question",
    [["a", "die"], ["much 1000001"], ["x" * 70_000]],
    ids=["it dies", "it says too much", "it is asked too much"],
)
async def test_there_is_no_answer_and_the_next_is_right(question: list[str]) -> None:
    asked = parrot()
    assert await ask(asked, *question) is None
    assert await ask(asked, "b") == b"b\n"


async def test_one_that_is_too_slow_gives_no_answer_and_is_gone() -> None:
    asked = parrot()
    slow = await pid_of(asked)
    assert await ask(asked, "sleep", limit=0.01) is None
    wait_until(lambda: not living([slow]))
    assert await ask(asked, "b") == b"b\n"


async def test_a_program_that_is_not_there_gives_no_answer() -> None:
    assert await ask(Coprocess(["/no/such/program"], ENVIRON)) is None


async def test_the_answer_to_a_question_that_was_given_up_is_nobodys() -> None:
    asked = parrot()
    given_up = await pid_of(asked)
    asking = asyncio.ensure_future(ask(asked, "sleep"))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait([asking])
    assert asking.cancelled()
    wait_until(lambda: not living([given_up]))
    assert await ask(asked, "b") == b"b\n"


async def test_nothing_is_left_when_nobody_asks_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coprocess, "IDLE", 0.0)
    asked = parrot()
    idle = await pid_of(asked)
    while asked._running is not None:  # noqa: ASYNC110 - the timer is the loop's
        await asyncio.sleep(0)
    wait_until(lambda: not living([idle]))
    assert await pid_of(asked) != idle


def test_nothing_is_left_of_one_that_was_forgotten_with_its_loop() -> None:
    async def known() -> int:
        return await pid_of(parrot())

    forgotten = asyncio.run(known())
    gc.collect()
    wait_until(lambda: not living([forgotten]))
