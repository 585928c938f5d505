# What a receiver of our values needs that does not load the plugins.

dist_pkgdata_DATA = etc/collectd/types.db

include etc/prometheus/local.mk
include etc/ops-agent/local.mk
