// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Compiled by Swift's C compiler for the host: asserts that both compilers lay out the records alike.
#include "include/processes.h"
