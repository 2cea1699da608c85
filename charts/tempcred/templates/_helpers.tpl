{{- /* The name of the chart, or nameOverride. */}}
{{- define "tempcred.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* The name of all objects. It leaves room for the suffixes that Kubernetes appends. */}}
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

{{- /* The labels that select the Pods. They must never change, because a Deployment's selector is immutable. */}}
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

{{- /* Labels and annotations of an object: (list $ labels annotations). Both arguments are additions for this object. */}}
{{- define "tempcred.metadata" -}}
{{- $root := index . 0 -}}
labels:
  {{- merge (include "tempcred.labels" $root | fromYaml) (default dict (index . 1)) | toYaml | nindent 2 }}
{{- with merge (dict) (default dict (index . 2)) $root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* The permissions of the operator in the namespaces that it serves. Each verb is required: a test
       removes one after the other. */}}
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
# For serviceAccountName. The operator requests tokens only for STS, and does not store them.
- apiGroups: [""]
  resources: [serviceaccounts/token]
  verbs: [create]
{{- end }}
{{- if .Values.features.workloadRestarts }}
# For restart: read how far a rollout is, and annotate the Pod template.
{{- range list "deployments" "statefulsets" "daemonsets" }}
- apiGroups: [apps]
  resources: [{{ . }}]
  verbs: [get, patch]
{{- end }}
{{- end }}
{{- end }}

{{- /* The cluster-wide permissions of the operator: read the grants, write their status, read the labels of the
       namespaces that it serves, and review the tokens that it requests. */}}
{{- define "tempcred.clusterRules" -}}
- apiGroups: [tempcred.dev]
  resources: [rolegrants]
  verbs: [list, watch]
- apiGroups: [tempcred.dev]
  resources: [rolegrants/status]
  verbs: [patch]
# Kubernetes deletes all grants with their CRD. The operator reads the CRD to distinguish this from a revocation.
- apiGroups: [apiextensions.k8s.io]
  resources: [customresourcedefinitions]
  resourceNames: [rolegrants.tempcred.dev]
  verbs: [get]
- apiGroups: [""]
  resources: [namespaces]
  {{- with .Values.settings.namespaces }}
  resourceNames: {{ . | uniq | toJson }}
  {{- end }}
  verbs: [list, watch]
{{- if .Values.features.serviceAccountTokens }}
# For serviceAccountName with an audience: the operator does not send a token to STS that the API server accepts too.
- apiGroups: [authentication.k8s.io]
  resources: [tokenreviews]
  verbs: [create]
{{- end }}
{{- end }}

{{- /* The only subject of every binding. */}}
{{- define "tempcred.subjects" -}}
- kind: ServiceAccount
  name: {{ include "tempcred.serviceAccountName" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}

{{- /* The port in a URL; empty if the URL has none. */}}
{{- define "tempcred.portOf" -}}
{{- with . }}{{ regexFind ":[0-9]+$" (urlParse .).host | trimPrefix ":" }}{{ end }}
{{- end }}

{{- /* The scheme of the listener, which is also the name of its port. */}}
{{- define "tempcred.scheme" -}}
{{- ternary "https" "http" (ne .Values.metrics.tls.secretName "") }}
{{- end }}

{{- /* Where the certificate of the listener is mounted. */}}
{{- define "tempcred.tlsFolder" -}}
/etc/tempcred/metrics-tls
{{- end }}

{{- /* The name of a cluster-scoped object: (list $ "suffix"). It contains the namespace, because another namespace may
       have a release of the same name. */}}
{{- define "tempcred.clusterName" -}}
{{- $root := index . 0 -}}
{{- printf "%s-%s-%s" $root.Release.Namespace (include "tempcred.fullname" $root) (index . 1) }}
{{- end }}
