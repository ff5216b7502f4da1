{{/*
A job's CronJob. Takes context, job (compact, verify or report), and args. The pods have a name of their own, so the Service
and the monitor pass them by; with the instance they share a NetworkPolicy.
*/}}
{{- define "clickstream-archive.cronJob" -}}
{{- $context := .context -}}
{{- $values := .context.Values -}}
{{- $job := get $values .job -}}
{{- if $job.enabled -}}
apiVersion: batch/v1
kind: CronJob
metadata:
  name: {{ printf "%s-%s" (include "clickstream-library.fullname" $context | trunc 44 | trimSuffix "-") .job | quote }}
  labels:
    {{- include "clickstream-library.labels" $context | nindent 4 }}
spec:
  schedule: {{ $job.schedule | quote }}
  timeZone: Etc/UTC
  # A run that takes longer than its interval is the only one.
  concurrencyPolicy: Forbid
  # A run that the cluster could not start in time is skipped; the next one does its work too.
  startingDeadlineSeconds: 1800
  successfulJobsHistoryLimit: 1
  failedJobsHistoryLimit: 3
  jobTemplate:
    spec:
      # A difference is no reason to look again; what failed for another reason is done by the next run.
      backoffLimit: 0
      activeDeadlineSeconds: {{ int $job.deadlineSeconds }}
      template:
        metadata:
          {{- with $values.podAnnotations }}
          annotations:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          labels:
            {{- merge (include "clickstream-archive.jobLabels" $context | fromYaml) $values.podLabels | toYaml | nindent 12 }}
        spec:
          restartPolicy: Never
          {{- include "clickstream-library.podSecurity" (dict "context" $context "app" dict) | nindent 10 }}
          containers:
            - name: {{ .job }}
              image: {{ include "clickstream-library.image" $context | quote }}
              imagePullPolicy: {{ $values.image.pullPolicy }}
              args: {{ toJson .args }}
              securityContext:
                {{- include "clickstream-library.containerSecurityContext" . | nindent 16 }}
              env:
                {{- include "clickstream-library.kafkaEnv" $context | nindent 16 }}
                {{- include "clickstream-archive.env" $context | nindent 16 }}
                {{- if eq .job "verify" }}
                {{- include "clickstream-archive.processorEnv" $context | nindent 16 }}
                {{- end }}
                - name: LOG_LEVEL
                  value: {{ $values.log.level | quote }}
                - name: LOG_FORMAT
                  value: {{ $values.log.format | quote }}
                {{- with $values.extraEnv }}
                {{- toYaml . | nindent 16 }}
                {{- end }}
              resources:
                {{- toYaml $values.jobResources | nindent 16 }}
              volumeMounts:
                - name: tmp
                  mountPath: /tmp
                {{- with include "clickstream-library.kafkaVolumeMounts" $context }}
                {{- trim . | nindent 16 }}
                {{- end }}
          volumes:
            # What does not fit into memory, for as long as the job runs.
            - name: tmp
              emptyDir:
                sizeLimit: {{ $values.spillSize }}
            {{- with include "clickstream-library.kafkaVolumes" $context }}
            {{- trim . | nindent 12 }}
            {{- end }}
{{- end }}
{{- end }}

{{/* What the verification recounts by. */}}
{{- define "clickstream-archive.processorEnv" -}}
- name: WINDOW_TIME
  value: {{ .Values.processor.windowTime | quote }}
- name: OUT_OF_ORDERNESS
  value: {{ .Values.processor.outOfOrderness | quote }}
- name: ALLOWED_LATENESS
  value: {{ .Values.processor.allowedLateness | quote }}
- name: IDLE_TIMEOUT
  value: {{ .Values.processor.idleTimeout | quote }}
- name: MAX_CLOCK_SKEW
  value: {{ .Values.processor.maxClockSkew | quote }}
{{- end }}

{{- define "clickstream-archive.jobLabels" -}}
app.kubernetes.io/name: {{ printf "%s-job" (include "clickstream-library.name" .) | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: clickstream
{{- end }}
