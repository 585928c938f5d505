# Packages of the release: `make deb`, `make rpm`, each built out of the tarball of
# `make dist`, into packages/.

EXTRA_DIST += NEWS \
	packaging/build-deb \
	packaging/build-rpm \
	packaging/collectd \
	packaging/container \
	packaging/debian \
	packaging/rpm \
	packaging/systemd \
	packaging/try-configuration \
	tests/package

PACKAGES = $(abs_builddir)/packages

.PHONY: deb
deb: dist
	$(srcdir)/packaging/build-deb $(distdir).tar.xz $(PACKAGES)

# COLLECTD_SOURCE is a tarball of collectd 5.12's own sources; RPM_FLAGS are rpmbuild's.
.PHONY: rpm
rpm: dist
	$(srcdir)/packaging/build-rpm $(distdir).tar.xz "$(COLLECTD_SOURCE)" $(PACKAGES) $(RPM_FLAGS)

# What a release consists of, and what was received can be compared with: the tarball
# and the packages that have been built.
.PHONY: checksums
checksums: dist
	mkdir -p $(PACKAGES)
	cp $(distdir).tar.xz $(PACKAGES)
	cd $(PACKAGES) && sha256sum $$(ls | grep -E '\.(tar\.xz|deb|dsc|rpm)$$') > SHA256SUMS

clean-local-packages:
	rm -rf packages

# What an image is built from: `podman build packages/container`.
.PHONY: container
container:
	test -n "`ls $(PACKAGES)/collectd-egress_*.deb`" || $(MAKE) $(AM_MAKEFLAGS) deb
	rm -rf $(PACKAGES)/container
	mkdir -p $(PACKAGES)/container
	cp $(PACKAGES)/collectd-egress_*.deb $(PACKAGES)/container/collectd-egress.deb
	cp $(srcdir)/packaging/container/Containerfile $(srcdir)/packaging/container/entrypoint $(PACKAGES)/container
