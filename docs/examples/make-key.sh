#!/bin/sh
# Makes the secrets of a mesh: run it once, copy the file to every AP (mode 0600).
#   sh make-key.sh > key && chmod 600 key
random_hex() {
	head -c "$1" /dev/urandom | od -An -v -tx1 | tr -d ' \n'
}
echo "mesh $(random_hex 32)"
echo "seed $(random_hex 16)"
