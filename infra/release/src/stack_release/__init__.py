"""Releases of one service: tested, asked for, built, deployed, and taken back; and what a change affects."""
