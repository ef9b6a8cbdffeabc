/* larder: the inside of a handle
 *
 * Purpose: what the files of the library share. Who does what:
 *
 *     calls.c, batch.c   the functions of larder.h
 *     op.c, op_end.c     an operation: which server, failover, hedge, retry, its end
 *     node.c             a server: connection, breaker, the requests it has not answered
 *     node_reply.c       what it answers, checked and given to the operations
 *     node_warm.c        a primary that is back: whether it is warm
 *     op_pair.c          both copies of a pair: written, repaired
 *     op_near.c          an operation and the near cache (near.c)
 *     copies.c, large.c  hot keys under several keys; large values in pieces; on the calls
 *     compute.c          get_or_compute, on the calls; origin.c: who computes in this process
 *     loop.c             waits for all of them, with timers
 *     conn, secure, resolve, wire, latency   know nothing of the above
 *
 * An operation (op) sends one request (leg) to one server (node), or two. A leg belongs to its node
 * until it is answered or lost, even when its operation has ended meanwhile: the place of its reply
 * in the stream has to be known.
 *
 * Owner: the handle owns all of it.   Threads: one at a time.
 * Memory: ops and legs are kept for reuse, with values of up to OP_VALUE_KEPT_BYTES.
 * Limits: one connection a server and handle.
 * Errors: nothing here fails but for memory: what goes wrong ends operations. */
#ifndef LARDER_CLIENT_CLIENT_H
#define LARDER_CLIENT_CLIENT_H

#include <poll.h>

#include "src/client/options.h"
#include "src/client/conn.h"
#include "src/client/hot.h"
#include "src/client/latency.h"
#include "src/client/near.h"
#include "src/client/resolve.h"
#include "src/client/ring.h"
#include "src/client/secure.h"
#include "src/client/wire.h"

enum {
    WHY_BYTES_MAX = 192,
    OP_VALUE_KEPT_BYTES = 1 << 14,
    OPS_KEPT_MAX = 4096,
    LINE_BYTES_MAX = 1 << 14,    /* of statistics and the like */
    FLUSH_BYTES = 1 << 16,       /* a batch is sent when this much has come together */
    FRESH_NS = 20 * 1000 * 1000, /* a connection that was idle for longer is looked at before use */
};

#define MS_NS UINT64_C(1000000)
#define NEVER_NS UINT64_MAX

enum leg_kind {
    LEG_OP,    /* of an operation */
    LEG_PROBE, /* the first of a connection: does it know meta? */
    LEG_WARM,  /* `stats larder` of a primary that is back */
    LEG_LINES, /* of an operation, answered by lines */
};

struct leg {
    struct leg *next;
    struct op *op; /* NULL: nobody waits for it any more */
    struct node *node;
    uint64_t begun_ns;
    uint64_t from;   /* where its request begins in what the connection ever sends */
    const char *why; /* lost: why, static */
    uint32_t opaque;
    enum leg_kind kind;
    bool was_sent;   /* lost: the server may have seen it */
    bool value_seen; /* classic: only END is missing */
    bool ok_begins;  /* answered by lines that OK is the first of, not the last */
    bool bad_key;    /* lost: the server's dialect has no way to say it */
};

struct leg_queue {
    struct leg *first;
    struct leg *last;
};

enum node_phase {
    NODE_CLOSED,
    NODE_RESOLVING,
    NODE_CONNECTING,
    NODE_PROBING,
    NODE_READY,
};

struct node {
    struct larder *larder;
    struct node *partner; /* the other of the pair, or NULL */
    const struct ring_server *server;
    char name[SERVER_NAME_BYTES_MAX];
    uint32_t position;
    bool is_replica;

    enum node_phase phase;
    enum wire_dialect dialect;
    bool dialect_known;
    struct conn conn;
    struct resolve *resolve;
    struct addresses addresses;
    unsigned address_next;
    uint64_t connect_until_ns;
    struct leg_queue sent;    /* in the order of their replies */
    struct leg_queue waiting; /* for the connection */
    struct wire_reply reply;  /* whose value is awaited */
    bool value_awaited;
    uint32_t active_index; /* in larder->active, or UINT32_MAX */

    /* the breaker */
    bool down;           /* open; tried again when retry_ns has come */
    bool warming;        /* back, but its replica serves */
    bool was_down;       /* since it was last warm */
    uint32_t failed_row; /* failures since it last answered */
    uint32_t backoff_ms;
    uint64_t retry_ns;
    uint64_t struck_ns;
    uint64_t heard_ns;
    uint64_t used_ns;
    const char *down_why;

