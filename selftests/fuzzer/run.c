// SPDX-License-Identifier: GPL-2.0-only
/* Runs programs, and shrinks one that shows a difference. */
#include "fuzzer.h"

static bool step_agrees(struct world *w, const struct program *p, const struct step *s)
{
	if (w->trace) {
		printf("%3d ", w->at);
		step_print(stdout, s);
	}
	w->steps++;
	if (s->code < CREATE)
		file_step(w, s);
	else if (!twin_step(w, s))
		return false;
	note_files(w);
	return !p->eager || look_at_all(w);
}

/* False when the sides differ; w->why says how, and w->at where. */
bool program_agrees(struct world *w, const struct program *p)
{
	world_clear(w);
	for (w->at = 0; w->at < p->n; w->at++)
		if (!step_agrees(w, p, &p->step[w->at]))
			return false;
	return look_at_all(w) && look_at_all(w) && interest_lists_agree(w);
}

/* Tries the program without @n steps from @at on. */
static bool leave_out(struct world *w, struct program *p, int at, int n)
{
	struct program less = *p;

	less.n -= n;
	memmove(&less.step[at], &less.step[at + n], (less.n - at) * sizeof(*less.step));
	if (program_agrees(w, &less))
		return false;
	*p = less;
	return true;
}

static void shrink_steps(struct world *w, struct program *p)
{
	for (int n = p->n / 2; n; n /= 2)
		for (int at = p->n - n; at >= 0; at -= n)
			leave_out(w, p, at, n);
}

/* Two steps that only go together */
static bool shrink_pairs(struct world *w, struct program *p)
{
	for (int i = 0; i < p->n; i++) {
		struct program less = *p;

		less.n--;
		memmove(&less.step[i], &less.step[i + 1], (less.n - i) * sizeof(*less.step));
		for (int j = i; j < less.n; j++)
			if (leave_out(w, &less, j, 1)) {
				*p = less;
				return true;
			}
	}
	return false;
}

static bool try_arg(struct world *w, struct program *p, int at, int arg, uint32_t value)
{
	struct program simpler = *p;

	if (p->step[at].arg[arg] == value)
		return false;
	simpler.step[at].arg[arg] = value;
	if (program_agrees(w, &simpler))
		return false;
	*p = simpler;
	return true;
}

/* Masks without bits that do not matter */
static void shrink_masks(struct world *w, struct program *p)
{
	for (int at = 0; at < p->n; at++)
		for (int bit = 0; step_has_mask(&p->step[at]) && bit < 32; bit++)
			try_arg(w, p, at, 2, p->step[at].arg[2] & ~(1U << bit));
}

static void shrink_eager(struct world *w, struct program *p)
{
	struct program lazy = *p;

	lazy.eager = false;
	if (p->eager && !program_agrees(w, &lazy))
		*p = lazy;
}

/* Makes a program that shows a difference as short as it still does. */
static void program_shrink(struct world *w, struct program *p)
{
	int before;

	do {
		before = p->n;
		shrink_steps(w, p);
		shrink_eager(w, p);
		shrink_masks(w, p);
	} while (p->n < before || (p->n < 30 && shrink_pairs(w, p)));
}

/* Says how a program differs, after it has been made short. */
static void report(struct world *w, struct program *p)
{
	int at = w->at, again = 0;
	char *text;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	fprintf(f, "# program %llx differs at step %d: %s", (unsigned long long)p->seed, at,
		w->why);
	for (int i = 0; i < 10; i++)
		again += !program_agrees(w, p);
	if (again == 10) {
		program_shrink(w, p);
		program_agrees(w, p);
		fprintf(f, "# the shortest that does, at step %d: %s", w->at, w->why);
	} else {
		fprintf(f, "# when repeated it does %d times in 10; all of it:\n", again);
	}
	program_print(f, p);
	fclose(f);
	fputs(text, stdout);
	fflush(stdout);
	free(text);
}

/* Makes a program of the seed and runs it. If it shows a difference, says so and how. */
bool fuzz_one(struct world *w, uint64_t seed)
{
	struct program p;

	program_make(&p, seed, w->alone);
	if (program_agrees(w, &p))
		return true;
	/*
	 * Run the program again, because two causes of a difference do not happen each time. An
	 * interrupt between the halves of a look that cannot take all events changes their order. A
	 * softirq that ksoftirqd runs late wakes the watchers of an instance a second time. On a
	 * busy machine that may happen twice in a row.
	 */
	for (int i = 0; i < 3 && w->late; i++) {
		if (program_agrees(w, &p)) {
			w->interrupted++;
			return true;
		}
	}
	report(w, &p);
	return false;
}
