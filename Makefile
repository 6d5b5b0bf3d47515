# Every step that people and CI run, by name. `make help` lists them.

TARGET  := target/x86_64-unknown-linux-musl
IMAGES  := target/images
CARGO   := cargo
# Always the whole workspace: for another selection of packages cargo chooses other features, and compiles aws-sdk-ec2 again.
TEST    := $(CARGO) test --locked --workspace
NEEDS   := kind-tests/prerequisites.sh
# What needs root is raised by itself; all that is built belongs to whoever calls make.
RAISE   := $(CURDIR)/kind-tests/as-root.sh
# Each keeps which tests passed, for `make cases`.
RUNNER  := CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUNNER
RECORD  := $(CURDIR)/kind-tests/recorded.sh
export $(RUNNER) := $(RECORD)
RAISED  := $(RUNNER)="$(RECORD) $(RAISE)"
CACHE   := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/eniclaim
DENY    := $(CACHE)/cargo-deny-0.20.2/bin/cargo-deny
# Empty: every rung.
RUNG    ?=
$(if $(filter-out 1 3 4 5 6,$(RUNG)),$(error there is no rung $(RUNG): RUNG is 1, 3, 4, 5 or 6))
KEEP    ?=

.DEFAULT_GOAL := help
# Two heavy builds at once are slower than one after the other.
.NOTPARALLEL:
# Empty: every row.
ID      ?=
# Of `make aws-facts`: where, whether to print only, whether to clean up only, and after which run.
SUBNET  ?=
OTHER_ZONE_SUBNET ?=
OTHER_NETWORK_SUBNET ?=
SMALL_SUBNET ?=
DRY_RUN ?=
CLEAN   ?=
RUN     ?=
# Of `make e2e` and `make logs`: part of a scenario's name. Empty: all.
SCENARIO ?=
# Where `make campaign` begins; another one every time.
SEED    := $(or $(SEED),$(shell date +%s))

.PHONY: help advisories aws-facts bench campaign cases demo e2e logs test lint build images release-images prerequisites crds reference shapes rung1 rung3 rung4 rung5 rung6

help: ## Show this help.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: images ## End-to-end demo: real two-node Kubernetes, simulated AWS, cleaned up afterwards; KEEP=1 leaves it running.
	@$(RAISE) $(TARGET)/debug/demo $(if $(KEEP),--keep)

test: ## All tests; RUNG=1, 3, 4, 5 or 6 runs one rung. At the end it prints how many seconds each rung took.
	@all=$$(date +%s); for rung in $(if $(RUNG),rung$(RUNG),lint rung1 rung3 rung4 rung6 rung5); do \
		start=$$(date +%s); $(MAKE) --no-print-directory $$rung || exit; \
		times="$$times\n$$rung: $$(($$(date +%s) - start)) s"; \
	done; printf "$$times\nall: $$(($$(date +%s) - all)) s\n"

e2e: images ## Scenarios on real clusters; SCENARIO=leader runs those with that in their name, a,b those with a or b.
	$(RAISED) $(TEST) --test scenarios -- $(SCENARIO)

LOGS     = $(wildcard target/e2e-logs/*$(SCENARIO)*/pod-*.log)
logs: ## What operator and agents logged in scenarios that failed (target/e2e-logs); SCENARIO=leader picks some.
	@$(if $(LOGS),tail --verbose --lines=+1 $(LOGS),echo "target/e2e-logs has no logs: no such scenario failed")

bench: images ## Benchmarks, in the release profile; ID=b-plan runs the rows of one id.
	@$(if $(filter-out b-agent,$(ID)),,$(NEEDS) dnsmasq:dnsmasq-base dhclient:isc-dhcp-client)
	$(CARGO) build --locked --release --package bench $(if $(filter-out b-leader,$(ID)),,--package operator)
	$(CARGO) build --locked --package cni --profile cni
	$(if $(filter-out b-agent b-add b-del b-replaced,$(ID)),,$(CARGO) build --locked --package node-agent --profile agent)
	$(RAISE) $(TARGET)/release/bench $(ID)

lint: prerequisites $(DENY) ## Formatting, clippy, rules for dependencies.
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets --quiet -- --deny warnings
	$(DENY) --log-level error check --hide-inclusion-graph bans licenses sources

advisories: $(DENY) ## Known vulnerabilities of dependencies; needs the network (RustSec's database from GitHub).
	$(DENY) --locked check --hide-inclusion-graph advisories

# Built away from the repository, whose cargo settings are not meant for it.
$(DENY):
	cd / && $(CARGO) install cargo-deny --version 0.20.2 --locked --root $(CACHE)/cargo-deny-0.20.2

rung1: prerequisites ## Single decisions: unit tests, cores, CRDs, EC2 rules, the dependency graph.
	$(TEST) --lib --bins --test cases --test core --test crds --test kube_api --test rules --test workspace
	$(TEST) --doc

rung3: prerequisites ## The real operator against a simulated API server and EC2, in virtual time; docs/reference.
	$(TEST) --test operator --test reference

