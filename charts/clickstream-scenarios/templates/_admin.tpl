{{/*
The page is a second app of this chart. Its context is the chart's own with a name of its own, RELEASE-admin, so that the
library makes its objects as it makes the stream's.
*/}}
{{- define "clickstream-scenarios.adminContext" -}}
{{- $name := printf "%s-admin" (include "clickstream-library.name" . | trunc 57 | trimSuffix "-") -}}
{{- $fullname := printf "%s-admin" (include "clickstream-library.fullname" . | trunc 57 | trimSuffix "-") -}}
{{- $secret := .Values.kafka.authentication.secret | default (printf "%s-admin" (include "clickstream-library.kafkaUserSecret" .)) -}}
{{- $values := deepCopy .Values -}}
{{- $_ := set $values.kafka.authentication "secret" $secret -}}
{{- $_ = set $values.serviceAccount "name" (include "clickstream-library.serviceAccountName" .) -}}
{{- $_ = set $values.networkPolicy "from" .Values.admin.from -}}
{{- range $field := list "resources" "ingress" -}}
{{- $_ = set $values $field (get $.Values.admin $field) -}}
{{- end -}}
{{- $_ = set $values "nameOverride" $name -}}
{{- $_ = set $values "fullnameOverride" $fullname -}}
Values:
  {{- toYaml $values | nindent 2 }}
Chart:
  Name: {{ .Chart.Name | quote }}
  Version: {{ .Chart.Version | quote }}
  AppVersion: {{ .Chart.AppVersion | quote }}
  IsRoot: {{ .Chart.IsRoot }}
Release:
  Name: {{ .Release.Name | quote }}
  Namespace: {{ .Release.Namespace | quote }}
  Service: {{ .Release.Service | quote }}
{{- end }}

{{/* The page, in the fields that the library chart's _pod.tpl describes. Takes the chart's own context. */}}
{{- define "clickstream-scenarios.adminApp" -}}
{{- $admin := .Values.admin -}}
{{- $proxies := $admin.trustedProxies | default (ternary (list "private") list $admin.ingress.enabled) -}}
name: admin
command: [clickstream-scenarios-admin]
ports:
  http: 8080
adminPort: http
preStopSeconds: 5
env:
  {{- include "clickstream-scenarios.inputEnv" . | nindent 2 }}
  - name: ADMIN_SIGN_IN
    value: {{ $admin.signIn | quote }}
  - name: ADMIN_PROXY_HEADER
    value: {{ $admin.proxyHeader | quote }}
  {{- with $proxies }}
  - name: TRUSTED_PROXIES
    value: {{ join "," . | quote }}
  {{- end }}
  {{- if and (eq $admin.signIn "proxy") (not $proxies) }}
  {{- fail "admin.signIn=proxy: name the proxy's network in admin.trustedProxies" }}
  {{- end }}
fileEnv:
  {{- include "clickstream-scenarios.storeEnv" . | nindent 2 }}
  - name: ADMIN_SESSION_KEY_FILE
    value: /etc/clickstream/session/key
  {{- if eq $admin.signIn "password" }}
  - name: ADMIN_USERS_FILE
    value: /etc/clickstream/users/users
  {{- end }}
volumeMounts:
  {{- include "clickstream-scenarios.storeVolumeMounts" . | nindent 2 }}
  {{- range include "clickstream-scenarios.adminSecrets" . | fromYamlArray }}
  - name: {{ .item }}
    mountPath: /etc/clickstream/{{ .item }}
    readOnly: true
  {{- end }}
volumes:
  {{- include "clickstream-scenarios.storeVolumes" . | nindent 2 }}
  {{- range include "clickstream-scenarios.adminSecrets" . | fromYamlArray }}
  - name: {{ .item }}
    secret:
      secretName: {{ .secret | quote }}
      defaultMode: 0440
      items:
        - key: {{ .key }}
          path: {{ .key }}
  {{- end }}
egress:
  {{- include "clickstream-scenarios.egress" . | nindent 2 }}
{{- end }}

{{/* Its Secrets: item, secret and key. */}}
{{- define "clickstream-scenarios.adminSecrets" -}}
{{- $fullname := include "clickstream-library.fullname" . -}}
- {item: session, key: key, secret: {{ .Values.admin.sessionSecret | default (printf "%s-session" $fullname) | quote }}}
{{- if eq .Values.admin.signIn "password" }}
- {item: users, key: users, secret: {{ .Values.admin.usersSecret | default (printf "%s-users" $fullname) | quote }}}
{{- end }}
{{- end }}
