/* SPDX-License-Identifier: Apache-2.0 */
/* Programs of lodge's that stand beside it: what `lodge` links is in every VM process, so what only
 * one verb needs is a program of its own. */
#ifndef LODGE_CMD_NEIGHBOUR_H
#define LODGE_CMD_NEIGHBOUR_H

struct err;

/* Becomes that program, from the directory of this one or else from PATH; returns only if that
 * fails. what is added if it isn't installed: what it's for, and what else to do. */
int neighbour_exec(const char *program, char **argv, const char *what, const char *instead,
		   struct err **err);

#endif
