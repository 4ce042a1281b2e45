# build: a static binary in ./bin     install: the same in $(PREFIX)/bin, with manual pages and completions in $(PREFIX)/share;
#   PREFIX is /usr/local, or ~/.local for an ordinary user
# dist:  in ./bin/dist, static binaries for amd64 and arm64, a .deb and a .rpm of each, and checksums; .dist/Dockerfile makes an image
# test: everything     race: once more with the race detector, where goroutines share memory
# lint:  format, linters, other systems     fuzz, bench: bounded by FUZZTIME, BENCHTIME, PAIRS of RUNTIME seconds
# check-html: pages of HTML in a headless browser, if there is one, and other formats by readers of others
# test-fleet: loads by real engines on a cluster of namespaces: Slurm, Open MPI, and ssh by a stand-in
# torture: every fault of the tables in cmd/lastack/torture_linux_test.go, as root, races of a drain over and over, and 20,000 simulated sweeps; test has
# some of each

FUZZTIME  ?= 10s
BENCHTIME ?= 1s
PAIRS     ?= 5
RUNTIME   ?= 2

PREFIX ?= $(if $(filter 0,$(shell id -u)),/usr/local,$(HOME)/.local)

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null)
LDFLAGS := -s -w $(if $(VERSION),-X main.version=$(VERSION))

# Linters have a go.mod of their own: they bring hundreds of modules. With GOGC they take half the CPU time, and 2 GB.
LINT := GOGC=300 go tool -modfile=.tools/go.mod golangci-lint

# The end of a recipe that has put packages into missing. They are installed only if somebody says so: y at the terminal, or
# INSTALL=1. Without an answer they are left out, and that is said. Tests need no package.
define INSTALL_MISSING
test -n "$$missing" || exit 0; \
	answer=$(INSTALL); \
	if ! command -v apt-get >/dev/null || [ "$$(id -u)" != 0 ]; then answer=; \
	elif [ -z "$$answer" ] && [ -t 0 ]; then printf 'Install%s (apt-get)? [y/N] ' "$$missing"; read -r answer || true; fi; \
	case "$$answer" in \
	1|y|Y|yes) apt-get update -q; for package in $$missing; do \
		DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $$package || true; done ;; \
	*) echo "not installed, and left out (as root on Debian, INSTALL=1 installs them):$$missing" ;; \
	esac
endef

# What is built does not depend on the directory, so that a second clone takes it from the cache of the first.
export GOFLAGS := $(filter-out -trimpath,$(GOFLAGS)) -trimpath

.PHONY: build share install dist test test-fleet race torture lint fmt fuzz check-html bench drain-gallery clean

build:
	CGO_ENABLED=0 go build -ldflags '$(LDFLAGS)' -o bin/lastack ./cmd/lastack

# The date of what is made here: the same commit makes the same bytes.
export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)

# Manual pages and completions, as they lie below /usr/share.
# They are made by a program with the build tag man, for the system that this is.
share:
	GOOS= GOARCH= CGO_ENABLED=0 go build -tags man -ldflags '$(LDFLAGS)' -o bin/man/lastack ./cmd/lastack
	rm -rf bin/share
	mkdir -p bin/share/man/man1 bin/share/bash-completion/completions bin/share/zsh/site-functions bin/share/fish/vendor_completions.d
	bin/man/lastack man bin/share/man/man1
	bin/man/lastack completion bash >bin/share/bash-completion/completions/lastack
	bin/man/lastack completion zsh >bin/share/zsh/site-functions/_lastack
	bin/man/lastack completion fish >bin/share/fish/vendor_completions.d/lastack.fish
	chmod -R u=rwX,go=rX bin/share

install: build share
	install -D -m 755 bin/lastack $(DESTDIR)$(PREFIX)/bin/lastack
	mkdir -p $(DESTDIR)$(PREFIX)/share
	cp -R bin/share/. $(DESTDIR)$(PREFIX)/share/
	@echo "installed $(DESTDIR)$(PREFIX)/bin/lastack"

