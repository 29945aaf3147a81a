#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Stands in for the tracer where ../../guest/scenario.sh starts it, `oomwitness trace ... --probe RUNG`: /job/RUNG names the programs.
while [ $# -gt 1 ]; do shift; done
exec /bin/loader "$1" $(cat "/job/$1")
