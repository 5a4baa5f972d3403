/* SPDX-License-Identifier: Apache-2.0 */
/* What became of a scenario, for people and for programs. */
#ifndef LODGE_SIMULATE_ACCOUNT_H
#define LODGE_SIMULATE_ACCOUNT_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#include "simulate/scenario.h"

struct run_result;

/* Tables and lines. */
void account_print(const struct scenario *scenario, const struct run_result *result, FILE *out);
/* A new object; docs/simulate.md lists its members. NULL if there's no memory. */
json_t *account_to_json(const struct scenario *scenario, const struct run_result *result);

enum { ACCOUNT_TIME_MAX = 32 };
/* "3 d 04:05:06", "04:05:06". Returns buf. */
char *account_time(uint64_t ms, char buf[ACCOUNT_TIME_MAX]);
const char *account_policy(const struct run_result *result);
/* What made promises be in danger. */
const char *account_because(enum scenario_what what);

#endif
