{{- /* A value as an expression in CEL. Lists and maps in CEL have values of one type, so that each value is a `dyn`. */}}
{{- define "tempcred.cel" -}}
{{- $value := . -}}
{{- if kindIs "map" $value -}}
dyn({ {{- range $index, $key := keys $value | sortAlpha }}{{ if $index }}, {{ end }}{{ toJson $key }}: {{ include "tempcred.cel" (get $value $key) }}{{ end -}} })
{{- else if kindIs "slice" $value -}}
dyn([ {{- range $index, $item := $value }}{{ if $index }}, {{ end }}{{ include "tempcred.cel" $item }}{{ end -}} ])
{{- else -}}
dyn({{ toJson $value }})
{{- end -}}
{{- end }}

{{- /* Where the Secret is mounted. */}}
{{- define "tempcred.injection.folder" -}}
/var/run/secrets/tempcred.dev
{{- end }}

{{- /* The agent, a native sidecar. Probes of type `httpGet` go to the address of the Pod, where it does not listen. */}}
{{- define "tempcred.injection.agent" -}}
name: tempcred-agent
image: {{ include "tempcred.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
restartPolicy: Always
command: [/tempcred-agent]
args:
  - agent
  - --file={{ include "tempcred.injection.folder" . }}/credentials.json
  - --listen=127.0.0.1:9911
startupProbe:
  exec:
    command: [/tempcred-agent, agent, --check, "http://127.0.0.1:9911/readyz"]
  periodSeconds: 1
  failureThreshold: 120
volumeMounts:
  - name: tempcred
    mountPath: {{ include "tempcred.injection.folder" . }}
    readOnly: true
{{- with .Values.injection.agent.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.injection.agent.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
