"""Chestline on a single machine: its database, broker and processes under one command."""
