"""How Chestline is installed: on one machine, in containers, as systemd services."""
