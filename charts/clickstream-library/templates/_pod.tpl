{{/*
The pod of an app: of its Deployment, and of whatever else runs its image. A chart defines "clickstream.env", the
settings that only its app has.
*/}}
{{- define "clickstream.podMetadata" -}}
{{- with merge (include "clickstream.kafkaChecksums" . | fromYaml) .Values.podAnnotations -}}
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
# 2 s of preStop, the 10 s in which the apps end after SIGTERM, and some for a busy node.
terminationGracePeriodSeconds: 20
containers:
  - name: {{ include "clickstream.name" . }}
    image: {{ include "clickstream.image" . }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    securityContext:
      {{- include "clickstream.containerSecurityContext" . | nindent 6 }}
    env:
      {{- include "clickstream.kafkaEnv" . | nindent 6 }}
      {{- include "clickstream.env" . | nindent 6 }}
      - name: HTTP_PORT
        value: "8080"
      - name: LOG_LEVEL
        value: {{ .Values.log.level }}
      - name: LOG_FORMAT
        value: {{ .Values.log.format }}
      {{- with .Values.extraEnv }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    ports:
      - name: http
        containerPort: 8080
    {{- include "clickstream.probes" . | nindent 4 }}
    lifecycle:
      preStop:
        # Until every node knows that the Service no longer leads here, the app still answers.
        sleep:
          seconds: 2
    resources:
      {{- toYaml .Values.resources | nindent 6 }}
    {{- with include "clickstream.kafkaVolumeMounts" . }}
    volumeMounts:
      {{- trim . | nindent 6 }}
    {{- end }}
{{- with include "clickstream.kafkaVolumes" . }}
volumes:
  {{- trim . | nindent 2 }}
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
{{- range $key := list "imagePullSecrets" "nodeSelector" "affinity" "tolerations" "topologySpreadConstraints" }}
{{- with get $.Values $key }}
{{ $key }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
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
startupProbe:
  httpGet:
    path: /healthz
    port: http
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: 60
livenessProbe:
  httpGet:
    path: /healthz
    port: http
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet:
    path: /readyz
    port: http
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
{{- end }}
