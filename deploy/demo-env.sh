#!/usr/bin/env bash
# Writes .env for docker-compose.yml: a random password for each variable that the configurations of NATS name. An .env
# that is there is only completed, never changed.
set -euo pipefail
cd "$(dirname "$0")/.."
umask 077
touch .env
for name in $(grep -ohE '\$NATS_[A-Z_]*PASSWORD' deploy/nats/*.conf | tr -d '$' | sort -u); do
  if ! grep -q "^$name=" .env; then
    # a letter first, so that NATS does not read it as a number
    printf '%s=p%s\n' "$name" "$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')" >>.env
  fi
done
# The token of the gateway's source: a file, which the user of the container has to be able to read.
if [ ! -e .gateway-jira ]; then
  od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >.gateway-jira
  chmod 0644 .gateway-jira
fi
echo "passwords are in .env, readable by you alone; the token of the gateway is in .gateway-jira"
