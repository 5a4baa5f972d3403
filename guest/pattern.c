/* SPDX-License-Identifier: Apache-2.0 */
/* A pattern for memory: see pattern.h. */
#include "guest/pattern.h"

#include <string.h>

/* Fibonacci hashing: multiples of 2^64 divided by the golden ratio, with the high bits folded into
 * the low ones. Cheap, since it fills gigabytes on an emulated machine. */
#define STEP UINT64_C(0x9e3779b97f4a7c15)

static uint64_t start(uint64_t offset, uint64_t seed)
{
	return (offset / 8 + 1) * STEP + seed * UINT64_C(0xd1342543de82ef95);
}

static uint64_t fold(uint64_t x)
{
	return x ^ x >> 29;
}

void pattern_fill(void *memory, uint64_t offset, size_t len, uint64_t seed)
{
	uint64_t *words = memory;
	uint64_t x = start(offset, seed);

	for (size_t i = 0; i < len / 8; i++, x += STEP)
		words[i] = fold(x);
}

size_t pattern_check(const void *memory, uint64_t offset, size_t len, uint64_t seed)
{
	const uint64_t *words = memory;
	uint64_t x = start(offset, seed);

	for (size_t i = 0; i < len / 8; i++, x += STEP) {
		uint64_t right = fold(x);

		if (words[i] == right)
			continue;

		const uint8_t *got = (const uint8_t *)&words[i];
		uint8_t want[8];
		size_t byte = 0;

		memcpy(want, &right, 8);
		while (got[byte] == want[byte])
			byte++;
		return i * 8 + byte;
	}
	return len;
}
