"""The composition root: the one place where the orchestrator's parts are made and joined."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

import httpx2
from fastapi import FastAPI

from orchestrator.consume.crash_journal import CrashJournal
from orchestrator.consume.ladder import References
from orchestrator.consume.stage import Stage
from orchestrator.dispatch.agent_client import AgentClient
from orchestrator.dispatch.availability import AgentAvailabilities
from orchestrator.dispatch.delivery import AgentDelivery
from orchestrator.dispatch.dispatch import Dispatch
from orchestrator.dispatch.dispatchers import Dispatchers
from orchestrator.dispatch.reaching import Reaching
from orchestrator.operations import operations
from orchestrator.places import wanted_of
from orchestrator.ports import Ports, real_ports
from orchestrator.settings import OrchestratorSettings
from orchestrator.spending import Spending
from orchestrator.stages import INTAKE, ROUTING, Stages
from orchestrator.trust import Trust
from signalbox.catalog import Catalog
from signalbox.gate import Contracts, Gate
from signalbox.gate.control_records import ControlRecords
from signalbox.kafka import KafkaSettings, TopicSpec
from signalbox.models import nanos_of
from signalbox.protocol.names import AgentId, RecordType
from signalbox.registry.presence import RegistryPresence
from signalbox.telemetry import Readiness
from signalbox.trust import ORCHESTRATOR, RequestSigner, TrustSettings
from signalbox_decide.admission import Admission
from signalbox_decide.asking import WhereUnsure, chooser_of
from signalbox_decide.day_budget import DayBudget, WithinBudget
from signalbox_decide.decider import Decider
from signalbox_decide.directory import Directory
from signalbox_decide.guards import Guards
from signalbox_decide.history import DecisionHistory, IntakeHistory
from signalbox_decide.intake import Intake
from signalbox_decide.records import DecisionRecords
from signalbox_decide.router import Router
from signalbox_decide.seats import Seats
from signalbox_decide.selection import Selection, Waiting
from signalbox_decide.workflow_usage import WorkflowUsages

SERVICE: Final = "orchestrator"
PORT: Final = 8100


@dataclass(frozen=True)
class Orchestrator:
    """The wired parts that :mod:`orchestrator.__main__` runs."""

    app: FastAPI
    readiness: Readiness
    kafka: KafkaSettings
    places: Sequence[TopicSpec]
    control: ControlRecords
    contracts: Contracts
    registry: RegistryPresence
    trust: Trust
    directory: Directory
    spending: Spending
    reaching: Reaching
    intake: Stage
    routing: Stage
    dispatchers: Dispatchers


def bootstrap(
    settings: OrchestratorSettings, closing: AsyncExitStack, ports: Ports | None = None
) -> Orchestrator:
    """Join the parts to ``ports``, by default the real ones; ``closing`` releases what they hold."""
    ports = ports or real_ports(settings)
    readiness = Readiness("contracts", "grants", "directory", INTAKE, ROUTING)
    registry = ports.registry()
    closing.push_async_callback(registry.close)

    catalog = Catalog.load()
    control = ControlRecords(registry)
    keys = TrustSettings()
    trust, signer = Trust(control, keys, readiness), RequestSigner(ORCHESTRATOR, keys.orchestrators_key)
    seats = Seats.of(catalog, settings.agent_limit)
    directory = Directory(control, settings.agent_endpoint_allow, seats, readiness.degraded, ports.clock)
    directory.judged_by(partial(trust.judge, apply=directory.apply))
    contracts = Contracts(
        registry,
        refresh_s=settings.contract_refresh_s,
        pins={RecordType(name): version for name, version in settings.contract_pins.items()},
    )
    gate = Gate(registry, contracts, Admission(catalog, directory))
    workflows = WorkflowUsages(clock=ports.clock)
    taken_in = IntakeHistory(ports.recent, ports.clock)
    decided = DecisionHistory(ports.recent, workflows, ports.clock)
    waiting = Waiting(settings.no_candidate_wait_s, readiness.degraded, ports.clock)
    spending = Spending.of(settings, control, readiness, ports.clock)
    model = ports.model("router")
    readiness.tell("model", model.told)
    readiness.tell("contracts", contracts.told)
    chooser = chooser_of(
        WithinBudget(Router(model), spending.budget),
        settings.router_ask,
        settings.router_learned,
        settings.router_learned_min,
        readiness.degraded,
    )
    if isinstance(chooser, WhereUnsure):
        directory.watched_by(chooser.look_at)
    selection = Selection(directory, catalog, _guards(settings, ports, spending.budget), chooser, waiting)
    decider = Decider(gate, decided, workflows, selection, ports.dead_letter)
    records = DecisionRecords(control, ports.clock)
    availabilities = AgentAvailabilities(readiness)

    own_folder = settings.data_dir / SERVICE / settings.orchestrator_replica
    asking = httpx2.AsyncClient(follow_redirects=False)
    closing.push_async_callback(asking.aclose)
    stages = Stages(
        settings,
        ports,
        records,
        CrashJournal(own_folder, settings.poison_crashes),
        readiness,
        References(readiness, partial(_retention, catalog)),
    )

    @asynccontextmanager
    async def dispatch_stage(agent: AgentId) -> AsyncIterator[Stage]:
        async with ports.http(settings.agent_timeout_s, settings.dispatch_connections) as http:
            client = AgentClient(agent, http, signer, settings.agent_timeout_s)
            delivery = _delivery(settings, client, availabilities, agent)
            dispatch = Dispatch(
                agent, delivery, directory, decider, records, readiness, spending.budget.require
            )
            yield stages.dispatch(agent, dispatch, delivery)
        dispatch.forget()
        client.forget()
        availabilities.forget(agent)

    return Orchestrator(
        app=operations(readiness, directory, availabilities, trust),
        readiness=readiness,
        kafka=ports.kafka,
        places=wanted_of(catalog),
        control=control,
        contracts=contracts,
        registry=RegistryPresence(readiness.degraded, ports.clock.now),
        trust=trust,
        directory=directory,
        spending=spending,
        reaching=Reaching(directory, asking, own_folder),
        intake=stages.intake(Intake(gate, taken_in), taken_in),
        routing=stages.routing(decider, decided),
        dispatchers=Dispatchers(directory, dispatch_stage),
    )


def _guards(settings: OrchestratorSettings, ports: Ports, budget: DayBudget) -> Guards:
    dollars = settings.llm_workflow_budget_usd
    return Guards(
        hops=settings.hop_limit,
        visits=settings.visit_limit,
        tokens=settings.token_budget,
        age=timedelta(hours=settings.workflow_deadline_h),
        clock=ports.clock,
        cost=None if dollars is None else nanos_of(dollars),
        waited=budget.waited,
    )


def _delivery(
    settings: OrchestratorSettings, client: AgentClient, availabilities: AgentAvailabilities, agent: AgentId
) -> AgentDelivery:
    return AgentDelivery(
        client,
        availabilities.of(agent),
        attempts=settings.dispatch_attempts,
        deaths=settings.poison_crashes,
        at_once=settings.dispatch_connections,
        opens_after=settings.circuit_opens_after,
    )


def _retention(catalog: Catalog, topic: str) -> int | None:
    entry = catalog.topics.get(topic)
    return None if entry is None else entry.retention_ms
