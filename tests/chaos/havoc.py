"""Havoc: campaigns in two places at once, counted together."""

import asyncio
import random
from pathlib import Path

from aiohttp import ClientSession, ClientTimeout

from tests.chaos.campaign import Campaign, Stuck
from tests.chaos.checks import Checks
from tests.chaos.moment import moments
from tests.chaos.place import ChaosPlace
from tests.chaos.receiver import Receiver
from tests.chaos.tally import Tally, total

LATE = ('*" fetch "* | *" push "* | *" read-tree "* | *" update-ref "*', "test $(($$ % 3)) = 0 && sleep 1.$(($$ % 10))")
"""A git as on a slow disk: a third of what it does may be about to happen when the server that wanted it is dead."""


async def wreak(root: Path, seed: int, rounds: int, jobs_per_round: int, *, slow_git: bool) -> Tally:
    """Run campaigns in two places at once, so many rounds in all; return what they count together.

    With a slow git, which one of the places has, rounds take three times as long there.
    """
    plan = moments(rounds, random.Random(seed))
    share = len(plan) // 4 if slow_git else len(plan) // 2
    plans = (plan[share:], plan[:share])

    async def one(number: int, tally: Tally) -> None:
        (root / str(number)).mkdir()
        place, receiver = ChaosPlace(root / str(number)), Receiver()
        if slow_git and number == 1:
            place.delay_git(*LATE)
        async with receiver.serve() as hook, ClientSession(timeout=ClientTimeout(30)) as session:
            campaign = Campaign(
                place=place,
                session=session,
                hook=hook,
                checks=Checks(place, receiver, tally),
                tally=tally,
                dice=random.Random(f"{seed}/{number}"),
                jobs_per_round=jobs_per_round,
            )
            try:
                await campaign.run(plans[number])
            except Stuck as stuck:
                tally.fault("ended twice or not", f"place {number} gave up in round {tally.rounds - 1}: {stuck}")
            finally:
                await campaign.close()

    tallies = [Tally(), Tally()]
    async with asyncio.TaskGroup() as campaigns:
        for number, tally in enumerate(tallies):
            campaigns.create_task(one(number, tally))
    return total(tallies)
