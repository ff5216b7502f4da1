{{/* Database and Redis: addresses from their Secrets, passwords as files, which are read again for each connection. */}}
{{- define "clickstream-scenarios.storeEnv" -}}
{{- include "clickstream-scenarios.databaseEnv" (dict "secret" .Values.database.secret "passwordKey" .Values.database.passwordKey) }}
{{- with .Values.redis }}
{{- if .secret }}
- name: REDIS_URL
  valueFrom:
    secretKeyRef:
      name: {{ .secret | quote }}
      key: url
{{- if .passwordKey }}
- name: REDIS_PASSWORD_FILE
  value: /etc/clickstream/redis/password
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Takes secret and passwordKey. */}}
{{- define "clickstream-scenarios.databaseEnv" -}}
- name: DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ required "database.secret is empty: name the Secret with the database's url and password" .secret | quote }}
      key: url
{{- if .passwordKey }}
- name: DATABASE_PASSWORD_FILE
  value: /etc/clickstream/database/password
{{- end }}
{{- end }}

{{- define "clickstream-scenarios.storeVolumeMounts" -}}
{{- range $name := list "database" "redis" }}
{{- $store := get $.Values $name }}
{{- if and $store.secret $store.passwordKey }}
- name: {{ $name }}
  mountPath: /etc/clickstream/{{ $name }}
  readOnly: true
{{- end }}
{{- end }}
{{- if .Values.caSecret }}
- name: ca
  mountPath: /etc/clickstream/ca
  readOnly: true
{{- end }}
{{- end }}

{{- define "clickstream-scenarios.storeVolumes" -}}
{{- range $name := list "database" "redis" }}
{{- $store := get $.Values $name }}
{{- if and $store.secret $store.passwordKey }}
- name: {{ $name }}
  secret:
    secretName: {{ $store.secret | quote }}
    defaultMode: 0440
    items:
      - key: {{ $store.passwordKey | quote }}
        path: password
{{- end }}
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
