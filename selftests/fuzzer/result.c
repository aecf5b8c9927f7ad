// SPDX-License-Identifier: GPL-2.0-only
/* What a step returned on the two sides: how it is compared, and how it is printed. */
#include "twins.h"

static void print_event(FILE *f, const struct epoll_event *ev, bool change)
{
	unsigned int slot = ev->data.u64 & 0xffff;

	if (change)
		fprintf(f, "  %u:%s", slot, ev->events ? strerrorname_np(ev->events) : "0");
	else
		fprintf(f, "  %u@%u:%x", slot, (unsigned int)(ev->data.u64 >> 16), ev->events);
}

/* Writes the results to w->why, each in a row that begins with its name. */
void write_rows(struct world *w, const char *what, const struct result *r,
		const char *const *name, int rows)
{
	FILE *f = fmemopen(w->why, sizeof(w->why), "w");

	fprintf(f, "%s:\n", what);
	for (int row = 0; row < rows; row++) {
		fprintf(f, "  %-7s", name[row]);
		if (r[row].n < 0)
			fprintf(f, "%s", strerrorname_np(r[row].error));
		else
			fprintf(f, "%d", r[row].n);
		for (int i = 0; i < r[row].n; i++)
			print_event(f, &r[row].ev[i], r[row].changes);
		fputc('\n', f);
	}
	fclose(f);
}

bool differ(struct world *w, const char *what, const struct result *r)
{
	static const char *const side_name[2] = { "epoll", "evpoll" };

	write_rows(w, what, r, side_name, 2);
	return false;
}

void trace(struct world *w, const char *what, const struct result *r)
{
	if (!w->trace)
		return;
	differ(w, what, r);
	fputs(w->why, stdout);
	w->why[0] = 0;
}

static int by_data(const void *a, const void *b)
{
	const struct epoll_event *x = a, *y = b;

	return x->data.u64 < y->data.u64 ? -1 : x->data.u64 > y->data.u64;
}

bool agree(const struct result *r, bool ordered)
{
	struct result sorted[2];

	if (r[0].n != r[1].n || r[0].error != r[1].error)
		return false;
	if (r[0].n <= 0)
		return true;
	if (!memcmp(r[0].ev, r[1].ev, r[0].n * sizeof(*r[0].ev)))
		return true;
	if (ordered)
		return false;
	for (int side = 0; side < 2; side++) {
		memcpy(&sorted[side], &r[side], sizeof(*r));
		qsort(sorted[side].ev, r[0].n, sizeof(*r[0].ev), by_data);
	}
	return !memcmp(sorted[0].ev, sorted[1].ev, r[0].n * sizeof(*r[0].ev));
}

/* What a change returned, in the place of an event */
void set_error(struct result *r, int i, int error, unsigned int slot)
{
	r->ev[i].events = error;
	r->ev[i].data.u64 = slot;
	r->n = i + 1;
	r->changes = true;
}
