/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "boot/acpi.h"
#include "boot/le.h"

enum { GPA = 0xe0000, TABLES_MAX = 8 };

struct tables {
	uint8_t *blob;
	size_t len;
	const uint8_t *table[TABLES_MAX]; /* XSDT, what it points to, and the DSDT */
	size_t n;
};

/* A table within the blob, by its guest address. */
static const uint8_t *at(const struct tables *t, uint64_t gpa)
{
	assert_in_range(gpa, GPA, GPA + t->len - 36);

	const uint8_t *p = t->blob + (gpa - GPA);

	assert_in_range(le32_get(p + 4), 36, t->len - (gpa - GPA));
	assert_int_equal(gpa % 16, 0);
	return p;
}

static const uint8_t *find(const struct tables *t, const char *signature)
{
	for (size_t i = 0; i < t->n; i++)
		if (memcmp(t->table[i], signature, 4) == 0)
			return t->table[i];
	fail_msg("no table %s", signature);
	return NULL;
}

/* Follows the pointers as a guest does. */
static struct tables build(unsigned cpus)
{
	struct tables t = { 0 };

	assert_int_equal(acpi_build(cpus, GPA, &t.blob, &t.len, NULL), 0);
	assert_memory_equal(t.blob, "RSD PTR ", 8);
	t.table[t.n++] = at(&t, le64_get(t.blob + 24));

	const uint8_t *xsdt = t.table[0];

	assert_memory_equal(xsdt, "XSDT", 4);
	for (size_t i = 0; i < (le32_get(xsdt + 4) - 36) / 8; i++)
		t.table[t.n++] = at(&t, le64_get(xsdt + 36 + i * 8));
	t.table[t.n++] = at(&t, le64_get(find(&t, "FACP") + 140));
	return t;
}

static void all_sums_are_zero(void **state)
{
	struct tables t = build(3);

	(void)state;
	assert_int_equal(acpi_checksum(t.blob, 20), 0);
	assert_int_equal(acpi_checksum(t.blob, 36), 0);
	assert_int_equal(t.n, 5);
	for (size_t i = 0; i < t.n; i++)
		assert_int_equal(acpi_checksum(t.table[i], le32_get(t.table[i] + 4)), 0);
	free(t.blob);
}

static void a_checksum_makes_the_sum_zero(void **state)
{
	const uint8_t data[] = { 0xff, 0x80, 0x90 };

	(void)state;
	assert_int_equal(acpi_checksum(data, 3), 0xf1);
	assert_int_equal(acpi_checksum(data, 0), 0);
}

static void the_machine_is_hardware_reduced(void **state)
{
	struct tables t = build(1);
	const uint8_t *fadt = find(&t, "FACP");

	(void)state;
	assert_int_equal(fadt[8], 6);
	assert_int_equal(le32_get(fadt + 4), 276);
	assert_int_not_equal(le32_get(fadt + 112) & 1u << 20, 0); /* HW_REDUCED_ACPI */
	assert_int_not_equal(le32_get(fadt + 112) & 1u << 10, 0); /* RESET_REG_SUP */
	assert_int_equal(le16_get(fadt + 109) & 1 << 1, 0);	  /* no 8042 */
	assert_int_equal(le16_get(fadt + 109) & 1 << 3, 0);	  /* MSI is fine */
	assert_int_equal(le16_get(fadt + 109) & 1 << 5, 0);	  /* there is an RTC */
	assert_int_equal(fadt[116], 1);
	assert_int_equal(le64_get(fadt + 120), 0x602);
	assert_int_equal(fadt[128], 1);
	assert_int_equal(le64_get(fadt + 248), 0x600);
	assert_int_equal(le64_get(fadt + 260), 0x601);
	assert_int_equal(le32_get(fadt + 40), le64_get(fadt + 140));
	free(t.blob);
}