# A package's version begins with a digit, and sorts behind the tag that it comes after: v1.2.0-3-gabc is 1.2.0+3.gabc.
PACKAGE_VERSION := $(shell { git describe --tags --dirty 2>/dev/null || echo v0.0.0-0-g$$(git rev-parse --short HEAD 2>/dev/null); } | \
	sed -e 's/^v//' -e 's/-\([0-9]*\)-g/+\1.g/' -e 's/-dirty$$/.dirty/')

# Who answers for a package: whoever committed what is in it, unless another makes one.
export MAINTAINER ?= $(shell git log -1 --format='%an <%ae>' 2>/dev/null || echo 'The lastack authors <root@localhost>')

dist: share
	rm -rf bin/dist
	mkdir -p bin/dist
	@set -e; for arch in amd64 arm64; do \
		echo "lastack for linux/$$arch"; \
		CGO_ENABLED=0 GOOS=linux GOARCH=$$arch go build -ldflags '$(LDFLAGS)' -o bin/dist/lastack-linux-$$arch ./cmd/lastack; \
		for kind in deb rpm; do \
			ARCH=$$arch PACKAGE_VERSION='$(PACKAGE_VERSION)' go tool -modfile=.tools/go.mod nfpm package -f .dist/nfpm.yaml -p $$kind -t bin/dist/; \
		done; \
	done
	cd bin/dist && sha256sum -- * >SHA256SUMS

# The packages whose tests look at rates and times: loads that run side by side would falsify them.
ALONE := ./bench ./loadgen

# What takes longest begins first: the command line, and beside it what mostly waits for the kernel. What only computes comes last, on both cores.
LONGEST := ./cmd/lastack ./bench/drain ./sockstate/sockio ./sockstate/teardown ./server

# What only computes fills the CPUs while the loads of ALONE wait, and gives way to them. With GOGC it takes half the CPU time.
COMPUTE := ./bench/compare ./bench/sweep ./bench/record ./bench/merge ./bench/metric ./bench/model ./bench/preset ./bench/verdict ./report/...

# The first command compiles, on all cores, and links nothing: the others do. Those of ALONE are tested one at a time, the rest two at a time: their
# tests wait most of the time. All are without cgo, as the program is built. Vet is lint's.
test: export CGO_ENABLED = 0
test:
	go list -export -test ./... >/dev/null
	@failed=0; GOGC=400 nice -n 19 go test -vet=off -p 1 $(COMPUTE) & compute=$$!; \
	go test -vet=off -p 1 $(ALONE) || failed=1; wait $$compute || failed=1; \
	go test -vet=off -p 2 $(LONGEST) $$(go list ./... | grep -vxF "$$(go list $(ALONE) $(COMPUTE) $(LONGEST))") || failed=1; exit $$failed

# The packages of the product in which goroutines share memory, but for those that start the program over and over: what runs in it is raced in
# loadgen and server.
RACED := ./loadgen ./server ./sockstate/sockio ./sockstate/netns ./sockstate/capture ./sockstate/observe ./sockstate/trace

# The race detector needs a C compiler. The runtime's pause of a second at each exit would be most of the time.
race:
	@if ! command -v "$$(go env CC)" >/dev/null; then echo "no C compiler, which the race detector needs" >&2; exit 1; fi
	CGO_ENABLED=1 GORACE=atexit_sleep_ms=50 go test -vet=off -p 2 -race -short $(RACED)

# The cases wait more than they work, so they run side by side. The last line counts them.
torture:
	LASTACK_TORTURE=all go test -vet=off -count 1 -timeout 20m -parallel 8 -run '^Test(Torture|Reference|Queue)$$' -v ./cmd/lastack ./bench/drain | grep -vE '^ *(=== |--- PASS|    --- PASS)'
	LASTACK_TORTURE=all go test -vet=off -count 1 -timeout 20m -run '^Test(NoEffectNoClaim|SmallEffectIsFound|FewSearches)$$' -v ./bench/sweep | grep -vE '^ *(=== |--- PASS)'

