"""The commands of ``python -m ml``: each module has HELP, add_arguments and run."""
