{{- define "eniclaim.labels" -}}
app.kubernetes.io/name: eniclaim
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* Those, and .more of an object's own. A map, so that one of its own takes the place of one of commonLabels. */}}
{{- define "eniclaim.labelsAnd" -}}
{{- toYaml (merge dict (.more | default dict) (include "eniclaim.labels" .root | fromYaml)) }}
{{- end }}

{{- /* Of the pods of .component, or of those that run its image as .hook. A map, so that a label of podLabels takes the place
of one of commonLabels. */}}
{{- define "eniclaim.podLabels" -}}
{{- $own := (index .root.Values .component).podLabels | default dict }}
{{- $all := include "eniclaim.labels" .root | fromYaml }}
{{- toYaml (merge (dict "app.kubernetes.io/component" (.hook | default .component)) $own $all) }}
{{- end }}

{{- /* Of .component. A digest decides, whatever the tag says. */}}
{{- define "eniclaim.image" -}}
{{- $own := (index .root.Values .component).image | default dict }}
{{- $repository := $own.repository | default (printf "%s/%s" .root.Values.image.registry .component) }}
{{- $tag := $own.tag | default .root.Values.image.tag | default .root.Chart.AppVersion }}
{{- $repository }}:{{ $tag }}{{ with $own.digest }}@{{ . }}{{ end }}
{{- end }}

{{- /* Not empty where the chart makes the ServiceAccount of .component. */}}
{{- define "eniclaim.makesServiceAccount" -}}
{{- if dig "create" true ((index .root.Values .component).serviceAccount | default dict) }}true{{ end }}
{{- end }}

{{- /* Name of the ServiceAccount of .component. */}}
{{- define "eniclaim.serviceAccount" -}}
{{- $own := (index .root.Values .component).serviceAccount | default dict }}
{{- $own.name | default (printf "eniclaim-%s" .component) }}
{{- end }}

{{- /* The labels by which the objects of .component find its pods. */}}
{{- define "eniclaim.selector" -}}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
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

{{- /* Of a duration in whole seconds, minutes or hours. */}}
{{- define "eniclaim.seconds" -}}
{{- $unit := dict "s" 1 "m" 60 "h" 3600 }}
{{- mul (trimSuffix (substr (int (sub (len .) 1)) -1 .) . | int) (get $unit (substr (int (sub (len .) 1)) -1 .)) }}
{{- end }}