rung4: build ## The agent, the CNI binary and the simulator in network namespaces.
	@$(NEEDS) dnsmasq:dnsmasq-base kea-dhcp4:kea-dhcp4-server kea-dhcp6:kea-dhcp6-server dhcpd:isc-dhcp-server
	@kind-tests/vpc-sim/boto3/python.sh > /dev/null
	@$(NEEDS) dhclient:isc-dhcp-client
	@# Not by root.
	@$(TARGET)/debug/cluster cni-plugins > /dev/null
	$(RAISED) $(TEST) --test cni --test agent --test sim

rung5: images ## Charts, documents and scenarios on real clusters, and the simulated API server beside a real one.
	$(TEST) --test charts --test documents
	$(RAISED) $(TEST) --test cluster --test installed --test conformance --test scenarios
	@# It runs what the README tells to run.
	$(RAISE) $(TARGET)/debug/demo

rung6: prerequisites ## The agent's kernel tests and a hot-plugged NIC on Linux 6.1, in a virtual machine.
	@$(NEEDS) qemu-system-x86_64:qemu-system-x86
	$(TEST) --test guest

campaign: images ## Long runs: many seeds of accidents (SEED=1 begins there), and the simulated API server beside the real one.
	ENICLAIM_SEED=$(SEED) ENICLAIM_SEEDS=4000 $(TEST) --test core random::
	ENICLAIM_SEED=$(SEED) ENICLAIM_SEEDS=50 $(TEST) --test operator random::
	ENICLAIM_SEED=$(SEED) ENICLAIM_SEEDS=5 $(TEST) --test operator story::a_crash
	ENICLAIM_SEEDS=200 $(RAISED) $(TEST) --test conformance
	ENICLAIM_KILLS=all ENICLAIM_CYCLES=1000 $(RAISED) $(TEST) --test scenarios -- agent_killed_at,cycles_of
	@# As fast as a Deployment that fills the node with another resource, but for a detach and an attach: a matter of a quiet machine.
	ENICLAIM_ROUNDS=10 $(RAISED) $(TEST) --test scenarios -- rollout_at_full_capacity
	@# Nodes with more ENIs than the other scenarios are meant for.
	ENICLAIM_FOLLOWERS=50 $(RAISED) $(TEST) --test scenarios -- groups_of_a_class

aws-facts: ## Settle on a real account what docs/simulator.md calls unverified; SUBNET=subnet-… DRY_RUN=1 prints the calls.
	$$(kind-tests/vpc-sim/boto3/python.sh) -B kind-tests/vpc-sim/boto3/facts.py --out kind-tests/vpc-sim/aws-facts.json \
		$(if $(SUBNET),--subnet $(SUBNET)) $(if $(OTHER_ZONE_SUBNET),--other-zone-subnet $(OTHER_ZONE_SUBNET)) \
		$(if $(OTHER_NETWORK_SUBNET),--other-network-subnet $(OTHER_NETWORK_SUBNET)) \
		$(if $(SMALL_SUBNET),--small-subnet $(SMALL_SUBNET)) \
		$(if $(DRY_RUN),--dry-run) $(if $(CLEAN),--clean) $(if $(RUN),--run $(RUN))

build: prerequisites ## All binaries; the CNI plugin by its own profile.
	@# A test among them: without one cargo would leave out the features that tests need, and compile for those again.
	$(CARGO) build --locked --workspace --bins --test workspace
	$(CARGO) build --locked --package cni --profile cni

images: build ## Fill the folder from which the Dockerfile makes the images, and build Kubernetes once.
	@$(TARGET)/debug/cluster binaries > /dev/null
	@mkdir -p $(IMAGES)
	@for file in $(TARGET)/debug/eniclaim-operator $(TARGET)/debug/eniclaim-agent $(TARGET)/debug/probe $(TARGET)/cni/eniclaim \
		$$(command -v busybox) /etc/ssl/certs/ca-certificates.crt; do \
		cmp -s $$file $(IMAGES)/$$(basename $$file) || cp $$file $(IMAGES) || exit; done

release-images: ## Images for amd64 and arm64 in the release profile; PUSH=1 REGISTRY=host/path pushes them, TAG= names another tag.
	@$(NEEDS) git:git readelf:binutils
	@release/images.sh

prerequisites: ## Look at the machine; install what is missing (apt, rustup), or name it.
	@$(NEEDS)

crds: ## Generate crds/yaml from the types, and copy it into the chart.
	$(CARGO) run --locked --quiet --package crds --bin crdgen -- EniClass > crds/yaml/eniclasses.yaml
	$(CARGO) run --locked --quiet --package crds --bin crdgen -- EniClaim > crds/yaml/eniclaims.yaml
	$(CARGO) run --locked --quiet --package crds --bin crdgen -- EniNode > crds/yaml/eninodes.yaml
	cp crds/yaml/*.yaml charts/eniclaim-crds/templates/

cases: ## Which cases of the catalogue are covered by tests that passed when they ran last, and why others are not.
	@$(CARGO) run --locked --quiet --package cases

shapes: ## Generate docs/reference/shapes.md from the tests that passed when they ran last.
	@$(CARGO) run --locked --quiet --package cases -- shapes

reference: ## Generate docs/reference from what the programs declare.
	ENICLAIM_WRITE=1 $(TEST) --test reference
