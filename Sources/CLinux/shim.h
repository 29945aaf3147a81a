// SPDX-License-Identifier: Apache-2.0
// System calls of the C library that Swift's Glibc module does not import.
#pragma once
#include <malloc.h>
#include <sys/signalfd.h>
#include <sys/mman.h>

// In glibc since 2.2, declared only by libcap's header. Source: capset(2).
int capget(void *header, void *data);
int capset(void *header, const void *data);

// In glibc since 2.14, declared only with _GNU_SOURCE. Source: open_by_handle_at(2).
int open_by_handle_at(int mount, void *handle, int flags);
