{{- define "octans.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* Names of objects: the release's, with the chart's where that isn't in it already. */}}
{{- define "octans.fullname" -}}
{{- $name := include "octans.name" . -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains $name .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{/* Labels that select a part's pods. Takes a dict of root and part. */}}
{{- define "octans.selector" -}}
app.kubernetes.io/name: {{ include "octans.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "octans.labels" -}}
{{ include "octans.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* An image from a dict of image and root. */}}
{{- define "octans.image" -}}
{{ .image.repository }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end }}

{{/* What pods of Pod Security level restricted must say, and read-only roots on top. */}}
{{- define "octans.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "octans.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* What goes with an object store for logs: its credentials, or a folder. */}}
{{- define "octans.archiveMounts" -}}
{{- with .Values.archive }}
{{- if and .url .credentialsSecret }}
- {name: credentials, mountPath: /credentials, readOnly: true}
{{- end }}
{{- if hasPrefix "file:" .url }}
- {name: archive, mountPath: /archive}
{{- end }}
{{- end }}
{{- end }}

{{- define "octans.archiveVolumes" -}}
{{- with .Values.archive }}
{{- if and .url .credentialsSecret }}
- name: credentials
  secret: {secretName: {{ .credentialsSecret }}, defaultMode: 0440}
{{- end }}
{{- if hasPrefix "file:" .url }}
{{- if not .volume }}
{{- fail "archive.url is a folder, so archive.volume must say where it is." }}
{{- end }}
- name: archive
  {{- toYaml .volume | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{/* Where the scheduler may put a part's pods. */}}
{{- define "octans.placement" -}}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 0 }}
{{- end }}
{{- with .affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Over nodes, where nothing else is said. Takes a dict of values and part. */}}
{{- define "octans.spread" -}}
{{- with .values.topologySpreadConstraints -}}
{{ toYaml . }}
{{- else -}}
- maxSkew: 1
  topologyKey: kubernetes.io/hostname
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels: {{- include "octans.selector" .part | nindent 6 }}
{{- end }}
{{- end }}

{{/* Images by the name that spec.runner chooses them by. */}}
{{- define "octans.runnerImages" -}}
{{- $current := include "octans.image" (dict "image" .Values.runner.image "root" .) -}}
{{- merge (dict "current" $current) .Values.runner.images | toJson -}}
{{- end }}
