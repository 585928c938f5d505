# What a Prometheus reads.

prometheusdir = $(pkgdatadir)/prometheus
dist_prometheus_DATA = etc/prometheus/scrape.yml etc/prometheus/prometheus.yml