    uint64_t back_ns; /* since when it answers again */
    uint64_t warm_poll_ns;
    uint64_t lost_ns;      /* when it last answered before it went */
    bool warm_asked;
    bool warm_told; /* it says whether it is warm */
    bool warm_is;
    bool warm_same; /* it is the process that it was */

    uint64_t requests;
    uint64_t failures;
    uint64_t connections;
    struct latency latency;
};

struct position {
    struct node *primary;
    struct node *replica; /* or NULL */
};

struct op {
    struct op *next;
    struct op *prev;
    struct larder *larder;
    struct larder_request request;
    struct larder_item item;
    struct larder_item *into; /* where a call wants the item, or NULL */
    struct bytes value;
    struct position *position;
    struct leg *legs[2];  /* under way, to the primary and to the replica */
    struct node *pinned;  /* the one server this is for, or NULL */
    struct node *judge;   /* the one copy that the request's token is of, or NULL */
    struct node *turn_to; /* the server that the timer shall ask, or NULL */
    struct node *missed;  /* read: this copy does not have it, the other is asked */
    struct op *parent;    /* whose other copy this writes, or NULL */
    struct op *child;     /* that writes or reads for this one, or NULL */
    enum larder_result own_result;   /* the child is waited for */
    enum larder_result other_result; /* the child's */
    bool own_known;
    bool other_known;
    const struct op_lines *lines; /* who wants them, or NULL: it is answered as usual */
    uint64_t begun_ns;
    uint64_t deadline_ns;
    uint64_t timer_ns;
    uint32_t tries;
    bool asked[2]; /* in this try */
    bool hedged;
    bool ended;
    bool silent;  /* it is nobody's: it goes when it ends */
    enum larder_verb verb; /* that was asked for, where the request is another for a while */
    uint64_t near_ticket;  /* 0: its value is not for the near cache */
    char number[24];       /* classic: the initial number that is added */
    char why[WHY_BYTES_MAX];
};

struct op_list {
    struct op *first;
    struct op *last;
};

struct larder {
    struct larder_config *config;
    struct config_servers servers;
    struct ring *ring;
    struct secure_context *secure;
    struct node *nodes;
    struct position *positions;
    struct node **active; /* those something is awaited from */
    struct pollfd *polls;
    uint32_t node_count;
    uint32_t active_count;
    struct op_list running;
    struct op_list ended; /* and not taken */
    struct op_list lent;  /* taken; their items live until the next call */
    struct op *free_ops;
    struct leg *free_legs;
    struct leg_queue lost; /* that their operations have not been told of */
    uint32_t free_op_count;
    uint32_t opaque;
    uint32_t ends;  /* operations that have ended, ever */
    size_t pending; /* submitted and not taken */
    struct hot hot;
    uint64_t born_ns;
    uint64_t now_ns;
    uint64_t timer_ns;      /* the earliest of all operations', or earlier */
    uint64_t node_timer_ns; /* likewise of all servers */
    uint64_t random;
    struct near *near;  /* or NULL */
    bool near_is_own;   /* not a pool's */
    struct bytes kept; /* a value that outlives the request it came with, until the next call */
    char why[WHY_BYTES_MAX];
};

/* loop.c */
void loop_look_at_clock(struct larder *larder);
/* Waits for something to happen, until `until_ns` at most, and does what follows from it. */
void loop_turn(struct larder *larder, uint64_t until_ns);
void loop_wake_at(struct larder *larder, uint64_t ns);
/* Servers' timers outlive operations. */
void loop_wake_node_at(struct larder *larder, uint64_t ns);
/* Tells operations of legs that were lost. */
void loop_settle(struct larder *larder);
uint64_t client_random(struct larder *larder);
/* ms shortened at random by up to half, in ns. */
uint64_t client_jitter_ns(struct larder *larder, uint64_t ms);

/* node.c */
void node_init(struct node *node, struct larder *larder, const struct ring_server *server);
void node_fini(struct node *node);
/* Whether an operation may be sent there: the breaker lets it through. */
bool node_is_open_to(const struct node *node);
/* Sends the leg, or keeps it until there is a connection. It may be lost at once. */
void node_ask(struct node *node, struct leg *leg);
/* Connects a server that is down, when its time has come, without an operation that waits. */
void node_try(struct node *node);
void node_turn(struct node *node, short events);
/* What is due by its clock; when it wants to be looked at again. */
uint64_t node_timer(struct node *node);
/* The connection is of no use any more: all its legs are lost. */
void node_fail(struct node *node, const char *why);
/* It has kept an operation waiting too long. */
void node_strike(struct node *node, const struct leg *leg);
/* Its first reply came. */
void node_is_ready(struct node *node);
void node_activate(struct node *node);
int node_fd(const struct node *node);
short node_events(const struct node *node);
/* Takes the leg out of those that have not been sent; false: it has. */
bool node_withdraw(struct node *node, struct leg *leg);
/* Closes without blame. */
void node_close(struct node *node);
void leg_queue_push(struct leg_queue *queue, struct leg *leg);
struct leg *leg_queue_pop(struct leg_queue *queue);

