{{/*
The pod of an app: of its Deployment, and of whatever else runs its image. These templates take a dict:

context   the chart's own context
app       what the chart says of its app (template CHART.app):
  name            the container
  ports           each port of the container with its number; http is that of the Service
  adminPort       the one of them that serves /healthz, /readyz and /metrics
  preStopSeconds  how long the app still answers after its pod was told to end
  env             its settings
  fileEnv, volumeMounts, volumes
                  files that it has beside those for Kafka, and the settings that name them
  check           what `helm test` runs: module, and for clickstream_core.check the metric that must rise
  topologySpreadConstraints
                  unless the values have some
*/}}
{{- define "clickstream-library.podMetadata" -}}
{{- with .context.Values.podAnnotations -}}
annotations:
  {{- toYaml . | nindent 2 }}
{{ end -}}
labels:
  {{- merge (include "clickstream-library.podLabels" .context | fromYaml) .context.Values.podLabels | toYaml | nindent 2 }}
{{- end }}

{{- define "clickstream-library.podLabels" -}}
{{ include "clickstream-library.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: clickstream
{{- end }}

{{- define "clickstream-library.podSpec" -}}
{{- $context := .context -}}
{{- $app := .app -}}
{{- $values := .context.Values -}}
{{- $preStop := int $app.preStopSeconds -}}
{{ include "clickstream-library.podSecurity" . }}
# {{ $preStop }} s of preStop, the 10 s in which the apps end after SIGTERM, and some for a busy node.
terminationGracePeriodSeconds: {{ add $preStop 18 }}
containers:
  - name: {{ $app.name }}
    image: {{ include "clickstream-library.image" $context | quote }}
    imagePullPolicy: {{ $values.image.pullPolicy }}
    securityContext:
      {{- include "clickstream-library.containerSecurityContext" . | nindent 6 }}
    env:
      {{- include "clickstream-library.kafkaEnv" $context | nindent 6 }}
      {{- toYaml $app.env | nindent 6 }}
      {{- with $app.fileEnv }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
      {{- range $port, $number := $app.ports }}
      - name: {{ upper $port }}_PORT
        value: {{ $number | quote }}
      {{- end }}
      - name: LOG_LEVEL
        value: {{ $values.log.level | quote }}
      - name: LOG_FORMAT
        value: {{ $values.log.format | quote }}
      {{- with $values.extraEnv }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    ports:
      {{- range $port, $number := $app.ports }}
      - name: {{ $port }}
        containerPort: {{ $number }}
      {{- end }}
    {{- include "clickstream-library.probes" $app.adminPort | nindent 4 }}
    lifecycle:
      preStop:
        # Until every node knows that the Service no longer leads here, the app still answers.
        sleep:
          seconds: {{ $preStop }}
    resources:
      {{- toYaml $values.resources | nindent 6 }}
    {{- with concat (include "clickstream-library.kafkaVolumeMounts" $context | fromYamlArray) ($app.volumeMounts | default list) }}
    volumeMounts:
      {{- toYaml . | nindent 6 }}
    {{- end }}
{{- with concat (include "clickstream-library.kafkaVolumes" $context | fromYamlArray) ($app.volumes | default list) }}
volumes:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* What every pod of a chart has, that of `helm test` too: Pod Security Standards "restricted", and where to run. */}}
{{- define "clickstream-library.podSecurity" -}}
{{- $values := .context.Values -}}
serviceAccountName: {{ include "clickstream-library.serviceAccountName" .context | quote }}
automountServiceAccountToken: false
# Services named like a setting would otherwise set it: a Service "http" makes HTTP_PORT=tcp://...
enableServiceLinks: false
{{- $security := dict }}
{{- range $field, $value := $values.podSecurityContext }}
{{- if not (kindIs "invalid" $value) }}
{{- $_ := set $security $field $value }}
{{- end }}
{{- end }}
{{- with $security }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- range $key := list "imagePullSecrets" "nodeSelector" "affinity" "tolerations" }}
{{- with get $values $key }}
{{ $key }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- with $values.topologySpreadConstraints | default .app.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "clickstream-library.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/*
/healthz says whether the app's loop moves: after 30 s without a turn it fails, and 30 s later the kubelet restarts the
pod. Waiting for Kafka and restoring, however long, are turns. /readyz says whether the app does its work. Takes the port.
*/}}
{{- define "clickstream-library.probes" -}}
startupProbe:
  httpGet:
    path: /healthz
    port: {{ . }}
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: 60
livenessProbe:
  httpGet:
    path: /healthz
    port: {{ . }}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet:
    path: /readyz
    port: {{ . }}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
{{- end }}
