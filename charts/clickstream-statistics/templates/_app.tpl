{{/* The driver, in the fields that the library chart's _pod.tpl describes. */}}
{{- define "clickstream-statistics.app" -}}
name: statistics
ports:
  http: 8080
adminPort: http
preStopSeconds: 2
# Spark takes up to two minutes to start on a busy node, and that is no turn of the app's loop.
livenessFailures: 12
usesApi: {{ hasPrefix "k8s://" .Values.spark.master }}
podAnnotations:
  # Spark reads its options at the start.
  clickstream/spark-options: {{ include "clickstream-statistics.options" . | cat (include "clickstream-statistics.executorPod" .) | sha256sum }}
# Ready means that batches are done.
check: {module: clickstream_core.check}
env:
  - name: SCENARIO_RESULTS_TOPIC
    value: {{ .Values.topics.results | quote }}
  - name: RESULTS_TO
    value: {{ .Values.resultsTo | default "/data/results" | quote }}
  {{- with .Values.checkpointsTo }}
  - name: CHECKPOINTS_TO
    value: {{ . | quote }}
  {{- end }}
  - name: TRIGGER_INTERVAL
    value: {{ .Values.triggerInterval | quote }}
  {{- if .Values.skipLost }}
  - name: SKIP_LOST
    value: "true"
  {{- end }}
  - name: SPARK_MASTER
    value: {{ .Values.spark.master | quote }}
  {{- include "clickstream-statistics.storageEnv" . | nindent 2 }}
fileEnv:
  - name: SPARK_CONF_FILE
    value: /etc/spark/options.conf
  {{- include "clickstream-statistics.redisEnv" . | nindent 2 }}
  {{- if hasPrefix "k8s://" .Values.spark.master }}
  # Options name them: the executors' owner, and the address at which they find the driver.
  - name: POD_NAME
    valueFrom:
      fieldRef:
        fieldPath: metadata.name
  - name: POD_IP
    valueFrom:
      fieldRef:
        fieldPath: status.podIP
  {{- end }}
volumeMounts:
  {{- include "clickstream-statistics.volumeMounts" . | nindent 2 }}
  - name: spark
    mountPath: /etc/spark
    readOnly: true
  {{- if not .Values.resultsTo }}
  - name: data
    mountPath: /data
  {{- end }}
volumes:
  {{- include "clickstream-statistics.volumes" . | nindent 2 }}
  - name: spark
    configMap:
      name: {{ include "clickstream-library.fullname" . | quote }}
  {{- if not .Values.resultsTo }}
  {{- if not (hasPrefix "local" .Values.spark.master) }}
  {{- fail (printf "spark.master=%s: pods of executors don't share the volume, so name storage in resultsTo, s3a://BUCKET/PREFIX or hdfs://HOST:8020/PATH" .Values.spark.master) }}
  {{- end }}
  - name: data
    persistentVolumeClaim:
      claimName: {{ .Values.volume.existingClaim | default (include "clickstream-library.fullname" .) | quote }}
  {{- end }}
ingress:
  {{- include "clickstream-statistics.fromExecutors" . | nindent 2 }}
egress:
  {{- include "clickstream-statistics.egress" . | nindent 2 }}
  {{- if hasPrefix "k8s://" .Values.spark.master }}
  - ports:
      {{- range .Values.spark.apiPorts }}
      - port: {{ int . }}
      {{- end }}
  {{- include "clickstream-statistics.toExecutors" . | nindent 2 }}
  {{- else if hasPrefix "spark://" .Values.spark.master }}
  - ports:
      - port: {{ regexFind ":[0-9]+" (trimPrefix "spark://" .Values.spark.master) | trimPrefix ":" | default "7077" | int }}
  {{- end }}
{{- end }}

{{/* Access to the storage, for driver and executors. */}}
{{- define "clickstream-statistics.storageEnv" -}}
- name: S3_ENDPOINT
  value: {{ .Values.s3.endpoint | default "auto" | quote }}
- name: S3_REGION
  value: {{ .Values.s3.region | quote }}
{{- with .Values.s3.secret }}
{{- range list "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY" }}
- name: {{ . }}
  valueFrom:
    secretKeyRef:
      name: {{ $.Values.s3.secret | quote }}
      key: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{- define "clickstream-statistics.redisEnv" -}}
- name: REDIS_URL
  valueFrom:
    secretKeyRef:
      name: {{ required "redis.secret is empty: name the Secret with Redis' url" .Values.redis.secret | quote }}
      key: url
{{- if .Values.redis.passwordKey }}
- name: REDIS_PASSWORD_FILE
  value: /etc/clickstream/redis/password
{{- end }}
{{- end }}

{{- define "clickstream-statistics.volumeMounts" -}}
- name: tmp
  mountPath: /tmp
{{- if .Values.redis.passwordKey }}
- name: redis
  mountPath: /etc/clickstream/redis
  readOnly: true
{{- end }}
{{- if .Values.caSecret }}
- name: ca
  mountPath: /etc/clickstream/ca
  readOnly: true
{{- end }}
{{- end }}

{{- define "clickstream-statistics.volumes" -}}
- name: tmp
  emptyDir: {}
{{- if .Values.redis.passwordKey }}
- name: redis
  secret:
    secretName: {{ .Values.redis.secret | quote }}
    defaultMode: 0440
    items:
      - key: {{ .Values.redis.passwordKey | quote }}
        path: password
{{- end }}
{{- with .Values.caSecret }}
- name: ca
  secret:
    secretName: {{ . | quote }}
    defaultMode: 0440
    items:
      - key: ca.crt
        path: ca.crt
{{- end }}
{{- end }}

{{/* Redis and the storage: the ports of their addresses, and EKS's agent for pod identity. */}}
{{- define "clickstream-statistics.egress" -}}
{{- $ports := list (int .Values.redis.port) }}
{{- range list .Values.s3.endpoint .Values.resultsTo .Values.checkpointsTo }}
{{- $port := regexFind ":[0-9]+" . | trimPrefix ":" }}
{{- if $port }}
{{- $ports = append $ports (int $port) }}
{{- else if hasPrefix "http:" . }}
{{- $ports = append $ports 80 }}
{{- else if or (hasPrefix "https:" .) (and (hasPrefix "s3a:" .) (not $.Values.s3.endpoint)) }}
{{- $ports = append $ports 443 }}
{{- end }}
{{- end }}
- ports:
    {{- range concat $ports .Values.storagePorts | uniq }}
    - port: {{ int . }}
    {{- end }}
{{- if and (hasPrefix "s3a:" .Values.resultsTo) (not .Values.s3.secret) }}
- ports:
    - port: 80
  to:
    - ipBlock:
        cidr: 169.254.170.23/32
{{- end }}
{{- end }}
