/* SPDX-License-Identifier: Apache-2.0 */
/* Whether promises can be kept: see danger.h. */
#include "govern/danger.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/size.h"

/* By how much a lack must have grown to be said again, percent. */
enum { WORSE_PERCENT = 25 };

static bool lacks(const struct promise_lack *lack)
{
	return lack->ram > 0 || lack->total > 0 || lack->swap > 0 || lack->protection > 0;
}

__attribute__((format(printf, 2, 3))) static void add(char text[DANGER_TEXT_MAX], const char *fmt,
						      ...)
{
	size_t used = strlen(text);
	va_list args;

	va_start(args, fmt);
	vsnprintf(text + used, DANGER_TEXT_MAX - used, fmt, args);
	va_end(args);
}

static void describe_lack(const struct ledger *ledger, const struct promise_lack *lack,
			  char text[DANGER_TEXT_MAX])
{
	const struct promise_capital *c = &ledger->capital;
	char sizes[5][SIZE_TEXT_MAX];

	if (lack->ram > 0)
		add(text,
		    "guarantees are in danger: %s are promised with %s to swap through, and guests "
		    "can have %s of RAM; %s more RAM, or less of what others use (%s), restores "
		    "them",
		    size_format(ledger->sum.guaranteed, sizes[0]),
		    size_format(promise_slack(promise_ram(c)), sizes[1]),
		    size_format(promise_ram(c), sizes[2]), size_format(lack->ram, sizes[3]),
		    size_format(c->others, sizes[4]));
	if (lack->total > 0)
		add(text,
		    "%sguests' memory is in danger: %s are promised, of %s of RAM and %s of swap; "
		    "%s more swap or RAM, or an end of that much of guests, restores it",
		    *text ? "; " : "", size_format(ledger->sum.worst, sizes[0]),
		    size_format(promise_ram(c), sizes[1]), size_format(promise_swap(c), sizes[2]),
		    size_format(lack->total, sizes[3]));
	if (lack->swap > 0)
		add(text,
		    "%smemory beyond limits is in danger: %s have to be in swap, of which there "
		    "are %s; %s more swap, or higher limits, restore it",
		    *text ? "; " : "", size_format(ledger->sum.beyond, sizes[0]),
		    size_format(promise_swap(c), sizes[1]), size_format(lack->swap, sizes[2]));
	if (lack->protection > 0)
		add(text,
		    "%sguarantees are in danger: the kernel is to protect %s, and the groups above " LEDGER_SLICE
		    " protect %s; more memory.min there restores them",
		    *text ? "; " : "", size_format(ledger->sum.protection, sizes[0]),
		    size_format(promise_protection(c), sizes[1]));
	add(text, "; nobody who needs it is let in until then");
}

static void describe_unlimited(const struct ledger *ledger, char text[DANGER_TEXT_MAX])
{
	add(text,
	    "every promise is in danger: " LEDGER_SLICE "/%s has no limit (memory.max, "
	    "memory.swap.max), so nothing is promised beside it",
	    ledger->unlimited);
}

void danger_describe(const struct ledger *ledger, char text[DANGER_TEXT_MAX])
{
	struct promise_lack lack = promise_lack(&ledger->capital, &ledger->sum);

	text[0] = '\0';
	if (*ledger->unlimited)
		describe_unlimited(ledger, text);
	else if (lacks(&lack))
		describe_lack(ledger, &lack, text);
	else
		add(text, "every promise can be kept");
}

static bool is_worse(uint64_t now, uint64_t before)
{
	return (now > 0) != (before > 0) || now > before + before * WORSE_PERCENT / 100;
}

void danger_decide(const struct ledger *ledger, struct danger_memory *memory,
		   char text[DANGER_TEXT_MAX])
{
	struct promise_lack lack = promise_lack(&ledger->capital, &ledger->sum);
	const struct promise_lack *before = &memory->lack;
	bool unlimited = *ledger->unlimited != '\0';
	bool news = unlimited != memory->unlimited || is_worse(lack.ram, before->ram) ||
		    is_worse(lack.total, before->total) || is_worse(lack.swap, before->swap) ||
		    is_worse(lack.protection, before->protection);

	text[0] = '\0';
	if (!news)
		return;
	danger_describe(ledger, text);
	if (!unlimited && !lacks(&lack))
		add(text, " again");
	*memory = (struct danger_memory){ .lack = lack, .unlimited = unlimited };
}
