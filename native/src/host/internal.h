/**
 * @file internal.h
 * @brief The struct of a host, and the functions that the files of this folder call in each other.
 *
 * Invariant: a host is a monitor. Everything in `struct enetjs_host` below the lock is read and written only
 * with the lock held, and all functions here are called with it held unless they say otherwise. Control
 * blocks are never freed, only used again under a new generation, so a stale handle can always be checked.
 */
#ifndef ENETJS_INTERNAL_H
#define ENETJS_INTERNAL_H

#include <enet/enet.h>
#include <enet/time.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "enetjs.h"
#include "base/background.h"
#include "base/budget.h"
#include "base/net.h"
#include "base/number.h"
#include "base/sleeper.h"
#include "base/threads.h"
#include "base/wake.h"
#include "enet/handshake.h"
#include "enet/ping_barrier.h"
#include "enet/resend_disconnect.h"
#include "enet/throttle.h"
#include "host/event.h"
#include "host/pace.h"
#include "host/packet.h"
#include "host/slot.h"
#include "wire/datagram.h"
#include "wire/filter.h"
#include "wire/inspect.h"
#include "wire/lease.h"
#include "wire/unreachable.h"

/* How many messages to a peer ENet has at most; the others wait in our queue. */
#define ENETJS_INSIDE_MESSAGES 2600

/* Bytes that a held message counts beside its own, so that empty messages have a limit, too. */
#define ENETJS_HELD_OVERHEAD 64

/* Buckets in which addresses are counted, for the memory that ended connections still hold. */
#define ENETJS_DEBT_BUCKETS 1024

/* How many reliable packets ENet accepts ahead of one that is missing. */
#define ENETJS_PACKETS_AHEAD ((ENET_PEER_FREE_RELIABLE_WINDOWS - 1) * ENET_PEER_RELIABLE_WINDOW_SIZE)

/*
 * Bytes of large packets that a ring may refer to. Beyond, records are held and count towards their peer's
 * limit.
 */
#define ENETJS_LISTED_BYTES ((size_t)8 << 20)

/*
 * After so many wake-ups that brought the consumer nothing, the pump services first, and wakes it only for a
 * record.
 */
#define ENETJS_EMPTY_WAKEUPS_LIMIT 3

/* The flags of ENet that a message can be sent with. */
#define ENETJS_SEND_FLAGS \
  (ENET_PACKET_FLAG_RELIABLE | ENET_PACKET_FLAG_UNSEQUENCED | ENET_PACKET_FLAG_UNRELIABLE_FRAGMENT)

/*
 * While a program sends without servicing, ENet is serviced after so many bytes, counting 64 more for each
 * message.
 */
#define ENETJS_SEND_TURN_BYTES (48 * 1024)

/* A broadcast copies shorter payloads for each peer, and shares one copy of longer ones. */
#define ENETJS_SHARE_MINIMUM 512

/*
 * Blocks of memory that calls free between the beginnings of two services, for connections that have ended: 1
 * ms.
 */
#define ENETJS_DISCARD_AT_ONCE ((size_t)8192)

struct enetjs_addresses;
struct enetjs_batch;
struct enetjs_guard;
struct enetjs_peer_ids;
struct enetjs_host;
struct enetjs_limits;
struct enetjs_security;

/*
 * Steps in ENet's lists, and commands freed, after which a service leaves the rest to the next one: 1 to 2
 * ms.
 */
#define ENETJS_SERVICE_STEPS (2 * ENETJS_STEPS_MAXIMUM)

struct enetjs_host {
  enetjs_mutex lock;
  uint32_t index, generation; /**< of the handle */

  /* From here on everything is zero while the block is free. */
  bool open;
  bool closing; /**< a close has begun and waits for the pump */

