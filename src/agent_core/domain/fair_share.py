"""Fair shares of the agent's time by start-time fair queueing: who has had how much, told in virtual time. Pure.

A client's virtual time is the agent time it has had, in seconds per share. Who has the lowest starts next, so that
clients that always have a job ready stay close together, whatever their jobs' lengths. With

    D  the number of slots,
    M  the agent time of the longest run, or EXPECTED_RUN where that is more,
    r  the least share of the clients that have jobs meanwhile,
    N  how many they are beside the one looked at, and R the sum of these others' shares,

three promises hold:

- **Shares.** The virtual times of two clients that both always have a job ready are never further apart than D*M/r.
  So over a window the agent time per share of two such clients differs by at most 2*D*M/r, however long the window.
- **No starvation.** While a client has a job ready, its next one starts within M*(1 + N + R/r), if runs hold their
  slots no longer than their agents work. How many jobs wait, and how many one client sends, does not matter.
- **Neither credit nor penalty.** Who had nothing to start, or was not allowed to, goes on at the clock: as far behind
  as any client with a ready job. It is owed nothing for the time, and owes at most the D*M/r that it was ahead.

A run counts for at least LEAST_RUN. A crash forgets what the runs of that moment have had: M a slot.
"""

from collections.abc import Container, Mapping

from attrs import field, frozen

EXPECTED_RUN = 600.0
"""Seconds that a run counts for until it has had more, when it is chosen who starts next.

Else a client that is behind by a second takes every slot that falls free before its first run has had that second.
About an ordinary run's length serves best; a wrong one makes waits uneven, but no shares wrong.
"""

LEAST_RUN = 60.0
"""Seconds that a run counts for at least: one whose agent never starts has had a slot and costs others their time."""


@frozen(kw_only=True)
class Accounts:
    """What the clients have had, in seconds of agent time per share: their virtual times.

    Runs count here when they are over. Until then they are added by who knows them (`running`, below).

    `clock` is where the client stood that was furthest behind, of those that still had a job ready after the last
    choice; if none had, who was furthest ahead of those chosen. Who is not named in `times` stands there.
    """

    clock: float = 0.0
    times: Mapping[str, float] = field(factory=dict)

    def time_of(self, client_id: str, running: float = 0.0) -> float:
        """Return the client's virtual time, of which its live runs have had `running`."""
        return max(self.times.get(client_id, self.clock) + running, self.clock)

    def charged(self, client_id: str, seconds: float, share: int) -> "Accounts":
        """Return the accounts after a run of the client is over that has had so much agent time.

        It is added to what is stored of the client, even if the clock has passed that: moved up to the clock first, a
        client would pay for its run and once more for what others had meanwhile.
        """
        time = self.times.get(client_id, self.clock) + max(seconds, LEAST_RUN) / share
        return Accounts(clock=self.clock, times={**self.times, client_id: time})

    def chosen(
        self, times: Mapping[str, float], had: Mapping[str, float], clock: float, busy: Container[str]
    ) -> "Accounts":
        """Return the accounts after a choice.

        `times` are the virtual times of clients that had a job ready, `had` what their live runs have had of them: they
        are stored as they stand, so that nobody keeps what it has fallen behind the clock. Then the clock moves on to
        `clock`. `busy` are the clients with live runs, those chosen now included: what is stored of them stays, because
        their runs will be added to it.
        """
        stored = {**self.times, **{client_id: time - had[client_id] for client_id, time in times.items()}}
        clock = max(self.clock, clock)
        return Accounts(clock=clock, times={i: time for i, time in stored.items() if time > clock or i in busy})
