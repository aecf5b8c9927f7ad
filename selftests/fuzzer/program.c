// SPDX-License-Identifier: GPL-2.0-only
/* Programs: made from a seed, printed, and read again. */
#include "fuzzer.h"

/* What the letters of op.args stand for, and where random values of them come from */
struct op {
	const char *name;
	const char *args;	/* t twin, s slot, f slot to fill, k kind, m mask, n number */
	int weight;
};

static const struct op ops[CODES] = {
	[OPEN] = { "open", "kff", 40 },
	[CLOSE] = { "close", "s", 20 },
	[RESET] = { "reset", "s", 5 },
	[DUP] = { "dup", "sf", 15 },
	[DUP2] = { "dup2", "ss", 6 },
	[WRITE] = { "write", "sn", 110 },
	[READ] = { "read", "sn", 70 },
	[FILL] = { "fill", "s", 20 },
	[DRAIN] = { "drain", "s", 30 },
	[URGENT] = { "urgent", "s", 8 },
	[SHUTDOWN] = { "shutdown", "sn", 12 },
	[CONNECT] = { "connect", "ss", 20 },
	[ACCEPT] = { "accept", "sf", 20 },
	[FORK] = { "fork", "n", 3 },
	[EXIT] = { "exit", "n", 3 },
	[SEND] = { "send", "s", 8 },
	[RECEIVE] = { "receive", "f", 6 },
	[DROP] = { "drop", "", 3 },
	[CREATE] = { "create", "tn", 4 },
	[DESTROY] = { "destroy", "t", 3 },
	[ADD] = { "add", "tsm", 120 },
	[MOD] = { "mod", "tsm", 80 },
	[DEL] = { "del", "ts", 30 },
	[FORGET] = { "forget", "ts", 20 },
	[NEST] = { "nest", "ttm", 40 },
	[NEST_MOD] = { "nest-mod", "ttm", 15 },
	[NEST_DEL] = { "nest-del", "tt", 8 },
	[ADD_UNKNOWN] = { "add-unknown", "tsm", 2 },
	[ADD_MANY] = { "add-many", "tsm", 15 },
	[DEL_MANY] = { "del-many", "ts", 3 },
	[ADD_MANY_WAIT] = { "add-many-wait", "tsm", 10 },
	[ADD_URING] = { "add-uring", "tsm", 40 },
	[MOD_URING] = { "mod-uring", "tsm", 25 },
	[DEL_URING] = { "del-uring", "ts", 10 },
	[READY_RING] = { "ready-ring", "tn", 4 },
	[POLL] = { "poll", "t", 20 },
	[WAIT] = { "wait", "tn", 100 },
	[WAIT_READ] = { "wait-read", "tn", 100 },
	[WAIT_URING] = { "wait-uring", "tn", 60 },
	[WAIT_HARVEST] = { "wait-harvest", "tn", 400 },
	[WAIT_BAD] = { "wait-bad", "tnn", 15 },
};

static const struct {
	const char *name;
	uint32_t bit;
} bits[] = {
	{ "IN", EPOLLIN }, { "PRI", EPOLLPRI }, { "OUT", EPOLLOUT }, { "ERR", EPOLLERR },
	{ "HUP", EPOLLHUP }, { "RDNORM", EPOLLRDNORM }, { "RDBAND", EPOLLRDBAND },
	{ "WRNORM", EPOLLWRNORM }, { "WRBAND", EPOLLWRBAND }, { "MSG", EPOLLMSG },
	{ "RDHUP", EPOLLRDHUP }, { "ROTATE", EVPOLLROTATE }, { "EXCLUSIVE", EPOLLEXCLUSIVE },
	{ "WAKEUP", EPOLLWAKEUP }, { "ONESHOT", EPOLLONESHOT }, { "ET", EPOLLET },
};

#define BITS (sizeof(bits) / sizeof(bits[0]))

/* splitmix64, by Sebastiano Vigna */
uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/*
 * What a program is made with. Each program knows only a few kinds of files, steps and flags, so
 * that its steps meet: with everything at once, most of them would not.
 */
struct maker {
	uint64_t random;	/* state of the random numbers */
	int kinds;		/* kinds of files in chosen[] */
	enum kind chosen[5];
	int twins;
	int slots;
	uint32_t events;	/* bits that a mask may have */
	uint32_t how;		/* flags that a mask may have, such as EPOLLET */
	int most;		/* events that a wait may ask for */
	bool rings;		/* twins may have a ready ring */
	int weight[CODES];	/* how often to take a step; total is the sum */
	int total;
	int kind[SLOTS];	/* what a slot holds if all steps succeed, as most do; or -1 */
};

static unsigned int below(struct maker *m, unsigned int n)
{
	return (random_next(&m->random) >> 32) * n >> 32;
}

static bool one_in(struct maker *m, unsigned int n)
{
	return !below(m, n);
}

