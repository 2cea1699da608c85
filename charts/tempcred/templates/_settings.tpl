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

{{- /* The settings of `tempcred run`, as environment variables: `stsRate` becomes TEMPCRED_STS_RATE. */}}
{{- define "tempcred.settings" -}}
{{- $s := .Values.settings }}
{{- $listen := ternary (printf "[%s]" $s.listen) $s.listen (contains ":" $s.listen) }}
{{- $settings := omit $s "listen" "port" "leaderElect" "leaseName" "otlpEndpoint" }}
{{- range $key, $value := $settings }}
{{- if kindIs "slice" $value }}{{ $value = join "," $value }}{{ end }}
{{- include "tempcred.variable" (list (printf "TEMPCRED_%s" (snakecase $key | upper)) $value) }}
{{- end }}
{{- include "tempcred.variable" (list "TEMPCRED_HTTP_ADDR" (printf "%s:%v" $listen $s.port)) }}
{{- include "tempcred.variable" (list "TEMPCRED_LEADER_ELECT" (default false $s.leaderElect)) }}
{{- include "tempcred.variable" (list "TEMPCRED_LEASE_NAME" (include "tempcred.leaseName" .)) }}
{{- if .Values.metrics.tls.secretName }}
{{- include "tempcred.variable" (list "TEMPCRED_METRICS_TLS_CERT" (printf "%s/tls.crt" (include "tempcred.tlsFolder" .))) }}
{{- include "tempcred.variable" (list "TEMPCRED_METRICS_TLS_KEY" (printf "%s/tls.key" (include "tempcred.tlsFolder" .))) }}
{{- end }}
{{- if .Values.metrics.auth.enabled }}
{{- include "tempcred.variable" (list "TEMPCRED_METRICS_AUTH" true) }}
{{- end }}
{{- include "tempcred.variable" (list "OTEL_EXPORTER_OTLP_ENDPOINT" $s.otlpEndpoint) }}
{{- end }}
