// Holds the CRDs of ServiceMonitor, PodMonitor and PrometheusRule, by which the chart is tested.
module tempcred.dev/rig/tools/prometheus-operator

go 1.26.0

require github.com/prometheus-operator/prometheus-operator v0.85.0