static uint32_t make_mask(struct maker *m)
{
	uint32_t mask = 0;

	for (unsigned int i = 0; i < BITS; i++)
		if ((m->events & bits[i].bit) && below(m, 2))
			mask |= bits[i].bit;
		else if ((m->how & bits[i].bit) && one_in(m, 3))
			mask |= bits[i].bit;
	if (one_in(m, 3))
		mask |= EPOLLIN | EPOLLOUT;
	/* Mostly as it must be; EINVAL is tried too. */
	if ((mask & EVPOLLROTATE) && !one_in(m, 8))
		mask |= EPOLLEXCLUSIVE;
	/* Costs an RCU grace period when it goes. */
	if (one_in(m, 1000))
		mask |= EPOLLWAKEUP;
	return mask;
}

static uint32_t make_slot(struct maker *m, bool filled)
{
	uint32_t slot = below(m, m->slots);

	/* Mostly as wanted; steps that do not apply are tried too. */
	for (int i = 0; i < 4 && (m->kind[slot] >= 0) != filled; i++)
		slot = below(m, m->slots);
	return slot;
}

static uint32_t make_number(struct maker *m, enum code op, int arg)
{
	switch (op) {
	case WAIT:
	case WAIT_READ:
	case WAIT_URING:
	case WAIT_HARVEST:
	case WAIT_BAD:
		if (arg == 2)
			return below(m, 4);
		return one_in(m, 50) ? 0 : 1 + below(m, m->most);
	case WRITE:
	case READ:
		return one_in(m, 4) ? 1 + below(m, 5000) : 1 + below(m, 20);
	case CREATE:
		return one_in(m, 2) ? below(m, FLAVOURS) : PLAIN;
	case READY_RING:
		return below(m, 7);
	default:
		return below(m, 3);
	}
}

static uint32_t make_arg(struct maker *m, enum code op, int arg)
{
	switch (ops[op].args[arg]) {
	case 't':
		return below(m, m->twins);
	case 's':
		/* EVPOLL_CTL_FORGET is for files that were closed. */
		return make_slot(m, op != FORGET || one_in(m, 2));
	case 'f':
		return make_slot(m, false);
	case 'k':
		return m->chosen[below(m, m->kinds)];
	case 'm':
		return make_mask(m);
	default:
		return make_number(m, op, arg);
	}
}

/* What the step does to the slots, if it succeeds */
static void foresee(struct maker *m, const struct step *s)
{
	switch (s->code) {
	case OPEN:
		m->kind[s->arg[1]] = s->arg[0];
		if (kind_ops[s->arg[0]].ends > 1)
			m->kind[s->arg[2]] = s->arg[0];
		break;
	case CLOSE:
	case RESET:
		m->kind[s->arg[0]] = -1;
		break;
	case DUP:
	case DUP2:
		m->kind[s->arg[1]] = m->kind[s->arg[0]];
		break;
	case ACCEPT:
		m->kind[s->arg[1]] = TCP;
		break;
	case RECEIVE:
		m->kind[s->arg[0]] = m->chosen[0];
		break;
	}
}

static void make_step(struct maker *m, struct step *s, enum code code)
{
	*s = (struct step){ .code = code };
	for (int i = 0; ops[code].args[i]; i++)
		s->arg[i] = make_arg(m, code, i);
	foresee(m, s);
}

static enum code make_code(struct maker *m)
{
	int at = below(m, m->total);
	enum code code = 0;

	while (at >= m->weight[code])
		at -= m->weight[code++];
	return code;
}

static void choose_weights(struct maker *m)
{
	for (enum code code = 0; code < CODES; code++) {
		m->weight[code] = ops[code].weight;
		switch (code) {
		case WRITE:
		case READ:
			/* Each look with a ring takes all events, so there must be more of them. */
			if (m->rings)
				m->weight[code] *= 3;
			break;
		case OPEN:
		case ADD:
		case WAIT:
			break;
		case NEST:
		case NEST_MOD:
		case NEST_DEL:
			if (m->twins == 1)
				m->weight[code] = 0;
			break;
		case READY_RING:
		case WAIT_HARVEST:
			if (!m->rings)
				m->weight[code] = 0;
			break;
		default:
			if (one_in(m, 4))
				m->weight[code] = 0;
			else if (one_in(m, 6))
				m->weight[code] *= 3;
		}
		m->total += m->weight[code];
	}
}

/* Lines are what comes in batches. The others of these have wakers that a ring can tell of. */
static enum kind choose_kind(struct maker *m)
{
	static const enum kind kinds[] = { EVENTFD, PIPE, UNIX_STREAM, UDP, TCP };

	if (one_in(m, 8))
		return LINE;
	return m->rings && one_in(m, 2) ? kinds[below(m, 5)] : below(m, KINDS);
}

static void choose(struct maker *m, bool alone)
{
	static const int twins[] = { 1, 1, 2, 2, 3, 4, 5, TWINS };
	static const int most[] = { 1, 2, 3, 5, 20, LOOK };

	m->rings = one_in(m, 3);
	m->kinds = 1 + below(m, 4);
	for (int i = 0; i < m->kinds; i++)
		do {
			m->chosen[i] = choose_kind(m);
		} while (m->chosen[i] == PROC_FILE && !alone);
	m->twins = twins[below(m, 8)];
	m->slots = 3 + below(m, SLOTS - 2);
	m->events = EPOLLIN | EPOLLOUT | (one_in(m, 2) ? random_next(&m->random) : 0);
	m->how = random_next(&m->random);
	m->events &= ~(EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE | EPOLLWAKEUP | EVPOLLROTATE);
	m->how &= EPOLLET | EPOLLONESHOT | (one_in(m, 4) ? EPOLLEXCLUSIVE | EVPOLLROTATE : 0);
	m->most = most[below(m, 6)];
	choose_weights(m);
	for (int i = 0; i < SLOTS; i++)
		m->kind[i] = -1;
}

