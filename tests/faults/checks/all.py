"""The checks, in the order in which they are printed."""

from typing import Final

from checks.conservation import (
    each_lead_has_the_one_end_it_must_have,
    every_message_has_one_decision,
    everything_was_accepted,
    no_accepted_lead_is_lost,
    the_sums_are_equal_and_the_console_agrees,
)
from checks.finding import Check
from checks.mails import every_due_mail_came_to_its_end, no_lead_is_scheduled_twice, no_mail_is_sent_twice
from checks.memory import each_process_stays_within_its_memory
from checks.registrations import nothing_reached_a_forger
from checks.rejections import (
    a_record_is_dead_lettered_once,
    every_dead_letter_has_its_original_bytes,
    every_malformed_record_has_its_documented_reason,
    no_model_was_called_for_a_rejected_message,
)
from checks.routing import (
    a_message_delivered_again_has_the_same_bytes,
    a_route_carries_its_message_byte_for_byte,
    each_leads_order_is_kept,
    no_route_goes_to_a_non_candidate,
)

CHECKS: Final[tuple[Check, ...]] = (
    everything_was_accepted,
    no_accepted_lead_is_lost,
    each_lead_has_the_one_end_it_must_have,
    the_sums_are_equal_and_the_console_agrees,
    every_message_has_one_decision,
    no_lead_is_scheduled_twice,
    no_mail_is_sent_twice,
    every_due_mail_came_to_its_end,
    every_dead_letter_has_its_original_bytes,
    a_record_is_dead_lettered_once,
    every_malformed_record_has_its_documented_reason,
    no_model_was_called_for_a_rejected_message,
    no_route_goes_to_a_non_candidate,
    nothing_reached_a_forger,
    a_route_carries_its_message_byte_for_byte,
    each_leads_order_is_kept,
    a_message_delivered_again_has_the_same_bytes,
    each_process_stays_within_its_memory,
)
