"""The scheduler: job recovery, audit anchors, notifications and storage maintenance."""
