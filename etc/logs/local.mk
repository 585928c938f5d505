# Logs beside the metrics.

logsdir = $(pkgdatadir)/logs
dist_logs_DATA = etc/logs/README.md etc/logs/dropped.sql \
	etc/logs/egress-log.nft etc/logs/ulogd.conf
