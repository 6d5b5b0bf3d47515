{{- define "eniclaim.labels" -}}
app.kubernetes.io/name: eniclaim
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "eniclaim.image" -}}
{{ .root.Values.image.registry }}/{{ .name }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}
{{- end }}

{{- /* The labels by which the operator and its own objects find its pods. */}}
{{- define "eniclaim.operatorSelector" -}}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- /* As --agent-selector: a subset of the labels of the agent's pods. */}}
{{- define "eniclaim.agentSelector" -}}
app.kubernetes.io/name=eniclaim,app.kubernetes.io/instance={{ .Release.Name }},app.kubernetes.io/component=agent
{{- end }}

{{- /* YAML 1.1 reads a bare on or off as true or false. */}}
{{- define "eniclaim.sweep" -}}
{{- if kindIs "bool" .Values.sweep }}{{ ternary "on" "off" .Values.sweep }}{{ else }}{{ .Values.sweep }}{{ end }}
{{- end }}

{{- /* Not empty where the policy is installed. Without a cluster, as in helm template, auto knows of no API that is as new. */}}
{{- define "eniclaim.admissionPolicy" -}}
{{- $wanted := toString .Values.admissionPolicy }}
{{- $served := .Capabilities.APIVersions.Has "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy" }}
{{- if or (eq $wanted "true") (and (eq $wanted "auto") $served) }}true{{ end }}
{{- end }}
