#!/bin/sh
# Write the secrets of compose.yaml into secrets/ next to this file. Existing secrets stay as they are.
set -eu
cd "$(dirname "$0")"
if [ -e secrets ]; then
    echo "secrets/ exists. Nothing was changed. To replace the secrets, delete the folder and the volumes of the services" >&2
    exit 2
fi
umask 077
random() { od -An -N "$1" -t x1 /dev/urandom | tr -d ' \n'; }
password=$(random 24) key=$(random 10) secret=$(random 20)
mkdir secrets
printf '*\n' > secrets/.gitignore
printf '%s' "$password" > secrets/postgres_password
printf '*:*:*:microfacial:%s\n' "$password" > secrets/pgpass
printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$key" "$secret" > secrets/s3_credentials
cat > secrets/s3_identities.json <<EOF
{"identities": [{"name": "microfacial", "credentials": [{"accessKey": "$key", "secretKey": "$secret"}],
                 "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}
EOF
echo "wrote secrets/. Copy pgpass and s3_credentials to the members of the team over a safe channel"
