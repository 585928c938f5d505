# What a receiver of our values needs that does not load the plugins.

dist_pkgdata_DATA = etc/collectd/types.db

include etc/prometheus/rules/local.mk
include etc/runbooks/local.mk
