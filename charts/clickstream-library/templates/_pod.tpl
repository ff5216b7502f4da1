{{/*
The pod of an app, for its Deployment or Job. These templates take a dict:

context   the chart's own context
app       the chart's template CHART.app:
  name            the container's name
  ports           the container's ports, name: number; http is the Service's
  adminPort       the name of the port that serves /healthz, /readyz and /metrics
  preStopSeconds  how long the app still answers after its pod began to terminate
  command         another command than the image's
  args            the command's arguments, if it has any
  usesApi         whether it uses the Kubernetes API: it gets the account's token
  env             the app's settings
  fileEnv, volumeMounts, volumes
                  its files other than Kafka's, and the settings that name them
  livenessFailures
                  how often /healthz fails, each 10 s, until the pod is restarted; default 3
  check           what `helm test` runs: module, and for clickstream_core.check the metric that must rise
  ingress, egress
                  rules of the NetworkPolicy besides those for the ports, and for DNS and Kafka
  podAnnotations  besides those of the values
  topologySpreadConstraints
                  the default of the value of this name
*/}}
{{- define "clickstream-library.podMetadata" -}}
{{- with merge (dict) .context.Values.podAnnotations (.app.podAnnotations | default dict) -}}
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
# {{ $preStop }} s of preStop, the 10 s in which the apps exit after SIGTERM, and a margin for a busy node.
terminationGracePeriodSeconds: {{ add $preStop 18 }}
containers:
  - name: {{ $app.name }}
    image: {{ include "clickstream-library.image" $context | quote }}
    imagePullPolicy: {{ $values.image.pullPolicy }}
    {{- with $app.command }}
    command:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with $app.args }}
    args:
      {{- toYaml . | nindent 6 }}
    {{- end }}
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
    {{- include "clickstream-library.probes" $app | nindent 4 }}
    lifecycle:
      preStop:
        # The app still answers until every node has removed the pod from the Service.
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

{{/* Shared by all pods, that of `helm test` included: Pod Security Standard "restricted", and scheduling. */}}
{{- define "clickstream-library.podSecurity" -}}
{{- $values := .context.Values -}}
serviceAccountName: {{ include "clickstream-library.serviceAccountName" .context | quote }}
automountServiceAccountToken: {{ .app.usesApi | default false }}
# Otherwise a Service could set a setting: one named "http" makes HTTP_PORT=tcp://...
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
/healthz fails when the app's loop has made no turn for 30 s, and 30 s later the kubelet restarts the pod; waiting for
Kafka and restoring are turns, however long they take. /readyz succeeds while the app does its work. Takes the app.
*/}}
{{- define "clickstream-library.probes" -}}
startupProbe:
  httpGet:
    path: /healthz
    port: {{ .adminPort }}
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: 60
livenessProbe:
  httpGet:
    path: /healthz
    port: {{ .adminPort }}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: {{ .livenessFailures | default 3 }}
readinessProbe:
  httpGet:
    path: /readyz
    port: {{ .adminPort }}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
{{- end }}
