/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The differential fuzzer: it runs random programs, and does each step on epoll and on evpoll.
 *
 * Words
 * -----
 *
 * twin      an epoll instance and an evpoll instance that get the same registrations
 * side      which of the two: EPOLL or EVPOLL
 * slot      a number that a program knows an open file by, whatever file descriptor it has
 * object    what is behind the slots that one "open" has filled, and their duplicates
 * step      an operation of a program
 * look      a wait that does not block, on both sides of a twin; what it returns must agree
 * program   a list of steps. Any list is one: a step that does not apply does nothing, so steps
 *           can be left out freely, which is what the shrinker does
 *
 * An object is one open file description, and both sides of a twin watch the same one. A wakeup of
 * the file calls both sides, one after the other, and both must come to the same result. Nothing
 * may happen between the two halves of a step. So a worker stays on one processor, and a step ends
 * only when all its effects have happened.
 */
#ifndef FUZZER_H
#define FUZZER_H

#ifndef __KSELFTEST_HARNESS_H
#define __KSELFTEST_HARNESS_H	/* for fuzz.c alone: these files have no tests */
#endif
#include "../evpoll_util.h"
#include "../lib/evpoll_ring.h"

#define SLOTS 14
#define TWINS 7			/* one more than the longest chain of instances */
#define CHILDREN 2
#define STEPS 256
#define LOOK 64			/* events of a look, more than a twin can have items */
#define FLIGHT 4		/* file descriptors in flight at a time */
#define UNKNOWN_FILE 1
#define FILE_IDS (2 * (STEPS + 1))	/* two for each object; a step opens one object */

enum { EPOLL, EVPOLL };

enum kind {
	PIPE, FIFO, UNIX_STREAM, UNIX_DGRAM, UNIX_SEQPACKET, UNIX_SENDER, UNIX_LISTENER, TCP,
	TCP_LISTENER, UDP, EVENTFD, TIMERFD, SIGNALFD, INOTIFY, FANOTIFY, PTY, MQUEUE, PIDFD,
	USERFAULTFD, LINE, PROC_FILE, MEMFD,
	KINDS,
};

enum code {
	OPEN, CLOSE, RESET, DUP, DUP2, WRITE, READ, FILL, DRAIN, URGENT, SHUTDOWN, CONNECT, ACCEPT,
	FORK, EXIT, SEND, RECEIVE, DROP, CREATE, DESTROY, ADD, MOD, DEL, FORGET, NEST, NEST_MOD,
	NEST_DEL, ADD_UNKNOWN, ADD_MANY, DEL_MANY, ADD_MANY_WAIT, ADD_URING, MOD_URING, DEL_URING,
	READY_RING, POLL, WAIT, WAIT_READ, WAIT_URING, WAIT_HARVEST, WAIT_BAD,
	CODES,
};

struct step {
	uint8_t code;
	uint32_t arg[3];
};

/**
 * struct program - what to do
 * @seed: what it was made from
 * @eager: look at all twins after each step, not only where the program has a look
 * @n: number of steps
 * @step: the steps
 */
struct program {
	uint64_t seed;
	bool eager;
	int n;
	struct step step[STEPS];
};

/**
 * struct slot - an open file
 * @fd: its file descriptor on each side. They are the same, except for a file of /proc, which
 *	reports a change once to each open file. The slot keeps them after close, for calls with a
 *	bad file descriptor
 * @open: the slot has a file
 * @kind: kind of the file
 * @object: number of the object
 * @end: which of the object's slots it was opened as, 0 or 1
 */
struct slot {
	int fd[2];
	bool open;
	enum kind kind;
	int object;
	int end;
};

/*
 * Settings of the evpoll side: none of them may change what a look returns. Or it is an epoll
 * instance, too, which watches evpoll instances.
 */
enum flavour { PLAIN, UNBATCHED, NARROW, WINDOW, OUTER, EAGER, IN_TURN, FLAVOURS };

/**
 * struct twin - an epoll instance and an evpoll instance
 * @fd: the epoll fd and the evpoll fd
 * @open: both are open
 * @flavour: settings of the evpoll side
 * @nests: it has watched a twin
 * @watched: a twin has watched it
 * @exclusive: wait queues on which it has had an item with EPOLLEXCLUSIVE, one bit for each
 * @rotates: it has had an item with EVPOLLROTATE
 * @beside: it has had two items with EPOLLEXCLUSIVE on the same wait queue
 * @shuffled: something came between the two halves of a look, and the orders differ since
 * @ringed: its evpoll side has a ready ring
 * @ring: the ring
 * @looks: with a ring: number of looks so far
 * @held: with a ring: by file, the events that a poll has shown since the last look
 * @classic: with a ring: number of wake callbacks that went the way without a ring, up to the last
 *	look
 * @polled: with a ring: a poll(2) since the last look may have dropped items
 * @leftover: with a ring: the last look has left entries in the index
 */
struct twin {
	int fd[2];
	bool open;
	enum flavour flavour;
	bool nests;
	bool watched;
	uint64_t exclusive;
	bool rotates;
	bool beside;
	bool shuffled;

	bool ringed;
	struct evpoll_ring ring;
	unsigned int looks;
	uint16_t held[FILE_IDS];
	uint64_t classic;
	bool polled;
	bool leftover;
};