  const void *owner; /**< identifies the thread that created it, or NULL */
  ENetHost *enet;
  struct enetjs_lease lease; /**< of a worker of a shared port; ENet has its socket */
  struct enetjs_batch *batch; /**< or NULL where datagrams are not batched */
  struct enetjs_addresses *addresses; /**< or NULL: the socket is one of IPv4 */
  bool ipv6_only;                     /**< the socket reaches no IPv4 address */
  struct enetjs_slot *slots;
  bool bound;           /**< accepts connections */
  bool datagrams;       /**< reports datagrams that are not ENet's */
  bool shutting_down;   /**< a peer that connects is disconnected at once */
  uint32_t shutdown_data; /**< what peers are told then */
  bool awaits_shutdown; /**< the consumer is to be told when no peer is left */
  bool told_reliably;   /**< the consumer knows of an unreliable message that was sent reliably */
  bool throttle_off;    /**< for peers that connect: ENet's throttle drops nothing for longer round trips */
  bool asks_throttle_off; /**< peers that connect are asked to turn off their throttle */
  int failed;           /**< errno of a fatal socket error, or 0 */
  size_t high_water, maximum_waiting;
  size_t maximum_data;            /**< as configured; 0 for the default */
  struct enetjs_account *account; /**< everything that is charged to the host or its connections */
  uint64_t debt_seed;
  /** failed allocations of the pool up to which enetjs_reset_stuck_peers has looked */
  unsigned pool_failures;
  enet_uint32 silence_looked_at;
  size_t silence_next; /**< index of the slot that silence.c looks at next */
  size_t queued_messages;     /**< to all peers */
  /** bytes that were queued since ENet was last serviced, with 64 for each message */
  size_t queued_of_late;
  size_t external_messages;   /**< queued over memory that is JavaScript's */
  size_t held_datagram_bytes; /**< with overhead */
  struct enetjs_filter filter;
  bool filter_refuses;
  struct enetjs_limits *limits;     /**< or NULL */
  /** or NULL where ids on the wire are ENet's own, see open_guard in create.c */
  struct enetjs_peer_ids *peer_ids;
  struct enetjs_security *security; /**< or NULL before the host is asked for a session */
  struct enetjs_guard *guard;       /**< or NULL where ENet answers a CONNECT itself */
  enetjs_datagram_room datagram_room;
  struct enetjs_slot *to_feed, *last_to_feed; /**< peers for which something waits */
  /* Since the last service began: */
  size_t fed;    /**< bytes that ENet has been given, with overhead */
  size_t resent; /**< bytes whose timeouts ENet may look at */
  size_t steps;  /**< steps in ENet's lists that datagrams have caused */
  size_t discarded; /**< blocks that were freed at once, see discard.c */
  struct enetjs_job last_job; /**< frees what the host has, once it is closed */
  struct enetjs_slot *to_look_at;
  /** whose datagram ENet handles, if something is to be done afterwards */
  struct enetjs_slot *being_handled;
  struct enetjs_slot *read_from; /**< whose datagram ENet handles, if it may bring messages */
  unsigned messages_taken;       /**< out of ENet, since its round began */
  struct enetjs_slot *flows; /**< peers with a reliable message under way or to be sent, see flow.c */
  bool adaptive;             /**< windows follow the link, see flow.c */
  bool reading;              /**< a service is under way, and ENet reads datagrams */
  uint64_t service_us;       /**< when ENet was last serviced */
  struct enetjs_handshakes handshakes;
  size_t attempts;                       /**< slots that are attempting */
  struct enetjs_unreachable unreachable; /**< a watch while there are any */

  /* Shared memory; touched only while `consumer` is true. */
  bool consumer;  /**< the lock is held by a call of the consumer's side */
  bool servicing; /**< that call is a service, which alone may write to the arena */
  uint8_t *shared;
  _Atomic uint32_t *header;
  double *stats;
  size_t shared_bytes, scratch_offset;
  uint32_t inline_maximum;
  struct enetjs_ring events, completions;
  struct enetjs_arena arena;
  /*
   * Bytes of listed packets of this host: in the ring, and kept by JavaScript. Also changed without the lock.
   */
  atomic_size_t listed_bytes, kept_bytes;
  /** bytes that the held messages will take in JavaScript beyond what they take here */
  size_t reserve;
  size_t consumer_bytes; /**< ENETJS_WORD_KEPT, as of the consumer's last call */

