# Stanzas for collectd, and what a receiver needs that does not load the plugins.

dist_pkgdata_DATA = etc/collectd/types.db

stanzasdir = $(pkgdatadir)/collectd
dist_stanzas_DATA = \
	etc/collectd/gce-proxy.conf etc/collectd/proxy-pod.conf \
	etc/collectd/probing-pod.conf etc/collectd/gke-node.conf \
	etc/collectd/write-prometheus.conf etc/collectd/vm.conf \
	etc/collectd/notifications.conf etc/collectd/thresholds.conf \
	etc/collectd/network.conf etc/collectd/write-stackdriver.conf
