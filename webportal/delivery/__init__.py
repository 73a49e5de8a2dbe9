"""Results that leave the portal: destinations, the outbox, and the senders."""
