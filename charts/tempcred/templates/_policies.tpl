{{- /* The name of a policy and of its binding: (list $ "policy"). Both are cluster-scoped. The name contains the
       namespace, because another namespace may have a release of the same name. */}}
{{- define "tempcred.policyName" -}}
{{- $root := index . 0 -}}
{{- printf "%s-%s.%s" (include "tempcred.fullname" $root) (index . 1) $root.Release.Namespace }}
{{- end }}

{{- /* The user name of the operator in the API server. */}}
{{- define "tempcred.serviceAccountUser" -}}
{{- printf "system:serviceaccount:%s:%s" .Release.Namespace (include "tempcred.serviceAccountName" .) }}
{{- end }}

{{- /* The binding of a policy: (list $ "policy" only-served-namespaces). The last argument is a boolean: whether the
       policy applies only in the namespaces that the operator serves. */}}
{{- define "tempcred.policyBinding" }}
{{- $root := index . 0 }}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ include "tempcred.policyName" . }}
  {{- include "tempcred.metadata" (list $root dict dict) | nindent 2 }}
spec:
  policyName: {{ include "tempcred.policyName" . }}
  validationActions: {{ toJson $root.Values.admissionPolicies.actions }}
  {{- if index . 2 }}
  {{- include "tempcred.servedNamespaces" $root }}
  {{- end }}
{{- end }}

{{- /* What limits a binding to the namespaces that the operator serves. */}}
{{- define "tempcred.servedNamespaces" }}
  {{- with .Values.settings.namespaces }}
  matchResources:
    namespaceSelector:
      matchExpressions:
        # The API server sets this label on every namespace.
        - key: kubernetes.io/metadata.name
          operator: In
          values: {{ toJson (. | uniq) }}
  {{- end }}
{{- end }}
