"""The command ``signalbox``: parsing and printing over `signalbox_operations`."""