/**
 * struct registration - an item of a twin, which the data of its events names
 * @file: file_of() the watched slot, UNKNOWN_FILE, or 0 for a twin
 * @kind: kind of that file
 * @events: its mask
 * @since: looks of the twin before it was made
 * @changed: it was made by MOD
 * @told: looks of the twin up to the last one in which epoll reported it
 */
struct registration {
	unsigned int file;
	enum kind kind;
	uint32_t events;
	unsigned int since;
	bool changed;
	unsigned int told;
};

struct child {
	char stack[4096];	/* first, for its alignment */
	pid_t pid;
	int object;
};

/**
 * struct world - what a program runs in, made anew for each run
 * @slot: the files
 * @twin: the instances
 * @child: processes that hold copies of the files
 * @watched: processes that the pidfds of objects refer to
 * @channel: a socket pair for file descriptors in flight
 * @flight: slots that are there, oldest first
 * @flying: number of slots in @flight
 * @objects: number of objects that were opened
 * @at: index of the step that runs
 * @trace: print each result
 * @path: of @file
 * @file: of inotify and fanotify
 * @alone: see program_make()
 * @outer: there is a twin of that flavour
 * @windowed: there was a twin of that flavour
 * @nested: a twin has watched a twin
 * @tells_once: there is a file that reports its state to the first poll only
 * @ringed: there is a twin with a ready ring
 * @item: what was registered, by step and slot
 * @asynchronous: the program has files whose events come from interrupts or other tasks
 * @late: the difference may be that of an interrupt at the wrong time, see fuzz_one()
 * @realtime: PREEMPT_RT, where a wakeup can be preempted between the two sides
 * @interrupted: looks that had to be repeated, as an event came between their halves
 * @harvested: events that came by a ready ring, over all programs
 * @steps: done, over all programs
 * @why: what differs, in words
 */
struct world {
	struct slot slot[SLOTS];
	struct twin twin[TWINS];
	struct child child[CHILDREN];
	struct child watched[SLOTS];
	int channel[2];
	struct slot flight[FLIGHT];
	int flying;
	int objects;
	int at;
	bool outer;
	bool windowed;
	bool nested;
	bool tells_once;
	bool ringed;
	struct registration item[STEPS][SLOTS];
	bool asynchronous;
	bool late;
	bool trace;

	char path[32];
	int file;
	bool alone;
	bool realtime;
	unsigned long interrupted;
	unsigned long harvested;
	unsigned long steps;
	char why[2048];
};

/* program.c */
void program_make(struct program *p, uint64_t seed, bool alone);
void program_print(FILE *f, const struct program *p);
bool program_parse(FILE *f, struct program *p);
void step_print(FILE *f, const struct step *s);
bool step_has_mask(const struct step *s);
uint64_t random_next(uint64_t *state);

/* kinds.c */
struct kind_ops {
	const char *name;
	int ends;
	bool asynchronous;
	bool (*open)(struct world *w, struct slot **s);
	void (*write)(struct world *w, struct slot *s, unsigned int n);
	void (*read)(struct world *w, struct slot *s, unsigned int n);
};

extern const struct kind_ops kind_ops[KINDS];
void file_write(struct world *w, struct slot *s, unsigned int n);
void file_read(struct world *w, struct slot *s, unsigned int n);
struct slot *slot_other_end(struct world *w, const struct slot *s);

/* sockets.c */
bool network_setup(void);
bool unix_stream_open(struct world *w, struct slot **s);
bool unix_dgram_open(struct world *w, struct slot **s);
bool unix_seqpacket_open(struct world *w, struct slot **s);
bool unix_sender_open(struct world *w, struct slot **s);
bool unix_listener_open(struct world *w, struct slot **s);
bool tcp_open(struct world *w, struct slot **s);
bool tcp_listener_open(struct world *w, struct slot **s);
bool udp_open(struct world *w, struct slot **s);
bool is_socket(const struct slot *s);
void socket_connect(struct slot *s, struct slot *listener);
void socket_accept(struct slot *listener, struct slot *s);
void socket_reset(struct slot *s);
void socket_urgent(struct slot *s);

/* world.c: steps that are done once, to the files */
int out_of_the_way(int fd);
bool world_setup(struct world *w);
void world_clear(struct world *w);
void file_step(struct world *w, const struct step *s);
pid_t child_start(struct child *c, unsigned long flags, int *pidfd);

/* twins.c: steps that are done twice, and what they return */
bool twin_step(struct world *w, const struct step *s);
bool interest_lists_agree(struct world *w);

/* look.c: a last look at all twins */
bool look_at_all(struct world *w);

/* harvest.c: twins with a ready ring */
void note_files(struct world *w);
void ring_unmap(struct twin *t);

/* items.c: what an instance watches */
#define ANY_NUMBER INT32_MIN
int items_read(int ep, int number, struct epoll_event *to);
int epoll_forget(const struct world *w, int ep, int number);

/* uring.c */
bool uring_start(void);

/* run.c */
bool program_agrees(struct world *w, const struct program *p);
bool fuzz_one(struct world *w, uint64_t seed);

/* threads.c */
bool threads_agree(struct world *w, enum mechanism by, bool ring, uint64_t seed, int writes);

#endif /* FUZZER_H */
