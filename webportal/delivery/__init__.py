"""Sends results to other systems: destinations, outbox and senders."""
