"""The composition root: the one place where the orchestrator's parts are made and joined."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

import httpx2
from fastapi import FastAPI

from orchestrator.consume.crash_journal import CrashJournal, Decide
from orchestrator.consume.ladder import Instead, References
from orchestrator.consume.stage import Stage
from orchestrator.directory import Directory
from orchestrator.dispatch.agent_client import AgentClient, connections
from orchestrator.dispatch.availability import AgentAvailabilities
from orchestrator.dispatch.delivery import AgentDelivery
from orchestrator.dispatch.dispatch import Dispatch
from orchestrator.dispatch.dispatchers import Dispatchers
from orchestrator.dispatch.reaching import Reaching
from orchestrator.guards import Guards
from orchestrator.history import DecisionHistory, IntakeHistory
from orchestrator.intake import Intake
from orchestrator.outcomes import Rejections, Routes
from orchestrator.places import wanted_of
from orchestrator.router import Router
from orchestrator.routing import Routing
from orchestrator.seats import Seats
from orchestrator.selection import Selection
from orchestrator.settings import OrchestratorSettings
from orchestrator.trust import Trust
from orchestrator.workflow_usage import WorkflowUsages
from signalbox.catalog import Catalog
from signalbox.gate import Contracts, Gate
from signalbox.gate.control_records import ControlRecords
from signalbox.kafka import GroupConsumer, KafkaSettings, TopicSpec, TransactionalProducer, read_at
from signalbox.models import model_for
from signalbox.protocol import reasons
from signalbox.protocol.names import AGENT_MESSAGES, AGENT_ROUTES, INCOMING_LEADS, AgentId, RecordType
from signalbox.protocol.records import Draft, Record
from signalbox.registry.client import Registry, RegistrySettings
from signalbox.telemetry import Readiness, operations_routes
from signalbox.trust import ORCHESTRATOR, RequestSigner, TrustSettings

SERVICE: Final = "orchestrator"
PORT: Final = 8100
INTAKE: Final = "intake"
ROUTING: Final = "routing"


class Admission:
    """A topic admits what the catalog lists; the shared topic also what registered agents announce."""

    def __init__(self, catalog: Catalog, directory: Directory) -> None:
        self._catalog = catalog
        self._directory = directory

    def admits(self, topic: str, record_type: RecordType) -> bool:
        """Say whether ``topic`` admits ``record_type`` now."""
        announced = topic == AGENT_MESSAGES and self._directory.announces(record_type)
        return announced or self._catalog.admits(topic, record_type)


@dataclass(frozen=True)
class Orchestrator:
    """The wired parts that :mod:`orchestrator.__main__` runs."""

    app: FastAPI
    readiness: Readiness
    kafka: KafkaSettings
    places: Sequence[TopicSpec]
    control: ControlRecords
    contracts: Contracts
    trust: Trust
    directory: Directory
    reaching: Reaching
    intake: Stage
    routing: Stage
    dispatchers: Dispatchers


def bootstrap(settings: OrchestratorSettings, closing: AsyncExitStack) -> Orchestrator:
    """Wire the real parts; ``closing`` releases what they hold."""
    kafka, readiness = KafkaSettings(), Readiness("contracts", "grants", "directory", INTAKE, ROUTING)
    registry = Registry(RegistrySettings())
    closing.push_async_callback(registry.close)

    catalog = Catalog.load()
    control = ControlRecords(registry)
    keys = TrustSettings()
    trust, signer = Trust(control, keys, readiness), RequestSigner(ORCHESTRATOR, keys.orchestrators_key)
    seats = Seats.of(catalog, settings.agent_limit)
    directory = Directory(control, settings.agent_endpoint_allow, seats, readiness)
    directory.judged_by(partial(trust.judge, apply=directory.apply))
    contracts = Contracts(
        registry,
        refresh_s=settings.contract_refresh_s,
        pins={RecordType(name): version for name, version in settings.contract_pins.items()},
    )
    gate = Gate(registry, contracts, Admission(catalog, directory))
    guards = Guards(
        hops=settings.hop_limit,
        visits=settings.visit_limit,
        tokens=settings.token_budget,
        age=timedelta(hours=settings.workflow_deadline_h),
    )
    selection = Selection(
        directory,
        catalog,
        guards,
        Router(model_for("router")),
        readiness,
        no_candidate_wait_s=settings.no_candidate_wait_s,
    )
    routes, rejections = Routes(control), Rejections(control)
    workflows, availabilities = WorkflowUsages(), AgentAvailabilities(readiness)
    taken_in, decided = IntakeHistory(kafka), DecisionHistory(kafka, workflows)

    own_folder = settings.data_dir / SERVICE / settings.orchestrator_replica
    journal = CrashJournal(own_folder, settings.poison_crashes)
    asking = httpx2.AsyncClient(follow_redirects=False)
    closing.push_async_callback(asking.aclose)

    def watched(
        decide: Decide, stage: reasons.Stage, name: str
    ) -> Callable[[Record], Awaitable[Sequence[Draft]]]:
        return journal.watching(name, decide, lambda record, why: rejections.refused(record, stage, why))

    references = References(readiness, partial(_retention, catalog))

    def instead(stage: reasons.Stage) -> Instead:
        return lambda record, drafts, why: rejections.unwritable(record, stage, drafts, why)

    def transactions(stage: str) -> TransactionalProducer:
        return TransactionalProducer(kafka, f"{SERVICE}.{stage}.{settings.orchestrator_replica}")

    def consumer(group: str, topic: str, client_id: str) -> GroupConsumer:
        return GroupConsumer(kafka, group, [topic], client_id, settings.on_lost_offsets)

    @asynccontextmanager
    async def dispatch_stage(agent: AgentId) -> AsyncIterator[Stage]:
        name = f"dispatch.{agent}"
        async with connections(settings.agent_timeout_s, settings.dispatch_connections) as http:
            client = AgentClient(agent, http, signer, settings.agent_timeout_s)
            delivery = AgentDelivery(
                client,
                availabilities.of(agent),
                attempts=settings.dispatch_attempts,
                deaths=settings.poison_crashes,
                at_once=settings.dispatch_connections,
                opens_after=settings.circuit_opens_after,
            )
            dispatch = Dispatch(
                agent, delivery, directory, gate, selection, control, routes, rejections, readiness
            )
            yield Stage(
                name,
                consumer(name, AGENT_ROUTES, name),
                transactions(name),
                watched(dispatch.decide, reasons.Stage.DISPATCH, name),
                readiness,
                limit=settings.dispatch_limit,
                instead=instead(reasons.Stage.DISPATCH),
                references=references,
                one_at_a_time_per_key=True,
                set_aside=lambda: delivery.failing,
            )
        dispatch.forget()
        client.forget()
        availabilities.forget(agent)

    routing = Routing(
        gate, decided, workflows, selection, routes, rejections, readiness, partial(read_at, kafka)
    )
    return Orchestrator(
        app=_operations(readiness, directory, availabilities, trust),
        readiness=readiness,
        kafka=kafka,
        places=wanted_of(catalog),
        control=control,
        contracts=contracts,
        trust=trust,
        directory=directory,
        reaching=Reaching(directory, asking, own_folder),
        intake=Stage(
            INTAKE,
            consumer("orchestrator.intake", INCOMING_LEADS, "orchestrator-intake"),
            transactions(INTAKE),
            watched(Intake(gate, taken_in, rejections, readiness).decide, reasons.Stage.INTAKE, INTAKE),
            readiness,
            limit=settings.in_flight_limit,
            read_back=taken_in.read_back,
            instead=instead(reasons.Stage.INTAKE),
            references=references,
        ),
        routing=Stage(
            ROUTING,
            consumer("orchestrator.routing", AGENT_MESSAGES, "orchestrator-routing"),
            transactions(ROUTING),
            watched(routing.decide, reasons.Stage.GATE, ROUTING),
            readiness,
            limit=settings.in_flight_limit,
            read_back=decided.read_back,
            instead=instead(reasons.Stage.ROUTER),
            references=references,
            one_at_a_time_per_key=True,  # so that what one decision used up is counted before the next
        ),
        dispatchers=Dispatchers(directory, dispatch_stage),
    )


def _retention(catalog: Catalog, topic: str) -> int | None:
    entry = catalog.topics.get(topic)
    return None if entry is None else entry.retention_ms


def _operations(
    readiness: Readiness, directory: Directory, availabilities: AgentAvailabilities, trust: Trust
) -> FastAPI:
    app = FastAPI(title="Signalbox orchestrator", docs_url=None, redoc_url=None)
    app.include_router(operations_routes(readiness))

    @app.get("/agents")
    async def agents() -> list[dict[str, object]]:
        seen, refused = availabilities.told(), trust.refusals.told()
        there = [
            agent.definition.model_dump() | {"dispatch": seen.get(name), "refused": refused.get(name)}
            for name, agent in sorted(directory.agents.items())
        ]
        # Whose announcements were refused, and who has none in force.
        absent = [name for name in refused if name not in directory.agents]
        return there + [{"id": name, "dispatch": None, "refused": refused[name]} for name in absent]

    return app
