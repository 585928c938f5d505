# The rules, and promtool's cases for them.

prometheusrulesdir = $(pkgdatadir)/prometheus/rules
dist_prometheusrules_DATA = \
	etc/prometheus/rules/egress-recording.yml \
	etc/prometheus/rules/egress-alerts.yml

EXTRA_DIST += \
	etc/prometheus/tests/egress-answers.yml \
	etc/prometheus/tests/egress-host.yml \
	etc/prometheus/tests/egress-nat.yml \
	etc/prometheus/tests/egress-path.yml \
	etc/prometheus/tests/egress-presence.yml

alertmanagerdir = $(pkgdatadir)/prometheus
dist_alertmanager_DATA = etc/prometheus/alertmanager.yml
