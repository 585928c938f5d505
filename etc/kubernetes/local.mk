# Manifests for GKE.

kubernetesdir = $(pkgdatadir)/kubernetes
dist_kubernetes_DATA = \
	etc/kubernetes/probing-pods.yaml etc/kubernetes/nodes.yaml \
	etc/kubernetes/proxy-pod.yaml etc/kubernetes/pod-monitoring.yaml \
	etc/kubernetes/rules.yaml etc/kubernetes/global-rules.yaml
dist_kubernetes_SCRIPTS = etc/kubernetes/make-rules

EXTRA_DIST += packaging/container/entrypoint tests/tools/kubernetes_fields.py \
	tests/tools/kubernetes_texts.py