  /* Pump. */
  bool pump_configured, pump_running, pump_quit, pump_awaits;
  bool pump_rests; /**< it does not watch the socket for a time, so that datagrams gather, see pace.c */
  int spin;        /**< ENETJS_SPIN_… */
  struct enetjs_pace pace;
  unsigned empty_wakeups; /**< services of the consumer in a row that brought it nothing */
  bool signalled;
  uint32_t signalled_at, stall_limit, services;
  bool has_due;          /**< the pump has something to do at due_ms, as of the service due_services */
  uint64_t due_ms;
  uint32_t due_services;
  uint32_t watched_services; /**< `services`, when the pump was last set to watch the socket */
  enetjs_thread pump;
  struct enetjs_sleeper sleeper; /**< where the pump sleeps */
  struct enetjs_wake wake;       /**< while the pump runs */

  uint64_t counters[ENETJS_HOST_STAT_COUNT];
  int64_t debts[ENETJS_DEBT_BUCKETS];
};

static inline ENetPeer *enetjs_peer_of(const struct enetjs_slot *slot) {
  return &slot->host->enet->peers[slot->index];
}

/* ---- host.c ---------------------------------------------------------------------------------- */
extern atomic_uint enetjs_live_hosts;
/** Once, before anything else here and anything of ENet's. @returns 0 or an error code */
int enetjs_host_initialize(void);
/** Locks the host of a handle, for a call of its consumer. @returns NULL where it is closed */
struct enetjs_host *enetjs_host_acquire(double host);
void enetjs_host_release(struct enetjs_host *h);
struct enetjs_host *enetjs_host_lock(double host); /**< for any thread */
struct enetjs_host *enetjs_host_at(uint32_t index);
double enetjs_host_handle(const struct enetjs_host *h);
/** @returns a free control block with its lock held, or NULL when there are too many hosts */
struct enetjs_host *enetjs_host_block_take(void);
void enetjs_host_block_clear(struct enetjs_host *h); /**< makes the control block free */
/** Whether doubles can be stored at an address of shared memory. */
static inline bool enetjs_host_aligned(const uint8_t *memory) {
  return memory && (uintptr_t)memory % sizeof(double) == 0;
}
const uint8_t *enetjs_shared_at(struct enetjs_host *h, double offset, double length);

/* ---- endpoint.c ------------------------------------------------------------------------------ */
/** Reads the address and port of a call. @returns 0, or ERR_ARGUMENT or ADDRESS_FAMILY */
double enetjs_host_endpoint(struct enetjs_host *h, double address, double port,
                            struct enetjs_endpoint *endpoint);

/** The real endpoint behind an address of ENet. */
struct enetjs_endpoint enetjs_host_real(const struct enetjs_host *h, const ENetAddress *address);

/* ---- security.c ------------------------------------------------------------------------------ */
/** Tells the program what has become of sessions. Not within ENet's receive loop. */
void enetjs_security_tell(struct enetjs_host *h);
/** Before the connect event of a slot: what is known about its client. */
void enetjs_security_emit_client(struct enetjs_slot *slot);
void enetjs_security_count_sessions(struct enetjs_host *h);

/* ---- close.c --------------------------------------------------------------------------------- */
/**
 * Tells every peer, before the host is destroyed or the process exits; ends all connections without events.
 */
void enetjs_disconnect_all(struct enetjs_host *h);
/** @param stats a statistics block, for what was left undelivered, or NULL where that is out of reach */
void enetjs_host_destroy_locked(struct enetjs_host *h, double *stats);
void enetjs_hosts_on_thread_exit(const void *thread);
/**
 * At exit no pump may run on while the process is taken down, and peers are told. The memory of the hosts is
 * left to the system. Calls that other threads still make find the hosts closed.
 */
