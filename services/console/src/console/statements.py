"""The SQL that :mod:`console.queries` asks the projection with; ``TOPICS`` are the parameters of most."""

from typing import Final

from console.facts import INTAKE_DEAD_LETTERS, MESSAGE_DEAD_LETTERS
from signalbox.protocol.names import AGENT_MESSAGES
from signalbox.protocol.reasons import Stage

TOPICS: Final = {
    "messages": AGENT_MESSAGES,
    "message_dead_letters": MESSAGE_DEAD_LETTERS,
    "intake_dead_letters": INTAKE_DEAD_LETTERS,
    "intake": Stage.INTAKE.value,
    "gate": Stage.GATE.value,
    "guard": Stage.GUARD.value,
}

AT_POSITION: Final = 'WHERE topic = ? AND partition = ? AND "offset" = ?'

LEADS: Final = """
    SELECT * FROM lead
    WHERE (:status IS NULL OR status = :status) AND (:id IS NULL OR (captured_at, lead_id) < (:at, :id))
    AND (:before IS NULL OR (status = 'in_flight' AND heard_at < :before))
    ORDER BY captured_at DESC, lead_id DESC LIMIT :limit
"""

STALLED: Final = "SELECT count(*) FROM lead WHERE status = 'in_flight' AND heard_at < :before"

DEAD_LETTERS: Final = """
    SELECT * FROM tracked_dead_letter
    WHERE (:reason IS NULL OR reason = :reason)
    AND (:state IS NULL OR state = :state
        OR (:state = 'unaudited' AND state = 'replayed' AND replay_audited_at IS NULL))
    AND (:of_topic IS NULL OR :of_topic IN (topic, source_topic))
    AND (:contract IS NULL OR record_type = :contract
        OR (record_type IS NULL AND topic = :intake_dead_letters AND :contract = :captured))
    AND (:agent IS NULL OR source = :agent OR (stage = :dispatch AND EXISTS (
        SELECT 1 FROM decision AS d WHERE d.message_id = tracked_dead_letter.message_id AND d.agent = :agent
    )))
    AND (:since IS NULL OR at >= :since)
    AND (:topic IS NULL OR (at, topic, partition, "offset") < (:at, :topic, :partition, :offset))
    ORDER BY at DESC, topic DESC, partition DESC, "offset" DESC LIMIT :limit
"""

# A message counts once: not again as its dead letter, and not again when it is redelivered. A record that
# bears a known id and was nevertheless dead-lettered for itself is no redelivery but another message.
UNATTRIBUTED: Final = """
    SELECT (
        SELECT count(*) FROM message AS m
        WHERE NOT EXISTS (SELECT 1 FROM lead WHERE lead.workflow = m.workflow)
        AND (
            NOT EXISTS (
                SELECT 1 FROM message AS e
                WHERE e.id = m.id AND (e.partition, e."offset") < (m.partition, m."offset")
            )
            OR EXISTS (
                SELECT 1 FROM dead_letter AS d WHERE d.source_topic = :messages
                AND d.source_partition = m.partition AND d.source_offset = m."offset"
            )
        )
    ) + (
        SELECT count(DISTINCT d.source_topic || '/' || d.source_partition || '/' || d.source_offset)
        FROM dead_letter AS d
        WHERE d.topic = :message_dead_letters
        AND NOT EXISTS (SELECT 1 FROM lead WHERE lead.workflow = d.workflow)
        AND NOT EXISTS (SELECT 1 FROM message AS m WHERE m.id = d.message_id)
        AND NOT EXISTS (
            SELECT 1 FROM message AS m WHERE d.source_topic = :messages
            AND d.source_partition = m.partition AND d.source_offset = m."offset"
        )
    )
"""

REFUSED_AT_INTAKE: Final = """
    SELECT count(*) FROM (
        SELECT 1 FROM tracked_dead_letter WHERE topic = :intake_dead_letters
        GROUP BY source_topic, source_partition, source_offset
        HAVING max(replayed_at IS NOT NULL) = 0
    )
"""

# The first decision with an id wins, and copies of one dead letter share their source.
MODEL_CALLS: Final = """
    SELECT (
        SELECT coalesce(sum(model_calls), 0) FROM decision AS d
        WHERE NOT EXISTS (
            SELECT 1 FROM decision AS e
            WHERE e.id = d.id AND (e.partition, e."offset") < (d.partition, d."offset")
        )
    ) + (
        SELECT coalesce(sum(calls), 0) FROM (
            SELECT max(model_calls) AS calls FROM dead_letter
            GROUP BY topic, source_topic, source_partition, source_offset
        )
    )
"""

REJECTED_BEFORE_LLM: Final = """
    SELECT count(*) FROM (
        SELECT 1 FROM dead_letter WHERE stage IN (:intake, :gate, :guard)
        GROUP BY topic, source_topic, source_partition, source_offset
    )
"""

AGENTS: Final = """
    SELECT r.agent_id, r.tombstone, r.at, (
        SELECT definition FROM registration AS d
        WHERE d.agent_id = r.agent_id AND d.definition IS NOT NULL
        ORDER BY d.partition DESC, d."offset" DESC LIMIT 1
    ) AS definition
    FROM registration AS r
    WHERE NOT EXISTS (
        SELECT 1 FROM registration AS n
        WHERE n.agent_id = r.agent_id AND (n.partition, n."offset") > (r.partition, r."offset")
    )
    ORDER BY r.agent_id
"""
