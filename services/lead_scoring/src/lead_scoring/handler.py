"""A profiled lead in, a scored lead out."""

from collections.abc import Sequence
from functools import partial

from lead_scoring.judgement import Judgement
from lead_scoring.offline import judgement_stand_in
from signalbox_agent import Message, Work
from signalbox_agent.texts import as_data, instructions
from signalbox_contracts.sdr import Lead, LeadProfiled, LeadScored, NextStep


async def score(message: Message[LeadProfiled], work: Work) -> Sequence[LeadScored]:
    """Answer with the lead as it came and the model's judgement of it."""
    lead, report = message.record.lead, message.record.report
    completion = await work.model.complete(
        task="score",
        instructions=instructions(__package__, "score"),
        prompt=as_data(
            lead=lead.model_dump(mode="json", exclude={"lead_id"}),
            report=report.model_dump(mode="json"),
        ),
        output_type=Judgement,
        stand_in=partial(judgement_stand_in, lead, report),
        check=lambda judgement: work.violation(_scored(lead, judgement)),
    )
    return [_scored(lead, completion.output)]


def _scored(lead: Lead, judgement: Judgement) -> LeadScored:
    return LeadScored(
        lead=lead,
        score=judgement.score,
        next_step=NextStep(judgement.next_step),
        talking_points=judgement.talking_points,
        rationale=judgement.rationale,
    )