/* @alone: no other worker runs, so that files that all workers share may be used */
void program_make(struct program *p, uint64_t seed, bool alone)
{
	struct maker m = { .random = seed };

	choose(&m, alone);
	p->seed = seed;
	p->eager = one_in(&m, 3);
	p->n = 0;
	for (int i = 0; i < m.twins; i++)
		p->step[p->n++] = (struct step){ CREATE, { i, make_number(&m, CREATE, 1) } };
	/* Before the first registration */
	for (int i = 0; i < m.twins; i++)
		if (m.rings && !one_in(&m, 4))
			p->step[p->n++] = (struct step){
				READY_RING, { i, make_number(&m, READY_RING, 1) },
			};
	/* A tower, which few of the steps would build */
	for (int i = one_in(&m, 4) ? 1 : m.twins; i < m.twins; i++)
		p->step[p->n++] = (struct step){ NEST, { i - 1, i, make_mask(&m) } };
	/* Some of them find their slot filled. */
	for (int i = 0; i < m.slots; i++)
		make_step(&m, &p->step[p->n++], OPEN);
	for (int i = below(&m, m.slots); i; i--)
		make_step(&m, &p->step[p->n++], ADD);
	for (int n = p->n + 20 + below(&m, STEPS - 20 - p->n); p->n < n;)
		make_step(&m, &p->step[p->n++], make_code(&m));
}

static void mask_print(FILE *f, uint32_t mask)
{
	const char *bar = "";

	if (!mask)
		fputs("0", f);
	for (unsigned int i = 0; i < BITS; i++)
		if (mask & bits[i].bit) {
			fprintf(f, "%s%s", bar, bits[i].name);
			bar = "|";
		}
}

static uint32_t mask_parse(char *text)
{
	uint32_t mask = 0;
	char *save, *name;

	for (name = strtok_r(text, "|", &save); name; name = strtok_r(NULL, "|", &save))
		for (unsigned int i = 0; i < BITS; i++)
			if (!strcmp(name, bits[i].name))
				mask |= bits[i].bit;
	return mask;
}

bool step_has_mask(const struct step *s)
{
	return strchr(ops[s->code].args, 'm');
}

void step_print(FILE *f, const struct step *s)
{
	const struct op *op = &ops[s->code];

	fputs(op->name, f);
	for (int i = 0; op->args[i]; i++) {
		fputc(' ', f);
		if (op->args[i] == 'k')
			fputs(kind_ops[s->arg[i]].name, f);
		else if (op->args[i] == 'm')
			mask_print(f, s->arg[i]);
		else
			fprintf(f, "%u", s->arg[i]);
	}
	fputc('\n', f);
}

void program_print(FILE *f, const struct program *p)
{
	if (p->eager)
		fputs("eager\n", f);
	for (int i = 0; i < p->n; i++)
		step_print(f, &p->step[i]);
}

static bool arg_parse(char letter, char *text, uint32_t *arg)
{
	static const uint32_t limit[256] = { ['t'] = TWINS, ['s'] = SLOTS, ['f'] = SLOTS };
	char *end;

	switch (letter) {
	case 'k':
		for (*arg = 0; *arg < KINDS; ++*arg)
			if (!strcmp(text, kind_ops[*arg].name))
				return true;
		return false;
	case 'm':
		*arg = mask_parse(text);
		return true;
	default:
		*arg = strtoul(text, &end, 10);
		return !*end && (!limit[(int)letter] || *arg < limit[(int)letter]);
	}
}

static bool step_parse(char *line, struct step *s)
{
	char *save, *text = strtok_r(line, "\n ", &save);

	for (s->code = 0; s->code < CODES; s->code++)
		if (!strcmp(text, ops[s->code].name))
			break;
	if (s->code == CODES)
		return false;
	for (int i = 0; ops[s->code].args[i]; i++) {
		text = strtok_r(NULL, "\n ", &save);
		if (!text || !arg_parse(ops[s->code].args[i], text, &s->arg[i]))
			return false;
	}
	return true;
}

/* What program_print() wrote; lines with # are comments. */
bool program_parse(FILE *f, struct program *p)
{
	char line[256], copy[256];

	*p = (struct program){};
	while (p->n < STEPS && fgets(line, sizeof(line), f)) {
		if (line[0] == '#' || line[0] == '\n')
			continue;
		if (!strcmp(line, "eager\n")) {
			p->eager = true;
			continue;
		}
		strcpy(copy, line);
		if (!step_parse(line, &p->step[p->n++])) {
			fprintf(stderr, "not a step: %s", copy);
			return false;
		}
	}
	return true;
}