void enetjs_hosts_on_process_exit(void);

/* ---- settings.c ------------------------------------------------------------------------------ */
double enetjs_settings_apply(struct enetjs_host *h, const double *config); /**< @returns 0 or an error code */

/* ---- connect.c ------------------------------------------------------------------------------- */
/** @param to a real endpoint, or that of a session @returns a peer id or an error code */
double enetjs_host_connect_to(struct enetjs_host *h, const struct enetjs_endpoint *to, size_t channels,
                              enet_uint32 data);
/** After ENet may have run out of memory: ends the peers that wait for an answer to what was never sent. */
void enetjs_reset_stuck_peers(struct enetjs_host *h);
/** An attempt of this host has succeeded or ended, if the slot is one. */
void enetjs_attempt_over(struct enetjs_slot *slot);
/** Before ENet uses the socket: tells the consumer what ICMP messages say about attempts. */
void enetjs_read_unreachable(struct enetjs_host *h);

/* ---- service.c ------------------------------------------------------------------------------- */
/** Whether there are datagrams that ENet has not read, and poll() does not see. */
bool enetjs_datagrams_prefetched(const struct enetjs_host *h);
void enetjs_service_protocol(struct enetjs_host *h);
void enetjs_flush_protocol(struct enetjs_host *h);
/** After a send: services ENet when a long series of sends has kept it from reading acknowledgements. */
void enetjs_service_between_sends(struct enetjs_host *h);

/* ---- outbox.c -------------------------------------------------------------------------------- */
/** Queues the messages that the consumer has put into the outbox. Only inside a call of the consumer. */
void enetjs_outbox_take(struct enetjs_host *h);

/* ---- queue.c: the way out -------------------------------------------------------------------- */
double enetjs_queue_send(struct enetjs_slot *slot, uint8_t channel, uint32_t flags, const uint8_t *data,
                         size_t length, struct enetjs_packet *shared, uint32_t token);
/**
 * @returns bytes that count towards the high-water mark: what waits, and what ENet has, at most its window
 */
size_t enetjs_queue_counted(const struct enetjs_slot *slot);
void enetjs_queue_measure(struct enetjs_slot *slot); /**< against the high-water mark */
/** Messages will not be acknowledged any more; they count if that is because of a shutdown. */
void enetjs_queue_count_undelivered(struct enetjs_slot *slot, size_t messages, size_t bytes);
void enetjs_queue_clear(struct enetjs_slot *slot); /**< what ENet has not been given is undelivered */
bool enetjs_queue_cut(const struct enetjs_host *h); /**< whether ENet gets no more before its next service */
/**
 * Gives ENet what may leave. @param reading it reads right now @returns whether it has been given something
 */
bool enetjs_queue_feed(struct enetjs_host *h, bool reading);
int enetjs_queue_wait(const struct enetjs_host *h); /**< ms until a ping may let ENet be fed again, or -1 */

/* ---- discard.c ------------------------------------------------------------------------------- */
/** Whether so many blocks may be freed at once, and not in the background; counts them then. */
bool enetjs_discard_little(struct enetjs_host *h, size_t blocks);
/** Frees messages that are counted nowhere any more, a list of `count`. */
void enetjs_discard(struct enetjs_host *h, struct enetjs_outgoing *first, size_t count);

/* ---- flow.c: how much may be under way ------------------------------------------------------- */
/** whether windows follow the link, where they can */
void enetjs_flows_set(struct enetjs_host *h, bool adaptive);
void enetjs_flow_connected(struct enetjs_slot *slot);
void enetjs_flow_ended(struct enetjs_slot *slot);
size_t enetjs_flow_window(const struct enetjs_slot *slot); /**< @returns bytes that may be under way */
/** a reliable message is under way, or to be sent */
void enetjs_flow_begin(struct enetjs_slot *slot);
void enetjs_flow_look(struct enetjs_slot *slot);          /**< how much ENet may be given for a peer now */
/** which is opened */
void enetjs_flow_measured(struct enetjs_slot *slot, const struct enetjs_datagram *datagram);
void enetjs_flows_open(struct enetjs_host *h, bool flush); /**< before ENet may send */
/** before ENet reads each datagram, and after the last */
void enetjs_flows_read(struct enetjs_host *h, bool done);
void enetjs_flows_close(struct enetjs_host *h);            /**< after ENet may have sent */
int enetjs_flows_wait(const struct enetjs_host *h);        /**< ms until something may leave, or -1 */

