"""Measured routing: labelled cases, whoever chooses on them, and the figures of how right they were."""
