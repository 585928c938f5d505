# The dashboard for Grafana, to be imported.

grafanadir = $(pkgdatadir)/grafana
dist_grafana_DATA = etc/grafana/egress-path.json

EXTRA_DIST += etc/grafana/egress-path.png
