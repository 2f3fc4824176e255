"""A drafted campaign in, a scheduled one out. No model is asked: nothing here is a matter of opinion."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from send_email.planning import planned, scheduled_record
from send_email.store import ScheduleStore
from signalbox_agent import Message, Work
from signalbox_contracts.sdr import CampaignDrafted, CampaignScheduled


class Scheduling:
    """Schedules a workflow's first draft; every later one gets that schedule as its answer."""

    def __init__(
        self,
        store: ScheduleStore,
        clock: Callable[[], datetime],
        domain: str,
        link_allow: Collection[str] = (),
    ) -> None:
        self._store = store
        self._clock = clock
        self._domain = domain
        self._link_allow = link_allow

    async def schedule(self, message: Message[CampaignDrafted], work: Work) -> Sequence[CampaignScheduled]:
        """Answer with the workflow's one schedule, durable before this returns.

        Which of its mails go, and which are held, changes nothing in the answer.

        Raises:
            Refuse: a mail is addressed to somebody other than the lead, or is not fit to be sent.
            Unavailable: the store can't be written now.
        """
        workflow = message.envelope.correlation_id
        now = self._clock()
        wanted = await asyncio.to_thread(
            planned, message.record, message.lead_id, workflow, now, self._domain, self._link_allow
        )
        kept = await asyncio.to_thread(self._store.keep_first, wanted, now)
        if kept is not wanted:
            work.log.info("second_draft_gets_first_schedule", campaign_id=kept.campaign_id)
        return [scheduled_record(kept)]