# linux/arm64 is made by dist.
lint:
	$(LINT) run ./...
	CGO_ENABLED=0 go run -modfile=.tools/go.mod ./.ci/typecheck darwin/arm64 linux/386 windows/amd64

fmt:
	$(LINT) fmt ./...

# The programs that are missing, by the packages that have them. Without them the test skips, and says which.
test-fleet:
	@missing=; for program in slurmctld:slurmctld slurmd:slurmd sbatch:slurm-client munged:munge mpirun:openmpi-bin ip:iproute2; do \
		PATH=$$PATH:/usr/sbin command -v "$${program%:*}" >/dev/null || missing="$$missing $${program#*:}"; done; \
	$(INSTALL_MISSING)
	PATH=$$PATH:/usr/sbin LASTACK_FLEET=1 CGO_ENABLED=0 go test -vet=off -count 1 -run '^TestEngines$$' -v ./bench/fleet

# Pages in a headless browser: they load nothing, fit any width, and pass axe-core. Readers of others find the numbers of records.
check-html: build
	@missing=; for name in chromium-headless-shell chromium chromium-browser google-chrome none; do \
		if command -v $$name >/dev/null; then break; fi; [ $$name != none ] || missing=" chromium"; done; \
	$(INSTALL_MISSING)
	@.ci/check-html/run

# go test fuzzes one target at a time. It would make each new input as small as it can for a minute, in which nothing new is tried.
fuzz:
	@set -e; for package in $$(go list ./...); do \
		for target in $$(go test -vet=off -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "$$package $$target"; \
			go test -vet=off -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$package; \
		done; \
	done

# Micro-benchmarks, then lastack side by side with others: see bench/lab/peers. Tools that no Debian
# package brings take part where their paths are given: NEPER=tcp_crr NETPERF=netperf H1LOAD=h1load.
# PEERS holds further flags: -workloads echo-rst, -o FILE.
bench: build
	go test -vet=off -p 1 -run '^$$' -bench . -benchtime $(BENCHTIME) -benchmem ./...
	CGO_ENABLED=0 go build -o bin/sidebyside ./bench/lab/peers
	@missing=; for tool in wrk:wrk ab:apache2-utils httperf:httperf hey:hey nginx:nginx; do \
		PATH="$$PATH:/usr/sbin" command -v $${tool%:*} >/dev/null || missing="$$missing $${tool#*:}"; \
	done; \
	$(INSTALL_MISSING)
	PATH="$$PATH:/usr/sbin" bin/sidebyside -lastack bin/lastack -pairs $(PAIRS) -seconds $(RUNTIME) \
		$(if $(NEPER),-neper '$(NEPER)') $(if $(NETPERF),-netperf '$(NETPERF)') $(if $(H1LOAD),-h1load '$(H1LOAD)') $(PEERS)

# Real servers, stopped under load: what their clients see beside what was to be expected. See bench/lab/gallery.
# GALLERY holds further flags: -only nginx,go -repeat 1 -o FILE -records DIR.
drain-gallery: build
	CGO_ENABLED=0 go build -o bin/drain-gallery ./bench/lab/gallery
	@missing=; for tool in nginx:nginx haproxy:haproxy apache2:apache2-bin lighttpd:lighttpd node:nodejs python3:python3 unshare:util-linux; do \
		PATH="/usr/sbin:/usr/bin:$$PATH" command -v $${tool%:*} >/dev/null || missing="$$missing $${tool#*:}"; \
	done; \
	$(INSTALL_MISSING)
	bin/drain-gallery -lastack bin/lastack $(GALLERY)

clean:
	rm -rf bin
