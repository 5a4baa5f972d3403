/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ACPI power button.
 *
 * The kernel's button driver sends each press to a multicast group of generic netlink, named
 * acpi_mc_group in the family acpi_event. That needs no input device, and no module but button.
 * Source: Linux, drivers/acpi/event.c and Documentation/userspace-api/netlink/intro.rst.
 */
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guest/guest.h"

/* Of drivers/acpi/event.c; there is no header. */
struct acpi_event {
	char device_class[20];
	char bus_id[15];
	uint32_t type;
	uint32_t data;
};
enum { ACPI_EVENT_ATTR = 1 };

/* A generic netlink message with the attributes in it. */
struct message {
	struct nlmsghdr head;
	struct genlmsghdr genl;
	uint8_t attrs[4096];
};

/* The attribute of a type among len bytes of them, or NULL. */
static const struct nlattr *attr_find(const void *attrs, size_t len, unsigned type)
{
	const uint8_t *p = attrs;

	while (len >= NLA_HDRLEN) {
		const struct nlattr *a = (const void *)p;
		size_t step = NLA_ALIGN(a->nla_len);

		if (a->nla_len < NLA_HDRLEN || a->nla_len > len)
			return NULL;
		if ((a->nla_type & NLA_TYPE_MASK) == type)
			return a;
		if (step > len)
			return NULL;
		p += step;
		len -= step;
	}
	return NULL;
}

static const void *attr_data(const struct nlattr *a)
{
	return (const uint8_t *)a + NLA_HDRLEN;
}

static size_t attr_len(const struct nlattr *a)
{
	return a->nla_len - NLA_HDRLEN;
}

/* The attributes of a message of n bytes, or NULL if it is none. */
static const uint8_t *message_attrs(const struct message *m, ssize_t n, size_t *ret_len)
{
	size_t head = offsetof(struct message, attrs);

	if (n < (ssize_t)head || m->head.nlmsg_len > (size_t)n || m->head.nlmsg_len < head ||
	    m->head.nlmsg_type < NLMSG_MIN_TYPE)
		return NULL;
	*ret_len = m->head.nlmsg_len - head;
	return m->attrs;
}

/* Asks for the family; its number of the multicast group, or 0. */
static uint32_t find_group(int fd)
{
	static const char family[] = "acpi_event";
	struct message m = { 0 };
	struct nlattr name = { .nla_len = NLA_HDRLEN + sizeof(family),
			       .nla_type = CTRL_ATTR_FAMILY_NAME };
	size_t len;

	m.head.nlmsg_type = GENL_ID_CTRL;
	m.head.nlmsg_flags = NLM_F_REQUEST;
	m.genl.cmd = CTRL_CMD_GETFAMILY;
	m.genl.version = 1;
	memcpy(m.attrs, &name, sizeof(name));
	memcpy(m.attrs + NLA_HDRLEN, family, sizeof(family));
	m.head.nlmsg_len = (uint32_t)(offsetof(struct message, attrs) + NLA_ALIGN(name.nla_len));
	if (send(fd, &m, m.head.nlmsg_len, 0) < 0)
		return 0;

	ssize_t n = recv(fd, &m, sizeof(m), 0);
	const uint8_t *attrs = message_attrs(&m, n, &len);
	const struct nlattr *groups = attrs ? attr_find(attrs, len, CTRL_ATTR_MCAST_GROUPS) : NULL;
	/* The groups are numbered from 1, and this family has one. */
	const struct nlattr *group = groups ? attr_find(attr_data(groups), attr_len(groups), 1)
					    : NULL;
	const struct nlattr *id = group ? attr_find(attr_data(group), attr_len(group),
						    CTRL_ATTR_MCAST_GRP_ID)
					: NULL;
	uint32_t value = 0;

	if (id && attr_len(id) >= sizeof(value))
		memcpy(&value, attr_data(id), sizeof(value));
	return value;
}

static bool is_power_button(const struct message *m, ssize_t n)
{
	size_t len;
	const uint8_t *attrs = message_attrs(m, n, &len);
	const struct nlattr *a = attrs ? attr_find(attrs, len, ACPI_EVENT_ATTR) : NULL;
	struct acpi_event event;

	if (!a || attr_len(a) < sizeof(event))
		return false;
	memcpy(&event, attr_data(a), sizeof(event));
	return !strncmp(event.device_class, "button/power", strlen("button/power"));
}

static void watch(int fd)
{
	struct message m;

	for (;;) {
		ssize_t n = recv(fd, &m, sizeof(m), 0);

		if (n < 0 && errno != EINTR && errno != ENOBUFS)
			return;
		if (n > 0 && is_power_button(&m, n)) {
			say("lodge-guest: power button");
			power_off();
		}
	}
}

void button_watch(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	uint32_t group = fd < 0 ? 0 : find_group(fd);

	if (group == 0 ||
	    setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0) {
		say("lodge-guest: no power button: %s", strerror(errno));
	} else if (fork() == 0) {
		/* A process of its own: it's obeyed whatever order is at work. */
		watch(fd);
		_exit(1);
	}
	if (fd >= 0)
		close(fd);
}
