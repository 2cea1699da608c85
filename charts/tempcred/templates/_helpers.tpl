{{- /* The chart's name, unless overridden. */}}
{{- define "tempcred.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* The name of all objects. Short enough for what Kubernetes appends to it. */}}
{{- define "tempcred.fullname" -}}
{{- $name := include "tempcred.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "tempcred.serviceAccountName" -}}
{{- default (ternary (include "tempcred.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name }}
{{- end }}

{{- define "tempcred.leaseName" -}}
{{- default (include "tempcred.fullname" .) .Values.settings.leaseName }}
{{- end }}

{{- define "tempcred.image" -}}
{{- $image := .Values.image }}
{{- $tag := default .Chart.AppVersion $image.tag }}
{{- printf "%s:%s" $image.repository $tag }}{{ with $image.digest }}@{{ . }}{{ end }}
{{- end }}

{{- /* By these the Pods are found; they never change. */}}
{{- define "tempcred.selectorLabels" -}}
app.kubernetes.io/name: {{ include "tempcred.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "tempcred.labels" -}}
{{- $labels := include "tempcred.selectorLabels" . | fromYaml }}
{{- $_ := set $labels "app.kubernetes.io/version" (.Chart.AppVersion | replace "+" "_" | trunc 63) }}
{{- $_ := set $labels "app.kubernetes.io/managed-by" .Release.Service }}
{{- $_ := set $labels "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") }}
{{- merge $labels .Values.commonLabels | toYaml }}
{{- end }}

{{- /* Labels and annotations of an object: (list $ labels annotations), both its own further ones. */}}
{{- define "tempcred.metadata" -}}
{{- $root := index . 0 -}}
labels:
  {{- merge (include "tempcred.labels" $root | fromYaml) (default dict (index . 1)) | toYaml | nindent 2 }}
{{- with merge (dict) (default dict (index . 2)) $root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* What the operator may do in the namespaces that it serves. Each verb is needed: a test takes
       away one after the other. */}}
{{- define "tempcred.rules" -}}
- apiGroups: [tempcred.dev]
  resources: [temporarycredentials]
  verbs: [list, watch]
- apiGroups: [tempcred.dev]
  resources: [temporarycredentials/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- if .Values.features.serviceAccountTokens }}
# For assumeRoleWithWebIdentity with a serviceAccountName; tokens are for STS alone, and not stored.
- apiGroups: [""]
  resources: [serviceaccounts/token]
  verbs: [create]
{{- end }}
{{- end }}

{{- /* What the operator may do beyond namespaces: know the grants, and the labels of the namespaces that it
       serves. */}}
{{- define "tempcred.clusterRules" -}}
- apiGroups: [tempcred.dev]
  resources: [rolegrants]
  verbs: [list, watch]
- apiGroups: [tempcred.dev]
  resources: [rolegrants/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [namespaces]
  {{- with .Values.settings.namespaces }}
  resourceNames: {{ . | uniq | toJson }}
  {{- end }}
  verbs: [list, watch]
{{- end }}

{{- /* The only subject of every binding. */}}
{{- define "tempcred.subjects" -}}
- kind: ServiceAccount
  name: {{ include "tempcred.serviceAccountName" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}

{{- /* A port that a URL names, as a number; nothing if it names none. */}}
{{- define "tempcred.portOf" -}}
{{- with . }}{{ regexFind ":[0-9]+$" (urlParse .).host | trimPrefix ":" }}{{ end }}
{{- end }}
