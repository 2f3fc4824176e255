"""What travels: records, headers, names, reasons, dead letters, an agent's definition."""
