#!/bin/sh
# errors-by-hour.sh URL [curl option ...]: how many requests were answered with which status, in each of the last 24 hours.
# For cron or a Kubernetes CronJob; no scheduler of its own is needed:
#   5 * * * * errors-by-hour.sh https://HOST --user USER:PASSWORD >> /var/log/web-logs-by-hour.jsonl
set -eu
url=${1:?"usage: errors-by-hour.sh URL [curl option ...]"}
shift
curl --silent --show-error --fail "$@" --header 'Content-Type: application/json' "$url/web_logs/_search?size=0" --data '{
  "query": {"range": {"timestamp": {"gte": "now-24h/h", "lt": "now/h"}}},
  "aggs": {"hours": {"date_histogram": {"field": "timestamp", "fixed_interval": "1h"},
                     "aggs": {"status": {"terms": {"field": "status_code", "size": 20}}}}}
}'
echo
