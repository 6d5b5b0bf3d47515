{{- /* What people get wrong and a schema refuses without saying what would be right. */}}
{{- define "eniclaim.checks" -}}
{{- /* helm template knows group versions only: where v1/Pod is known, the cluster was asked. */}}
{{- if and (.Capabilities.APIVersions.Has "v1/Pod") (not (.Capabilities.APIVersions.Has "eniclaim.io/v1alpha1/EniClaim")) }}
  {{- fail "\n\nThe custom resources of eniclaim are not in this cluster; install the chart eniclaim-crds of the same version first, then this one." }}
{{- end }}
{{- /* Names are fixed, and two operators would work on the same claims. */}}
{{- with ((lookup "rbac.authorization.k8s.io/v1" "ClusterRole" "" "eniclaim-operator").metadata | default dict).annotations }}
  {{- $name := get . "meta.helm.sh/release-name" }}
  {{- $namespace := get . "meta.helm.sh/release-namespace" }}
  {{- if and $name (ne (printf "%s/%s" $namespace $name) (printf "%s/%s" $.Release.Namespace $.Release.Name)) }}
    {{- fail (printf "\n\neniclaim is installed already, as the release %s in the namespace %s, and can be installed only once in a cluster; upgrade that release, or uninstall it first." $name $namespace) }}
  {{- end }}
{{- end }}
{{- with .Values.clusterId }}
  {{- if not (regexMatch "^[A-Za-z0-9._:/=+@-]{1,64}$" .) }}
    {{- fail (printf "\n\nclusterId: %q has to be 1 to 64 characters out of A-Z a-z 0-9 . _ : / = + @ -" .) }}
  {{- end }}
{{- end }}
{{- if regexMatch "(/|:[^/]*[^0-9/][^/]*)$" .Values.image.registry }}
  {{- fail (printf "\n\nimage.registry: %q has to be a registry and a path, such as 123456789012.dkr.ecr.eu-central-1.amazonaws.com/eniclaim: /operator, /agent and the tag are appended" .Values.image.registry) }}
{{- end }}
{{- with .Values.operator.leaseDuration }}
  {{- if not (regexMatch "^((1[5-9]|[2-9][0-9]|[12][0-9][0-9]|300)s|[1-5]m)$" .) }}
    {{- fail (printf "\n\noperator.leaseDuration: %q has to be whole seconds or minutes from 15s to 5m" .) }}
  {{- end }}
{{- end }}
{{- with (.Values.uninstall | default dict).timeout }}
  {{- if not (regexMatch "^[1-9][0-9]{0,4}[smh]$" .) }}
    {{- fail (printf "\n\nuninstall.timeout: %q has to be whole seconds, minutes or hours, for example 2m" .) }}
  {{- end }}
{{- end }}
{{- $labels := dict "commonLabels" .Values.commonLabels "operator.podLabels" .Values.operator.podLabels "agent.podLabels" .Values.agent.podLabels }}
{{- range $name, $map := $labels }}
  {{- range $label, $_ := $map }}
    {{- if regexMatch "^(app\\.kubernetes\\.io|helm\\.sh)/" $label }}
      {{- fail (printf "\n\n%s: %q is set by the chart, whose objects find each other by such labels; choose another name" $name $label) }}
    {{- end }}
  {{- end }}
{{- end }}
{{- range $component := list "operator" "agent" }}
  {{- $values := index $.Values $component }}
  {{- with ($values.image | default dict).digest }}
    {{- if not (regexMatch "^sha256:[a-f0-9]{64}$" .) }}
      {{- fail (printf "\n\n%s.image.digest: %q has to be sha256: and 64 hexadecimal digits" $component .) }}
    {{- end }}
  {{- end }}
  {{- with $values.logLevel }}
    {{- $level := "([a-z0-9_:]+=)?(off|error|warn|info|debug|trace)" }}
    {{- if not (regexMatch (printf "^%s(,%s)*$" $level $level) .) }}
      {{- fail (printf "\n\n%s.logLevel: %q has to be off, error, warn, info, debug or trace, or several by module as in info,kube=debug" $component .) }}
    {{- end }}
  {{- end }}
  {{- $account := $values.serviceAccount | default dict }}
  {{- if and (not (dig "create" true $account)) (not $account.name) }}
    {{- fail (printf "\n\n%s.serviceAccount.create is false: %s.serviceAccount.name has to name one that is in the release's namespace" $component $component) }}
  {{- end }}
{{- end }}
{{- end }}
