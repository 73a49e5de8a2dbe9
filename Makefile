# Chestline on one machine. `make run` needs a Python with venv, and nothing else; see README.md.

PYTHON ?= python3
VENV_PYTHON := .venv/bin/python
LOCAL := $(VENV_PYTHON) -m deploy.local
INSTALL := $(PYTHON) -m deploy.local.install $(if $(filter file,$(origin PYTHON)),--any-python)

.DEFAULT_GOAL := help
.PHONY: help run stop worker demo manage restore recover new-key test test-peers coverage mutants chaos fuzz check format openapi conformance screenshots bench messages lock images pin-images sbom audit python install install-dev

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*  ## /    make \1\t/p' Makefile | expand -t 24

run: install  ## set everything up, start it, and keep it running until Ctrl-C
	@$(LOCAL) run

stop:  ## stop the running system
	@$(LOCAL) stop

worker:  ## add one more worker to the running system
	@$(LOCAL) worker

demo:  ## load phantom studies into the running system
	@$(LOCAL) exec python manage.py load_demo

manage:  ## run manage.py against the running system: make manage ARGS="verify_audit"
	@$(LOCAL) exec python manage.py $(ARGS)

restore: install  ## restore a backup before the first start: make restore ARGS="NAME"
	@$(LOCAL) restore $(ARGS)

new-key: install  ## generate another key while it is stopped: make new-key ARGS=AUDIT_KEY
	@$(LOCAL) new-key $(ARGS)

recover: install  ## restore the database to a time: make recover ARGS='"2026-11-29 13:05:00+00:00"'
	@$(LOCAL) recover $(ARGS)

test: install-dev  ## run every check, then the tests
	@$(VENV_PYTHON) -m tools.checks --tests

test-peers: install-dev  ## test with programs of others: OHIF, Orthanc, dcmtk, DicomSRValidator
	@$(VENV_PYTHON) -m tools.peers $(ARGS)

coverage: install-dev  ## run the tests alone and show which lines and branches they reach
	@$(VENV_PYTHON) -m tools.checks --coverage

mutants:  ## change the code where it matters most and list what no test notices; ARGS="--sample 200"
	@$(MAKE) --no-print-directory install-dev EXTRAS=mutants
	@nice $(VENV_PYTHON) -m tools.mutants $(ARGS)

chaos:  ## break the running system at random, see that nothing is lost; ARGS="--minutes 60 --jobs 500"
	@$(MAKE) --no-print-directory install-dev EXTRAS=chaos
	@nice $(VENV_PYTHON) -m chaos $(ARGS)

fuzz:  ## corrupt files, see that each gets a verdict; ARGS="--inputs 100000 --minutes 60"
	@$(MAKE) --no-print-directory install-dev EXTRAS=fuzz
	@nice $(VENV_PYTHON) -m fuzz $(ARGS)
	@CHESTLINE_EXAMPLES=20 nice $(VENV_PYTHON) -m pytest tests/api/generated_requests.py --timeout 3600

check: install-dev  ## run every check but the tests
	@$(VENV_PYTHON) -m tools.checks

images:  ## build the container images with Docker, Podman or Buildah; ARGS=worker-gpu
	@deploy/containers/build.sh $(ARGS)

pin-images:  ## pin the images of others to what their registry has now
	@deploy/containers/pin.sh

sbom:  ## write bills of materials (CycloneDX) of Python and npm to var/sbom
	@$(MAKE) --no-print-directory install-dev EXTRAS=supply-chain
	@$(VENV_PYTHON) -m tools.sbom $(ARGS)

audit:  ## list known vulnerabilities of the locked packages, or say that no database answered
	@$(MAKE) --no-print-directory install-dev EXTRAS=supply-chain
	@$(VENV_PYTHON) -m tools.audit

format: install-dev  ## format the code
	@$(VENV_PYTHON) -m ruff check --fix-only --quiet .
	@$(VENV_PYTHON) -m ruff format .
	@$(VENV_PYTHON) -m tools.npm run format

openapi: install-dev  ## write docs/openapi.yaml
	@$(VENV_PYTHON) -m tools.checks --write-openapi

conformance: install-dev  ## write the tables of docs/dicom.md, docs/orders.md and docs/research.md
	@$(VENV_PYTHON) -m tools.conformance

messages: install-dev  ## collect the texts for translation and compile the catalogues
	@$(VENV_PYTHON) -m tools.messages

screenshots: install-dev  ## photograph the pages for docs/images
	@$(VENV_PYTHON) -m tests.e2e.screenshots

bench: install-dev  ## measure throughput, latency and memory, and draw plots
	@status=0; for part in bench bench.uploads bench.receiving bench.latency "bench.growth --rows 1000 100000" bench.peers bench.viewer; do \
		$(VENV_PYTHON) -m $$part || status=1; \
	done; $(VENV_PYTHON) -m bench.plots || status=1; exit $$status

lock: install-dev  ## lock the packages of pyproject.toml; make lock ARGS="--upgrade-package django"
	@$(VENV_PYTHON) -m tools.lock $(ARGS)

install: python  ## install the packages and build the front end; make install EXTRAS=gpu adds to them
	@$(INSTALL) $(EXTRAS)

install-dev: python  ## the same, with what the tests need
	@$(INSTALL) dev $(EXTRAS)

# Any Python that can run the installer; it finds or fetches one that Chestline supports.
python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 8))' 2>/dev/null || { \
	    echo 'Chestline needs Python 3.11, 3.12 or 3.13; $(PYTHON) is' \
	        "$$($(PYTHON) --version 2>/dev/null || echo 'not there')."; \
	    echo 'Install one and name it: make run PYTHON=/path/to/python3'; \
	    exit 1; }
