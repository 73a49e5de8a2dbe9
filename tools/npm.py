"""Runs npm in the front end's folder with the Node.js that builds it: `python -m tools.npm …`."""

import subprocess
import sys

from deploy.local.frontend import FRONTEND, node_environment

if __name__ == "__main__":
    command = ["npm", *sys.argv[1:]]
    sys.exit(subprocess.run(command, cwd=FRONTEND, env=node_environment(), check=False).returncode)
