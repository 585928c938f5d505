# What etc/cloud-monitoring/apply puts into a Google Cloud project.

cloudmonitoringdir = $(pkgdatadir)/cloud-monitoring
dist_cloudmonitoring_SCRIPTS = etc/cloud-monitoring/apply
dist_cloudmonitoring_DATA = \
	etc/cloud-monitoring/log-metric.json \
	etc/cloud-monitoring/uptime-check.json

clouddashboardsdir = $(cloudmonitoringdir)/dashboards
dist_clouddashboards_DATA = etc/cloud-monitoring/dashboards/egress-path.json

cloudpoliciesdir = $(cloudmonitoringdir)/alert-policies
dist_cloudpolicies_DATA = \
	etc/cloud-monitoring/alert-policies/EgressAcceptQueueFull.json \
	etc/cloud-monitoring/alert-policies/EgressCertificateExpiring.json \
	etc/cloud-monitoring/alert-policies/EgressConnectsStalled.json \
	etc/cloud-monitoring/alert-policies/EgressConntrackDrops.json \
	etc/cloud-monitoring/alert-policies/EgressConntrackNearlyFull.json \
	etc/cloud-monitoring/alert-policies/EgressFaultEgress.json \
	etc/cloud-monitoring/alert-policies/EgressFaultHop.json \
	etc/cloud-monitoring/alert-policies/EgressFaultLocal.json \
	etc/cloud-monitoring/alert-policies/EgressFaultTarget.json \
	etc/cloud-monitoring/alert-policies/EgressFaultUnknown.json \
	etc/cloud-monitoring/alert-policies/EgressHttp4xxRising.json \
	etc/cloud-monitoring/alert-policies/EgressHttp5xxRising.json \
	etc/cloud-monitoring/alert-policies/EgressLatencyBurnFast.json \
	etc/cloud-monitoring/alert-policies/EgressLatencyBurnSlow.json \
	etc/cloud-monitoring/alert-policies/EgressMetricsMissing.json \
	etc/cloud-monitoring/alert-policies/EgressNatAllocationFailed.json \
	etc/cloud-monitoring/alert-policies/EgressNatDropsFlows.json \
	etc/cloud-monitoring/alert-policies/EgressNatExhaustionSoon.json \
	etc/cloud-monitoring/alert-policies/EgressNatPortsCritical.json \
	etc/cloud-monitoring/alert-policies/EgressNatPortsHigh.json \
	etc/cloud-monitoring/alert-policies/EgressProbeFailing.json \
	etc/cloud-monitoring/alert-policies/EgressRetransmissions.json \
	etc/cloud-monitoring/alert-policies/EgressUptimeFailing.json
