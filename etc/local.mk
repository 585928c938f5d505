# Files for those who use the plugins: each folder's part is its local.mk.

include etc/cloud-monitoring/local.mk
include etc/collectd/local.mk
include etc/collectd/proxies/local.mk
include etc/grafana/local.mk
include etc/kubernetes/local.mk
include etc/logs/local.mk
include etc/ops-agent/local.mk
include etc/prometheus/local.mk
include etc/prometheus/rules/local.mk
include etc/runbooks/local.mk
