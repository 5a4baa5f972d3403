/* SPDX-License-Identifier: Apache-2.0 */
/* vm/irq.h without KVM: see fakes.h. */
#include "vm/irq.h"

#include <stddef.h>

#include "base/err.h"
#include "tests/fakes/fakes.h"

struct irqs *fake_irqs(void)
{
	return (struct irqs *)&fakes;
}

int irq_line_new_msi(struct irqs *irqs, struct irq_line **ret_line, struct err **err)
{
	(void)irqs;
	if (fakes.fail_lines || fakes.n_lines == FAKE_LINES_MAX)
		return err_set(err, ERR_FAILED, 0, "no more lines");
	fakes.lines[fakes.n_lines] = (struct fake_line){ .live = true };
	*ret_line = (struct irq_line *)&fakes.lines[fakes.n_lines++];
	return 0;
}

void irq_line_free(struct irq_line *line)
{
	((struct fake_line *)line)->live = false;
}

void irq_line_set_msi(struct irq_line *line, uint64_t address, uint32_t data)
{
	((struct fake_line *)line)->address = address;
	((struct fake_line *)line)->data = data;
}

void irq_line_raise(struct irq_line *line)
{
	((struct fake_line *)line)->raised++;
}
