#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Answers the one HTTP request of its standard input with 204, and keeps the body.
while IFS= read -r line && [ "$line" != $'\r' ]; do
  case ${line,,} in content-length:*) length=${line//[!0-9]/} ;; esac
done
head -c "$length" >>/run/webhook.bodies
printf 'HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n'
