{{/*
The pod of an app: of its Deployment, and of whatever else runs its image. _app.tpl says what a chart may change.
*/}}
{{- define "clickstream.podMetadata" -}}
{{- $checksums := merge (include "clickstream.kafkaChecksums" . | fromYaml) (include "clickstream.fileChecksums" . | fromYaml) -}}
{{- with merge $checksums .Values.podAnnotations -}}
annotations:
  {{- toYaml . | nindent 2 }}
{{ end -}}
labels:
  {{- merge (include "clickstream.podLabels" . | fromYaml) .Values.podLabels | toYaml | nindent 2 }}
{{- end }}

{{- define "clickstream.podLabels" -}}
{{ include "clickstream.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: clickstream
{{- end }}

{{- define "clickstream.podSpec" -}}
{{ include "clickstream.podSecurity" . }}
{{- $preStop := include "clickstream.preStopSeconds" . | int }}
# {{ $preStop }} s of preStop, the 10 s in which the apps end after SIGTERM, and some for a busy node.
terminationGracePeriodSeconds: {{ add $preStop 18 }}
containers:
  - name: {{ include "clickstream.name" . }}
    image: {{ include "clickstream.image" . }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    securityContext:
      {{- include "clickstream.containerSecurityContext" . | nindent 6 }}
    env:
      {{- include "clickstream.kafkaEnv" . | nindent 6 }}
      {{- include "clickstream.env" . | nindent 6 }}
      {{- with include "clickstream.fileEnv" . }}
      {{- trim . | nindent 6 }}
      {{- end }}
      {{- range $port, $number := include "clickstream.ports" . | fromYaml }}
      - name: {{ upper $port }}_PORT
        value: {{ $number | quote }}
      {{- end }}
      - name: LOG_LEVEL
        value: {{ .Values.log.level }}
      - name: LOG_FORMAT
        value: {{ .Values.log.format }}
      {{- with .Values.extraEnv }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    ports:
      {{- range $port, $number := include "clickstream.ports" . | fromYaml }}
      - name: {{ $port }}
        containerPort: {{ $number }}
      {{- end }}
    {{- include "clickstream.probes" . | nindent 4 }}
    lifecycle:
      preStop:
        # Until every node knows that the Service no longer leads here, the app still answers.
        sleep:
          seconds: {{ $preStop }}
    resources:
      {{- toYaml .Values.resources | nindent 6 }}
    {{- with list (include "clickstream.kafkaVolumeMounts" . | trim) (include "clickstream.fileVolumeMounts" . | trim) | compact }}
    volumeMounts:
      {{- join "\n" . | nindent 6 }}
    {{- end }}
{{- with list (include "clickstream.kafkaVolumes" . | trim) (include "clickstream.fileVolumes" . | trim) | compact }}
volumes:
  {{- join "\n" . | nindent 2 }}
{{- end }}
{{- end }}

{{/* What every pod of a chart has, that of `helm test` too: Pod Security Standards "restricted", and where to run. */}}
{{- define "clickstream.podSecurity" -}}
serviceAccountName: {{ include "clickstream.serviceAccountName" . }}
automountServiceAccountToken: false
# Services named like a setting would otherwise set it: a Service "http" makes HTTP_PORT=tcp://...
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile:
    type: RuntimeDefault
{{- range $key := list "imagePullSecrets" "nodeSelector" "affinity" "tolerations" }}
{{- with get $.Values $key }}
{{ $key }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- with include "clickstream.topologySpread" . }}
topologySpreadConstraints:
  {{- trim . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "clickstream.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/*
/healthz says whether the app's loop moves: after 30 s without a turn it fails, and 30 s later the kubelet restarts the
pod. Waiting for Kafka and restoring, however long, are turns. /readyz says whether the app does its work.
*/}}
{{- define "clickstream.probes" -}}
{{- $port := include "clickstream.adminPort" . -}}
startupProbe:
  httpGet:
    path: /healthz
    port: {{ $port }}
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: 60
livenessProbe:
  httpGet:
    path: /healthz
    port: {{ $port }}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet:
    path: /readyz
    port: {{ $port }}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
{{- end }}
