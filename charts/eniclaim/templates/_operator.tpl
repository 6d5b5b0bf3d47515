{{- /* What the operator's container and those of hooks, which run the same image, have in common. */}}

{{- define "eniclaim.sharedArgs" -}}
- --agent-selector={{ include "eniclaim.agentSelector" . }}
{{- with .Values.clusterId }}
- --cluster-id={{ . }}
{{- end }}
{{- end }}

{{- define "eniclaim.operatorEnv" -}}
env:
  - name: POD_NAME
    valueFrom: {fieldRef: {fieldPath: metadata.name}}
  - name: POD_NAMESPACE
    valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
  {{- with .Values.aws.region }}
  - {name: AWS_REGION, value: {{ . | quote }}}
  {{- end }}
  {{- with .Values.aws.endpointUrl }}
  # Of EC2 alone: IRSA asks STS for its credentials.
  - {name: AWS_ENDPOINT_URL_EC2, value: {{ . | quote }}}
  {{- end }}
  {{- with .Values.operator.logLevel }}
  - {name: RUST_LOG, value: {{ . | quote }}}
  {{- end }}
  {{- with .Values.operator.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .Values.aws.credentialsSecret }}
envFrom:
  - secretRef: {name: {{ . }}}
{{- end }}
{{- end }}

{{- /* Where and as whom a pod with the operator's image runs: .root, .hostNetwork. */}}
{{- define "eniclaim.operatorPod" -}}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.operator.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- if .hostNetwork }}
hostNetwork: true
{{- end }}
{{- with .root.Values.operator.dnsPolicy | default (ternary "ClusterFirstWithHostNet" "" (.hostNetwork | default false)) }}
dnsPolicy: {{ . }}
{{- end }}
{{- with .root.Values.operator.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.operator.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.operator.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* The pod of a hook that runs the operator's image: .root, .serviceAccount, .command; .ec2 where it calls EC2. */}}
{{- define "eniclaim.hookPod" -}}
{{- $operator := dict "root" .root "component" "operator" }}
restartPolicy: Never
serviceAccountName: {{ .serviceAccount }}
{{ include "eniclaim.operatorPod" (dict "root" .root "hostNetwork" (and .ec2 .root.Values.operator.hostNetwork)) }}
containers:
  - name: {{ first .command }}
    image: {{ include "eniclaim.image" $operator }}
    imagePullPolicy: {{ .root.Values.image.pullPolicy }}
    args:
      # For people: helm, kubectl logs and kubectl describe show it.
      - --log-format=text
      {{- include "eniclaim.sharedArgs" .root | nindent 6 }}
      {{- toYaml .command | nindent 6 }}
    {{- if .ec2 }}
    {{- include "eniclaim.operatorEnv" .root | nindent 4 }}
    {{- with .root.Values.operator.extraVolumeMounts }}
    volumeMounts: {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- else }}
    env:
      - name: POD_NAMESPACE
        valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
    {{- end }}
    # What it says is what kubectl describe shows.
    terminationMessagePolicy: FallbackToLogsOnError
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities: {drop: [ALL]}
    {{- with .root.Values.operator.resources }}
    resources: {{- toYaml . | nindent 6 }}
    {{- end }}
{{- if .ec2 }}
{{- with .root.Values.operator.extraVolumes }}
volumes: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}
