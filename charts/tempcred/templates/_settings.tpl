{{- /* One environment variable: (list name value). Renders nothing if the value is empty. */}}
{{- define "tempcred.variable" -}}
{{- $value := index . 1 }}
{{- /* Helm parses numbers as floats and would render one million as 1e+06. */}}
{{- if kindIs "float64" $value }}{{ $value = int64 $value }}{{ end }}
{{- if not (or (kindIs "invalid" $value) (eq (toString $value) "")) }}
- name: {{ index . 0 }}
  value: {{ toString $value | quote }}
{{- end }}
{{- end }}

{{- /* The settings of `tempcred run`, as environment variables. */}}
{{- define "tempcred.settings" -}}
{{- $s := .Values.settings }}
{{- $listen := ternary (printf "[%s]" $s.listen) $s.listen (contains ":" $s.listen) }}
{{- include "tempcred.variable" (list "TEMPCRED_REGION" $s.region) }}
{{- include "tempcred.variable" (list "TEMPCRED_STS_ENDPOINT" $s.stsEndpoint) }}
{{- include "tempcred.variable" (list "TEMPCRED_NAMESPACES" (join "," $s.namespaces)) }}
{{- include "tempcred.variable" (list "TEMPCRED_SELECTOR" $s.selector) }}
{{- include "tempcred.variable" (list "TEMPCRED_CONCURRENCY" $s.concurrency) }}
{{- include "tempcred.variable" (list "TEMPCRED_STS_RATE" $s.stsRate) }}
{{- include "tempcred.variable" (list "TEMPCRED_HTTP_ADDR" (printf "%s:%v" $listen $s.port)) }}
{{- include "tempcred.variable" (list "TEMPCRED_LOG_FORMAT" $s.logFormat) }}
{{- include "tempcred.variable" (list "TEMPCRED_LOG" $s.log) }}
{{- include "tempcred.variable" (list "TEMPCRED_LEADER_ELECT" (default false $s.leaderElect)) }}
{{- include "tempcred.variable" (list "TEMPCRED_LEASE_NAME" (include "tempcred.leaseName" .)) }}
{{- include "tempcred.variable" (list "TEMPCRED_CLUSTER_NAME" $s.clusterName) }}
{{- include "tempcred.variable" (list "TEMPCRED_RESOURCE_METRICS" $s.resourceMetrics) }}
{{- include "tempcred.variable" (list "OTEL_EXPORTER_OTLP_ENDPOINT" $s.otlpEndpoint) }}
{{- end }}