/* node_reply.c: replies that have come, to their legs. */
void node_take_replies(struct node *node);

/* node_warm.c */
void node_warm_begin(struct node *node);
/* When to look again. */
uint64_t node_warm_timer(struct node *node);
void node_warm_line(struct node *node, struct span line);
/* One of its two replies has ended. */
void node_warm_end(struct node *node);
/* Sends a command that is answered by lines. False: no memory. */
MUST_CHECK bool node_ask_lines(struct node *node, const char *command);

/* op.c */
/* NULL: no memory. It may have ended already. */
MUST_CHECK struct op *op_begin(struct larder *larder, const struct larder_request *request);
/* The same for one server, lines wanted or not. */
MUST_CHECK struct op *op_begin_at(struct node *node, const struct larder_request *request,
                                  const struct op_lines *lines);
void op_timer(struct op *op);
/* A reply with its value. False: it makes no sense, and nothing has happened. Asks no server
 * itself: what has to follow is done by the timer. */
MUST_CHECK bool op_answered(struct op *op, struct leg *leg, const struct wire_reply *reply,
                            struct span value);
/* The leg is the operation's no more. */
void op_lost(struct op *op, struct leg *leg);

/* The other of the pair, unless the operation is for one server only. */
struct node *op_partner_of(const struct op *op, const struct node *node);
/* Ends the operation soon, without a further request. */
void op_cancel(struct op *op);
void op_set_timer(struct op *op, uint64_t ns);
/* One for a server of the pair, in the service of another (or of none: NULL). NULL: no memory. */
struct op *op_begin_child(struct op *parent, struct node *node,
                          const struct larder_request *request);

/* op_pair.c */
/* A write has been begun: the other copy is written as well. */
void op_pair_begin(struct op *op);
/* There is a result: ends the operation, or does first what has to follow. */
void op_pair_conclude(struct op *op, struct node *node, enum larder_result result);
/* Before its end. True: not yet. */
bool op_pair_waits(struct op *op, enum larder_result *result);
void op_pair_child_ended(struct op *parent, struct op *child);
/* The token of a copy as the caller sees it. */
uint64_t op_pair_token(const struct op *op, const struct node *node, uint64_t cas);
/* Finds the one server that can judge the request's token. */
void op_pair_find_judge(struct op *op);

/* op_near.c */
/* True: the near cache has what it wants, and it has ended. */
MUST_CHECK bool op_near_serves(struct op *op);
void op_near_conclude(struct op *op, enum larder_result result);

/* handle.c: larder_create with a near cache that others share; NULL: as the options say. */
MUST_CHECK struct larder *handle_create(const struct larder_config *config, struct near *near,
                                        const char **why);
/* As the options say; NULL also without one. */
struct near *handle_create_near(const struct larder_config *config, const char **why);

/* op_lines.c: operations that are answered by lines */
struct op_lines {
    void (*each)(void *context, struct span line);
    void *context;
};
/* Whether "OK" begins what the command is answered by. */
bool op_lines_begin_with_ok(const struct op *op);
bool op_line_ends(const struct leg *leg, struct span line);
void op_line(struct op *op, struct leg *leg, struct span line, bool ends);

/* op_end.c */
void op_end(struct op *op, enum larder_result result);
/* Nobody waits for its legs any more. */
void op_drop_legs(struct op *op);
/* No copy could be asked, or none answered in time. */
void op_end_unserved(struct op *op, bool timed_out);
__attribute__((format(printf, 2, 3))) void op_explain(struct op *op, const char *format, ...);
bool op_reads(const struct op *op);
/* Doing it twice is as good as doing it once. */
bool op_is_idempotent(const struct op *op);
MUST_CHECK struct op *op_create(struct larder *larder);
/* What ended operations hold may be used again. */
void op_recycle(struct larder *larder, struct op *op);
void op_list_push(struct op_list *list, struct op *op);
void op_list_remove(struct op_list *list, struct op *op);
MUST_CHECK struct leg *leg_create(struct larder *larder);
void leg_recycle(struct larder *larder, struct leg *leg);

#endif
