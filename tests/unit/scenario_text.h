/* SPDX-License-Identifier: Apache-2.0 */
/* Scenarios as text in C: with ' for ". */
#ifndef LODGE_TESTS_SCENARIO_TEXT_H
#define LODGE_TESTS_SCENARIO_TEXT_H

#include "base/err.h"
#include "simulate/scenario.h"

int scenario_from(const char *text, struct scenario *ret_scenario, struct err **err);
/* Fails the test if that's no scenario. */
struct scenario scenario_of(const char *text);

#endif