static void each_vcpu_has_its_apic(void **state)
{
	static const unsigned counts[] = { 1, 2, 8, 255 };
	(void)state;

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct tables t = build(counts[i]);
		const uint8_t *madt = find(&t, "APIC");
		const uint8_t *e = madt + 44, *end = madt + le32_get(madt + 4);
		unsigned cpus = 0, ioapics = 0;

		assert_int_equal(le32_get(madt + 36), 0xfee00000);
		assert_int_equal(le32_get(madt + 40), 0); /* no 8259 */
		for (; e < end; e += e[1]) {
			assert_int_not_equal(e[1], 0);
			if (e[0] == 0) {
				assert_int_equal(e[3], cpus++);
				assert_int_equal(le32_get(e + 4), 1);
			} else {
				assert_int_equal(e[0], 1);
				assert_int_equal(le32_get(e + 4), 0xfec00000);
				assert_int_equal(le32_get(e + 8), 0);
				ioapics++;
			}
		}
		assert_ptr_equal(e, end);
		assert_int_equal(cpus, counts[i]);
		assert_int_equal(ioapics, 1);
		free(t.blob);
	}
}

static void configuration_space_is_one_bus(void **state)
{
	struct tables t = build(1);
	const uint8_t *mcfg = find(&t, "MCFG");

	(void)state;
	assert_int_equal(le32_get(mcfg + 4), 60);
	assert_int_equal(le64_get(mcfg + 44), 0xe0000000);
	assert_int_equal(le16_get(mcfg + 52), 0);
	assert_int_equal(mcfg[54], 0);
	assert_int_equal(mcfg[55], 0);
	free(t.blob);
}

static void an_impossible_number_of_vcpus_is_refused(void **state)
{
	struct err *err = NULL;
	uint8_t *blob = NULL;
	size_t len;

	(void)state;
	assert_int_equal(acpi_build(0, GPA, &blob, &len, &err), -1);
	assert_int_equal(err_code(err), ERR_USAGE);
	assert_int_equal(acpi_build(256, GPA, &blob, &len, NULL), -1);
	assert_int_equal(acpi_build(1, GPA + 8, &blob, &len, NULL), -1);
	assert_null(blob);
	err_free(err);
}

/* Whether a file has a line with one of the words that iasl complains with. */
static int has_complaint(const char *path)
{
	static const char *const words[] = { "Warning", "Error", "Invalid", "**** ", "ACPI BIOS" };
	FILE *f = fopen(path, "r");
	char line[512];
	int found = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (strstr(line, words[i])) {
				print_error("%s: %s", path, line);
				found = 1;
			}
	fclose(f);
	return found;
}

static void iasl_understands_each_table(void **state)
{
	struct tables t = build(8);
	char dir[] = "/tmp/test_acpi.XXXXXX";

	(void)state;
	assert_non_null(mkdtemp(dir));
	for (size_t i = 0; i < t.n; i++) {
		char path[64], command[256];

		snprintf(path, sizeof(path), "%s/%.4s.dat", dir, (const char *)t.table[i]);

		FILE *f = fopen(path, "w");

		assert_non_null(f);
		assert_int_equal(fwrite(t.table[i], le32_get(t.table[i] + 4), 1, f), 1);
		fclose(f);
		snprintf(command, sizeof(command), "cd %s && iasl -d %s >%s/log 2>&1", dir, path,
			 dir);
		assert_int_equal(system(command), 0);
		snprintf(path, sizeof(path), "%s/log", dir);
		assert_false(has_complaint(path));
		snprintf(path, sizeof(path), "%s/%.4s.dsl", dir, (const char *)t.table[i]);
		assert_false(has_complaint(path));
	}

	char command[64];

	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
	free(t.blob);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_sums_are_zero),
		cmocka_unit_test(a_checksum_makes_the_sum_zero),
		cmocka_unit_test(the_machine_is_hardware_reduced),
		cmocka_unit_test(each_vcpu_has_its_apic),
		cmocka_unit_test(configuration_space_is_one_bus),
		cmocka_unit_test(an_impossible_number_of_vcpus_is_refused),
		cmocka_unit_test(iasl_understands_each_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
