#!/bin/sh
# Makes an authority, the server's certificate and one for each user named: sh make-certs.sh FOLDER USER...
# Clients get ca.pem, and their own USER.pem and USER.key.
set -eu
folder=$1
shift
mkdir -p "$folder"
cd "$folder"
umask 077

sign() {
	openssl req -newkey rsa:2048 -nodes -subj "/O=Roamwall example/CN=$1" -keyout "$1.key" -out "$1.csr"
	printf 'extendedKeyUsage=%s\n' "$2" >"$1.ext"
	openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 825 -extfile "$1.ext" -out "$1.pem"
	rm "$1.csr" "$1.ext"
}

openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/O=Roamwall example/CN=Example authority" \
	-keyout ca.key -out ca.pem
sign server serverAuth
for user in "$@"; do sign "$user" clientAuth; done