/* ---- resend.c -------------------------------------------------------------------------------- */
/** The peer has acknowledged something: what it misses is looked for at the end of the service. */
void enetjs_resend_look(struct enetjs_slot *slot);
bool enetjs_resend_lost(struct enetjs_host *h);     /**< @returns whether ENet has to send something again */
int enetjs_resend_wait(const struct enetjs_host *h); /**< ms until it has to look again, or -1 */

/* ---- allowance.c ----------------------------------------------------------------------------- */
size_t enetjs_host_data_limit(const struct enetjs_host *h); /**< bytes */
size_t enetjs_host_data(struct enetjs_host *h);             /**< bytes that count towards it */
/**
 * Takes the commands out of an opened datagram for which its peer has no memory left. Until the next
 * enetjs_pool_charge, what ENet allocates is charged to the peer.
 * @returns false when ENet is not to see the datagram
 */
bool enetjs_allow(struct enetjs_slot *slot, struct enetjs_datagram *datagram);
/** Whether a stranger may open a connection. @param network of its address, see wire/endpoint.h */
bool enetjs_allow_connect(struct enetjs_host *h, uint64_t network);
/** A connection ends: the memory that it still holds counts as a debt of its address from now on. */
void enetjs_allowance_end(struct enetjs_slot *slot);

/* ---- commands.c ------------------------------------------------------------------------------ */
/** Reads the commands of an opened datagram of a peer before ENet handles it. */
void enetjs_commands_note(struct enetjs_slot *slot, struct enetjs_datagram *datagram);
/** ENet has handled that datagram. */
void enetjs_commands_handled(struct enetjs_host *h);
/**
 * Updates the counts of retransmissions. @param acknowledged commands that were acknowledged since the last
 * call
 */
void enetjs_commands_count_lost(struct enetjs_slot *slot, unsigned acknowledged);

/* ---- message.c ------------------------------------------------------------------------------- */
/** Takes messages of a peer out of ENet. @returns how many */
unsigned enetjs_messages_take(struct enetjs_slot *slot, unsigned limit);
/** ENet has handled the last datagram: takes the messages that it has brought. */
void enetjs_messages_of_datagram(struct enetjs_host *h);

/* ---- intercept.c ----------------------------------------------------------------------------- */
void enetjs_intercept_install(struct enetjs_host *h);

/* ---- limit.c --------------------------------------------------------------------------------- */
/** Disconnects the peers that have exceeded their limits; not within ENet's receive loop. */
void enetjs_limits_enforce(struct enetjs_host *h);

/* ---- silence.c ------------------------------------------------------------------------------- */
void enetjs_end_silent(struct enetjs_host *h); /**< not within ENet's receive loop */
/** ms until it has to look again */
enet_uint32 enetjs_silence_wait(const struct enetjs_host *h, enet_uint32 now);

/* ---- deadline.c ------------------------------------------------------------------------------ */
/** @returns milliseconds until the host has something to do by itself, or -1 */
int enetjs_next_wait(const struct enetjs_host *h);

/* ---- pump.c ---------------------------------------------------------------------------------- */
extern atomic_uint enetjs_live_pumps;
int enetjs_pump_start(struct enetjs_host *h, struct enetjs_wake_place place);
void enetjs_pump_rearm(struct enetjs_host *h);
void enetjs_pump_call(struct enetjs_host *h); /**< wakes the consumer */
void enetjs_pump_notify(struct enetjs_host *h);

#endif
