"""What every `HoldRepo` promises."""

from agent_core.domain.holds import HoldKind
from tests.contracts.stores_samples import TEXTS, Stores, a_hold, after


class HoldRepoContract:
    async def test_a_hold_comes_back_with_every_field(self, stores: Stores) -> None:
        assert not await stores.holds.all()
        limit = a_hold(until=after(0.001), reason="\n".join(TEXTS))
        login = a_hold(HoldKind.LOGIN_LOST, since=after(-60))
        await stores.holds.put(limit)
        await stores.holds.put(login)
        assert sorted(await stores.holds.all(), key=lambda hold: hold.kind) == [login, limit]

    async def test_a_hold_takes_the_place_of_another_of_its_kind(self, stores: Stores) -> None:
        await stores.holds.put(a_hold(until=after(60)))
        later = a_hold(reason="Again", since=after(1))
        for _ in range(2):
            await stores.holds.put(later)
            assert list(await stores.holds.all()) == [later]

    async def test_a_hold_whose_time_is_over_stays_until_it_is_lifted(self, stores: Stores) -> None:
        past = a_hold(since=after(-(10**9)), until=after(-(10**8)))
        await stores.holds.put(past)
        assert list(await stores.holds.all()) == [past]

    async def test_a_lifted_hold_is_gone_and_the_others_stand(self, stores: Stores) -> None:
        login = a_hold(HoldKind.LOGIN_LOST)
        await stores.holds.put(a_hold())
        await stores.holds.put(login)
        for _ in range(2):
            await stores.holds.lift(HoldKind.USAGE_LIMIT)
            assert list(await stores.holds.all()) == [login]
