"""Faults at random moments, while events flow and windows are counted."""
