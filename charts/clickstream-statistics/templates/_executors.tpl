{{/* Spark's options: those of the chart, and those of the values, which win. */}}
{{- define "clickstream-statistics.options" -}}
{{- $options := dict "spark.driver.memory" .Values.spark.driverMemory -}}
{{- if hasPrefix "k8s://" .Values.spark.master -}}
{{- $account := include "clickstream-library.serviceAccountName" . -}}
{{- $_ := set $options "spark.kubernetes.namespace" .Release.Namespace -}}
{{- $_ = set $options "spark.kubernetes.executor.container.image" (include "clickstream-library.image" .) -}}
{{- $_ = set $options "spark.kubernetes.container.image.pullPolicy" .Values.image.pullPolicy -}}
{{- $_ = set $options "spark.kubernetes.authenticate.executor.serviceAccountName" $account -}}
{{- $_ = set $options "spark.kubernetes.executor.podTemplateFile" "/etc/spark/executor.yaml" -}}
{{- $_ = set $options "spark.kubernetes.executor.podTemplateContainerName" "executor" -}}
{{- $_ = set $options "spark.kubernetes.executor.podNamePrefix" (include "clickstream-library.fullname" . | trunc 47 | trimSuffix "-") -}}
{{- /* The executors belong to the driver's pod, and go with it. */ -}}
{{- $_ = set $options "spark.kubernetes.driver.pod.name" "${env:POD_NAME}" -}}
{{- $_ = set $options "spark.kubernetes.executor.disableConfigMap" "true" -}}
{{- $_ = set $options "spark.driver.host" "${env:POD_IP}" -}}
{{- $_ = set $options "spark.driver.port" "7078" -}}
{{- $_ = set $options "spark.blockManager.port" "7079" -}}
{{- $_ = set $options "spark.executor.instances" (toString .Values.spark.executors.instances) -}}
{{- $_ = set $options "spark.executor.cores" (toString .Values.spark.executors.cores) -}}
{{- $_ = set $options "spark.executor.memory" .Values.spark.executors.memory -}}
{{- end -}}
{{- range $name, $value := .Values.spark.options -}}
{{- $_ := set $options $name $value -}}
{{- end -}}
{{- range $name := keys $options | sortAlpha }}
{{ $name }} {{ get $options $name }}
{{- end }}
{{- end }}

{{/*
The template of an executor's pod, to which Spark adds image, resources and its own settings. What it needs of Kafka comes
from the driver, which alone writes to Redis.
*/}}
{{- define "clickstream-statistics.executorPod" -}}
{{- $values := deepCopy .Values -}}
{{- $_ := set $values "topologySpreadConstraints" list -}}
{{- $context := dict "Values" $values "Chart" .Chart "Release" .Release -}}
apiVersion: v1
kind: Pod
metadata:
  {{- with .Values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  labels:
    {{- merge (include "clickstream-statistics.executorLabels" . | fromYaml) .Values.podLabels | toYaml | nindent 4 }}
spec:
  {{- include "clickstream-library.podSecurity" (dict "context" $context "app" dict) | nindent 2 }}
  containers:
    - name: executor
      command: [/app/bin/spark-executor]
      # Where Spark copies the driver's jars to.
      workingDir: /tmp
      securityContext:
        {{- include "clickstream-library.containerSecurityContext" . | nindent 8 }}
      env:
        {{- include "clickstream-statistics.storageEnv" . | nindent 8 }}
        {{- with .Values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      volumeMounts:
        - name: tmp
          mountPath: /tmp
  volumes:
    - name: tmp
      emptyDir: {}
{{- end }}

{{/* The executors are no pods of the driver's: Service and monitor pass them by. */}}
{{- define "clickstream-statistics.executorLabels" -}}
{{ include "clickstream-statistics.executorSelector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: clickstream
{{- end }}

{{- define "clickstream-statistics.executorSelector" -}}
app.kubernetes.io/name: {{ printf "%s-executor" (include "clickstream-library.name" . | trunc 54 | trimSuffix "-") | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* Spark's own ports: the driver's, and those of what executors and driver send one another. */}}
{{- define "clickstream-statistics.fromExecutors" -}}
{{- if hasPrefix "k8s://" .Values.spark.master -}}
- ports:
    - port: 7078
    - port: 7079
  from:
    - podSelector:
        matchLabels:
          {{- include "clickstream-statistics.executorSelector" . | nindent 10 }}
{{- end }}
{{- end }}

{{- define "clickstream-statistics.toExecutors" -}}
- ports:
    - port: 7079
  to:
    - podSelector:
        matchLabels:
          {{- include "clickstream-statistics.executorSelector" . | nindent 10 }}
{{- end }}
