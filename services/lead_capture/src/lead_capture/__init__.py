"""Leads from a form, an API and CSV files, published to `incoming_leads`."""
