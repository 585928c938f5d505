# Packages of the release: `make deb`, `make rpm`, each built out of the tarball of
# `make dist`, into packages/.

EXTRA_DIST += NEWS \
	etc/collectd/write-prometheus.conf \
	packaging/build-deb \
	packaging/collectd \
	packaging/debian \
	packaging/systemd \
	packaging/try-configuration \
	tests/package

PACKAGES = $(abs_builddir)/packages

.PHONY: deb
deb: dist
	$(srcdir)/packaging/build-deb $(distdir).tar.xz $(PACKAGES)
