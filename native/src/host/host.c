/*
 * The host: handles, creation and destruction, and the service of ENet under the lock.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "host/internal.h"
#include "enet/dispatch_queue.h"
#include "enet/compress.h"
#include "base/random.h"
#include "enet/libenet.h"
#include "enet/waiting.h"
#include "wire/guard.h"
#include "wire/limits.h"
#include "wire/open.h"
#include "wire/peer_ids.h"

#define HOST_LIMIT 4096
#define TRANSIENT_ERROR_LIMIT 64
#define RECEIVE_LIMIT 256 /* datagrams that ENet reads before it looks up */

static struct {
  enetjs_mutex lock;
  _Atomic(struct enetjs_host *) items[HOST_LIMIT];
  uint32_t count;
} table;
static enetjs_once table_once = ENETJS_ONCE_INIT;

static void table_initialize(void) { enetjs_mutex_init(&table.lock); }

/* ---- Handles --------------------------------------------------------------------------------- */

static double handle_of(const struct enetjs_host *h) { return (double)h->generation * HOST_LIMIT + h->index; }

struct enetjs_host *enetjs_host_at(uint32_t index) {
  return index < HOST_LIMIT ? atomic_load(&table.items[index]) : NULL;
}

static struct enetjs_host *lock_by_handle(double handle) {
  struct enetjs_host *h;
  uint64_t number;
  if (!enetjs_is_integer(handle, 0, 9007199254740991.0)) return NULL;
  number = (uint64_t)handle;
  h = enetjs_host_at((uint32_t)(number % HOST_LIMIT));
  if (!h) return NULL;
  enetjs_mutex_lock(&h->lock);
  if (h->open && !h->closing && h->generation == number / HOST_LIMIT) return h;
  enetjs_mutex_unlock(&h->lock);
  return NULL;
}

struct enetjs_host *enetjs_host_acquire(double handle) {
  struct enetjs_host *h = lock_by_handle(handle);
  if (!h) return NULL;
  h->consumer = true;
  if (h->header[ENETJS_WORD_OUTBOX_FILLED] > 0) enetjs_outbox_take(h);
  return h;
}

void enetjs_host_release(struct enetjs_host *h) {
  if (h->header)
    atomic_store_explicit(&h->header[ENETJS_WORD_HELD], (uint32_t)(h->events.held.count + h->completions.held.count),
                          memory_order_relaxed);
  h->consumer = false;
  enetjs_mutex_unlock(&h->lock);
}

/* A control block under the table's lock: a free one, or a new one. Returned with its lock held. */
static struct enetjs_host *block_take(void) {
  struct enetjs_host *h;
  for (uint32_t index = 0; index < table.count; index++) {
    h = atomic_load(&table.items[index]);
    if (!enetjs_mutex_trylock(&h->lock)) continue;
    if (!h->open) return h;
    enetjs_mutex_unlock(&h->lock);
  }
  if (table.count == HOST_LIMIT) return NULL;
  h = calloc(1, sizeof(*h));
  if (!h) return NULL;
  enetjs_mutex_init(&h->lock);
  enetjs_mutex_lock(&h->lock);
  h->index = table.count;
  h->generation = 1;
  atomic_store(&table.items[table.count++], h);
  return h;
}

static void block_clear(struct enetjs_host *h) { memset(&h->open, 0, sizeof(*h) - offsetof(struct enetjs_host, open)); }

/* ---- Configuration --------------------------------------------------------------------------- */

static bool power_of_two(double value) {
  return enetjs_is_integer(value, 16, 1u << 30) && ((uint32_t)value & ((uint32_t)value - 1)) == 0;
}

static bool config_valid(const double *c) {
  const double u32 = UINT32_MAX;
  return enetjs_is_integer(c[ENETJS_CONFIG_ADDRESS], -1, u32) && enetjs_is_integer(c[ENETJS_CONFIG_PORT], 0, 65535) &&
         enetjs_is_integer(c[ENETJS_CONFIG_PEERS], 1, ENET_PROTOCOL_MAXIMUM_PEER_ID) &&
         enetjs_is_integer(c[ENETJS_CONFIG_CHANNELS], 1, ENET_PROTOCOL_MAXIMUM_CHANNEL_COUNT) &&
         enetjs_is_integer(c[ENETJS_CONFIG_INCOMING_BANDWIDTH], 0, u32) &&
         enetjs_is_integer(c[ENETJS_CONFIG_OUTGOING_BANDWIDTH], 0, u32) &&
         enetjs_is_integer(c[ENETJS_CONFIG_PUMP], 0, 1) && power_of_two(c[ENETJS_CONFIG_EVENT_CAPACITY]) &&
         power_of_two(c[ENETJS_CONFIG_COMPLETION_CAPACITY]) && power_of_two(c[ENETJS_CONFIG_ARENA_BYTES]) &&
         c[ENETJS_CONFIG_ARENA_BYTES] >= ENET_PROTOCOL_MAXIMUM_MTU && /* a datagram must fit */
         enetjs_is_integer(c[ENETJS_CONFIG_SCRATCH_BYTES], 0, 1u << 30) &&
         enetjs_is_integer(c[ENETJS_CONFIG_UNGUARDED], 0, 1);
}

static double shared_size(const double *c) {
  return ENETJS_HEADER_BYTES + ENETJS_STATS_COUNT * sizeof(double) +
         ENETJS_RECORD_BYTES * (c[ENETJS_CONFIG_EVENT_CAPACITY] + c[ENETJS_CONFIG_COMPLETION_CAPACITY]) +
         c[ENETJS_CONFIG_SCRATCH_BYTES];
}

static void ring_attach(struct enetjs_host *h, struct enetjs_ring *ring, unsigned head_word, size_t offset,
                        double capacity) {
  memset(ring, 0, sizeof(*ring));
  ring->head_word = &h->header[head_word];
  ring->tail_word = &h->header[head_word + 1];
  ring->records = h->shared + offset;
  ring->capacity = (uint32_t)capacity;
}

static void shared_attach(struct enetjs_host *h, const double *c, uint8_t *shared, double bytes, uint8_t *arena) {
  size_t stats = ENETJS_HEADER_BYTES;
  size_t completions = stats + ENETJS_STATS_COUNT * sizeof(double);
  size_t events = completions + ENETJS_RECORD_BYTES * (size_t)c[ENETJS_CONFIG_COMPLETION_CAPACITY];
  size_t scratch = events + ENETJS_RECORD_BYTES * (size_t)c[ENETJS_CONFIG_EVENT_CAPACITY];
  h->shared = shared;
  h->shared_bytes = (size_t)bytes;
  h->scratch_offset = scratch;
  h->header = (_Atomic uint32_t *)(void *)shared;
  memset(shared, 0, completions);
  h->stats = (double *)(void *)(shared + stats);
  ring_attach(h, &h->completions, ENETJS_WORD_COMPLETION_HEAD, completions, c[ENETJS_CONFIG_COMPLETION_CAPACITY]);
  ring_attach(h, &h->events, ENETJS_WORD_EVENT_HEAD, events, c[ENETJS_CONFIG_EVENT_CAPACITY]);
  h->arena.head_word = &h->header[ENETJS_WORD_ARENA_HEAD];
  h->arena.tail_word = &h->header[ENETJS_WORD_ARENA_TAIL];
  h->arena.bytes = arena;
  h->arena.head = 0;
  h->arena.size = (uint32_t)c[ENETJS_CONFIG_ARENA_BYTES];
  /* A quarter, so that a payload fits whatever the fill and the wrap. */
  h->inline_maximum = h->arena.size / 4 < 65536 ? h->arena.size / 4 : 65536;
  h->header[ENETJS_WORD_STATS_OFFSET] = (uint32_t)stats;
  h->header[ENETJS_WORD_COMPLETION_OFFSET] = (uint32_t)completions;
  h->header[ENETJS_WORD_EVENT_OFFSET] = (uint32_t)events;
  h->header[ENETJS_WORD_SCRATCH_OFFSET] = (uint32_t)scratch;
  h->header[ENETJS_WORD_INLINE_MAXIMUM] = h->inline_maximum;
}

static ENetHost *enet_create(const double *c, double *error) {
  ENetAddress address = {0}, *bind_to = NULL;
  ENetHost *enet;
  int reason = 0;
  if (c[ENETJS_CONFIG_ADDRESS] >= 0) {
    address.host = ENET_HOST_TO_NET_32((enet_uint32)c[ENETJS_CONFIG_ADDRESS]);
    address.port = (enet_uint16)c[ENETJS_CONFIG_PORT];
    bind_to = &address;
  }
  enet = enetjs_enet_open(bind_to, (size_t)c[ENETJS_CONFIG_PEERS], (size_t)c[ENETJS_CONFIG_CHANNELS],
                          (enet_uint32)c[ENETJS_CONFIG_INCOMING_BANDWIDTH],
                          (enet_uint32)c[ENETJS_CONFIG_OUTGOING_BANDWIDTH], &reason);
  if (!enet) *error = reason;
  return enet;
}

/* Peers take the host's MTU when they are reset, which for the idle ones has been. */
static void set_mtu(ENetHost *enet, enet_uint32 mtu) {
  enet->mtu = mtu;
  for (size_t index = 0; index < enet->peerCount; index++)
    if (enet->peers[index].state == ENET_PEER_STATE_DISCONNECTED) enet->peers[index].mtu = mtu;
}

/*
 * The limit is ours, see allowance.c. ENet's own stands in for it where libenet's memory is not ours to count; it is
 * never less than what a sender that keeps to the protocol can have under way, or the message that others wait for
 * would be refused.
 */
static void set_maximum_waiting(struct enetjs_host *h, size_t bytes) {
  size_t ahead = (size_t)ENETJS_PACKETS_AHEAD * ENET_PROTOCOL_MAXIMUM_MTU;
  h->maximum_waiting = bytes;
  h->enet->maximumWaitingData = enetjs_libenet_owned ? SIZE_MAX : bytes > ahead ? bytes : ahead;
}

static double set_socket_buffer(ENetHost *enet, ENetSocketOption option, double bytes) {
  if (!enetjs_is_integer(bytes, 0, INT32_MAX)) return ENETJS_ERR_ARGUMENT;
  return enet_socket_set_option(enet->socket, option, (int)bytes) == 0 ? 0 : ENETJS_ERR_SOCKET;
}

static double set_compression(ENetHost *enet, double value) {
  if (value > 1) return ENETJS_ERR_ARGUMENT;
  if (value == 1) return enetjs_compress_with_range_coder(enet) ? 0 : ENETJS_ERR_MEMORY;
  enet_host_compress(enet, NULL);
  return 0;
}

static double set_accept(struct enetjs_host *h, double value) {
  if (value > 1) return ENETJS_ERR_ARGUMENT;
  if (!h->guard) return value == 0 ? 0 : ENETJS_ERR_UNGUARDED;
  enetjs_guard_set_asks(h->guard, value != 0);
  return 0;
}

static double host_option(struct enetjs_host *h, int option, double value, double second) {
  ENetHost *enet = h->enet;
  if (!enetjs_is_integer(value, 0, UINT32_MAX) || !enetjs_is_integer(second, 0, UINT32_MAX)) return ENETJS_ERR_ARGUMENT;
  switch (option) {
    case ENETJS_CONFIG_INCOMING_BANDWIDTH:
      enet_host_bandwidth_limit(enet, (enet_uint32)value, (enet_uint32)second);
      return 0;
    case ENETJS_CONFIG_CHANNELS: enet_host_channel_limit(enet, (size_t)value); return 0;
    case ENETJS_CONFIG_COMPRESSION: return set_compression(enet, value);
    case ENETJS_CONFIG_CHECKSUM:
      if (value > 1) return ENETJS_ERR_ARGUMENT;
      enet->checksum = value == 0 ? NULL : enetjs_datagram_checksum;
      return 0;
    case ENETJS_CONFIG_MTU:
      if (value < ENET_PROTOCOL_MINIMUM_MTU || value > ENET_PROTOCOL_MAXIMUM_MTU) return ENETJS_ERR_ARGUMENT;
      set_mtu(enet, (enet_uint32)value);
      return 0;
    case ENETJS_CONFIG_DUPLICATE_PEERS: enet->duplicatePeers = (size_t)value; return 0;
    case ENETJS_CONFIG_MAXIMUM_PACKET_SIZE: enet->maximumPacketSize = (size_t)value; return 0;
    case ENETJS_CONFIG_MAXIMUM_WAITING_DATA: set_maximum_waiting(h, (size_t)value); return 0;
    case ENETJS_CONFIG_MAXIMUM_HOST_DATA: h->maximum_data = (size_t)value; return 0;
    case ENETJS_CONFIG_RECEIVE_BUFFER: return set_socket_buffer(enet, ENET_SOCKOPT_RCVBUF, value);
    case ENETJS_CONFIG_SEND_BUFFER: return set_socket_buffer(enet, ENET_SOCKOPT_SNDBUF, value);
    case ENETJS_CONFIG_STALL_LIMIT:
      if (value < 1 || value > 60000) return ENETJS_ERR_ARGUMENT;
      h->stall_limit = (uint32_t)value;
      return 0;
    case ENETJS_CONFIG_SPIN:
      if (value > ENETJS_SPIN_ALWAYS) return ENETJS_ERR_ARGUMENT;
      h->spin = (int)value;
      return 0;
    case ENETJS_CONFIG_HIGH_WATER:
      h->high_water = (size_t)value;
      for (size_t index = 0; index < enet->peerCount; index++) enetjs_queue_measure(&h->slots[index]);
      return 0;
    case ENETJS_CONFIG_DATAGRAMS:
      if (value > 1) return ENETJS_ERR_ARGUMENT;
      h->datagrams = value != 0;
      return 0;
    case ENETJS_CONFIG_ACCEPT: return set_accept(h, value);
    case ENETJS_CONFIG_FILTER_REFUSES:
      if (value > 1) return ENETJS_ERR_ARGUMENT;
      h->filter_refuses = value != 0;
      return 0;
    default: return ENETJS_ERR_ARGUMENT;
  }
}

static double apply_config(struct enetjs_host *h, const double *c) {
  static const int options[] = {ENETJS_CONFIG_COMPRESSION,
                                ENETJS_CONFIG_CHECKSUM,
                                ENETJS_CONFIG_MTU,
                                ENETJS_CONFIG_DUPLICATE_PEERS,
                                ENETJS_CONFIG_MAXIMUM_PACKET_SIZE,
                                ENETJS_CONFIG_MAXIMUM_WAITING_DATA,
                                ENETJS_CONFIG_MAXIMUM_HOST_DATA,
                                ENETJS_CONFIG_STALL_LIMIT,
                                ENETJS_CONFIG_SPIN,
                                ENETJS_CONFIG_HIGH_WATER,
                                ENETJS_CONFIG_DATAGRAMS,
                                ENETJS_CONFIG_ACCEPT,
                                ENETJS_CONFIG_FILTER_REFUSES,
                                ENETJS_CONFIG_RECEIVE_BUFFER,
                                ENETJS_CONFIG_SEND_BUFFER};
  for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
    int option = options[i];
    double result;
    if ((option == ENETJS_CONFIG_RECEIVE_BUFFER || option == ENETJS_CONFIG_SEND_BUFFER) && c[option] == 0) continue;
    result = host_option(h, option, c[option], 0);
    if (result < 0) return result;
  }
  return 0;
}

/* ---- Life ------------------------------------------------------------------------------------ */

/*
 * A host that accepts connections can have neither where libenet's socket calls do not arrive in
 * socket.c: the guard has ENet receive what it wants, and without the guard ENet gives its own ids.
 */
static bool open_guard(struct enetjs_host *h) {
  if (h->bound && enetjs_datagrams_batched() <= 0) return true;
  h->peer_ids = enetjs_peer_ids_create(h->enet);
  if (!h->peer_ids) return false;
  if (h->bound) h->guard = enetjs_guard_create(h->enet, h->peer_ids);
  return !h->bound || h->guard;
}

static void close_guard(struct enetjs_host *h) {
  enetjs_guard_destroy(h->guard);
  enetjs_peer_ids_destroy(h->peer_ids);
}

static double open_block(struct enetjs_host *h, const double *c, uint8_t *shared, double shared_bytes, uint8_t *arena) {
  double error = 0;
  h->enet = enet_create(c, &error);
  if (!h->enet) return error;
  enetjs_random(&h->debt_seed, sizeof(h->debt_seed));
  h->pool_failures = enetjs_pool_failures();
  h->account = enetjs_account_open(NULL);
  h->slots = calloc(h->enet->peerCount, sizeof(*h->slots));
  if (!h->slots || !h->account) {
    error = ENETJS_ERR_MEMORY;
    goto failed;
  }
  for (size_t index = 0; index < h->enet->peerCount; index++) {
    h->slots[index].host = h;
    h->slots[index].index = (uint32_t)index;
    h->slots[index].generation = 1;
  }
  h->enet->peers[0].data = h; /* how the intercept callback finds us */
  enetjs_intercept_install(h);
  h->bound = c[ENETJS_CONFIG_ADDRESS] >= 0;
  if (!open_guard(h)) {
    error = ENETJS_ERR_MEMORY;
    goto failed;
  }
  enetjs_pace_reset(&h->pace);
  h->pump_configured = c[ENETJS_CONFIG_PUMP] != 0;
  error = apply_config(h, c);
  if (error < 0) goto failed;
  shared_attach(h, c, shared, shared_bytes, arena);
  return 0;
failed:
  close_guard(h);
  free(h->slots);
  enetjs_account_close(h->account, NULL);
  enet_host_destroy(h->enet);
  block_clear(h);
  return error;
}

/* Strangers reach a host that is bound. @returns 0 when it may be, or an error code */
static int require_guard(const double *c) {
  int arrives;
  if (c[ENETJS_CONFIG_ADDRESS] < 0 || c[ENETJS_CONFIG_UNGUARDED] == 1) return 0;
  arrives = enetjs_batch_arrives();
  if (arrives < 0) return arrives;
  return arrives && enetjs_libenet_owned ? 0 : ENETJS_ERR_UNGUARDED;
}

static bool aligned(const uint8_t *memory) { return memory && (uintptr_t)memory % sizeof(double) == 0; }

double enetjs_host_create(const uint8_t *config, double configBytes, uint8_t *shared, double sharedBytes,
                          uint8_t *arena, double arenaBytes) {
  double c[ENETJS_CONFIG_COUNT], result;
  struct enetjs_host *h;
  int guarded, initialized = enetjs_library_initialize();
  if (initialized < 0) return initialized;
  if (!config || !shared || !arena || configBytes != sizeof(c)) return ENETJS_ERR_ARGUMENT;
  memcpy(c, config, sizeof(c));
  if (!config_valid(c)) return ENETJS_ERR_ARGUMENT;
  if (sharedBytes != shared_size(c) || arenaBytes != c[ENETJS_CONFIG_ARENA_BYTES] || !aligned(shared) ||
      !aligned(arena))
    return ENETJS_ERR_LAYOUT;
  guarded = require_guard(c);
  if (guarded < 0) return guarded;
  enetjs_once_run(&table_once, table_initialize);
  enetjs_mutex_lock(&table.lock);
  h = block_take();
  enetjs_mutex_unlock(&table.lock);
  if (!h) return ENETJS_ERR_LIMIT;
  result = open_block(h, c, shared, sharedBytes, arena);
  if (result == 0) {
    h->open = true;
    h->owner = enetjs_this_thread();
    atomic_fetch_add(&enetjs_live_hosts, 1);
    result = handle_of(h);
  }
  enetjs_host_release(h);
  return result;
}

static void write_undelivered(const struct enetjs_host *h, double *stats) {
  for (size_t i = ENETJS_HOST_STAT_UNDELIVERED_BYTES; i <= ENETJS_HOST_STAT_UNDELIVERED_PEERS; i++)
    stats[i] = (double)h->counters[i];
}

void enetjs_host_destroy_locked(struct enetjs_host *h, double *stats) {
  size_t peers = h->enet->peerCount;
  enetjs_farewell_all(h);
  for (size_t i = 0; i < peers; i++) {
    enetjs_queue_clear(&h->slots[i]);
    enetjs_drop_held(h, &h->slots[i].held);
  }
  enetjs_drop_held(h, &h->events.held); /* while there are ENet's peers to discharge */
  enetjs_batch_destroy(h);
  enet_host_destroy(h->enet);
  h->enet = NULL;
  enetjs_drop_held(h, &h->completions.held); /* with those that the messages inside ENet have left */
  for (size_t i = 0; i < peers; i++) enetjs_allowance_end(&h->slots[i]);
  enetjs_account_close(h->account, NULL);
  enetjs_packet_release_all(h);
  enetjs_filter_clear(h);
  enetjs_gate_destroy(h);
  close_guard(h);
  enetjs_limits_destroy(h->limits);
  free(h->slots);
  if (stats) write_undelivered(h, stats);
  h->generation++;
  block_clear(h);
  atomic_fetch_sub(&enetjs_live_hosts, 1);
}

/* With the lock held; releases it. */
static void close_and_unlock(struct enetjs_host *h, double *stats) {
  bool pump = h->pump_running;
  h->closing = true;
  h->pump_quit = true;
  if (pump) enetjs_pump_notify(h);
  enetjs_mutex_unlock(&h->lock);
  if (pump) enetjs_thread_join(h->pump);
  enetjs_mutex_lock(&h->lock);
  if (pump) {
    enetjs_fd_close(h->wake);
    enetjs_waker_close(&h->control);
  }
  enetjs_host_destroy_locked(h, stats);
  enetjs_mutex_unlock(&h->lock);
}

double enetjs_host_close(double host) {
  struct enetjs_host *h = lock_by_handle(host);
  if (!h) return ENETJS_ERR_CLOSED;
  close_and_unlock(h, h->stats);
  return 0;
}

void enetjs_host_close_of_thread(const void *owner) {
  struct enetjs_host *h;
  for (uint32_t index = 0; (h = enetjs_host_at(index)) != NULL; index++) {
    enetjs_mutex_lock(&h->lock);
    if (h->open && !h->closing && h->owner == owner) {
      if (h->pump_running) enetjs_fd_close_forgotten(h->consumer_end, h->consumer_identity, h->wake);
      close_and_unlock(h, NULL);
    } else {
      enetjs_mutex_unlock(&h->lock);
    }
  }
}

double enetjs_host_start(double host) {
  struct enetjs_host *h = enetjs_host_acquire(host);
  enetjs_fd consumer_end = ENETJS_FD_NONE;
  int result;
  if (!h) return ENETJS_ERR_CLOSED;
  result = h->pump_configured && !h->pump_running ? enetjs_pump_start(h, &consumer_end) : ENETJS_ERR_ARGUMENT;
  enetjs_host_release(h);
  return result < 0 ? result : (double)consumer_end;
}

/* ---- Service --------------------------------------------------------------------------------- */

/*
 * ENet reports a timeout straight from its sending phase, and everything the other side decided
 * through its dispatch queue. A peer that has not been in that queue has a NULL link, because we
 * clear it whenever a peer leaves the queue.
 */
static bool came_through_queue(const ENetPeer *peer) {
  return peer->dispatchList.next != NULL && !enetjs_in_dispatch_queue(peer);
}

static void clear_queue_link(ENetPeer *peer) {
  if (!enetjs_in_dispatch_queue(peer)) peer->dispatchList.next = NULL;
}

static uint32_t disconnect_reason(const struct enetjs_slot *slot, const ENetPeer *peer, bool received) {
  bool told = came_through_queue(peer);
  if (slot->closing) return told || received ? ENETJS_REASON_LOCAL : ENETJS_REASON_TIMEOUT;
  if (!told) return ENETJS_REASON_TIMEOUT;
  return slot->connected ? ENETJS_REASON_REMOTE : ENETJS_REASON_REFUSED;
}

static void handle_event(struct enetjs_host *h, ENetEvent *event, bool received) {
  struct enetjs_slot *slot = &h->slots[event->peer->incomingPeerID];
  uint32_t record[ENETJS_RECORD_BYTES / 4] = {0}, reason;
  switch (event->type) {
    case ENET_EVENT_TYPE_CONNECT:
      enetjs_slot_connected(slot, event->data);
      clear_queue_link(event->peer);
      break;
    case ENET_EVENT_TYPE_RECEIVE:
      record[ENETJS_RECORD_TYPE] = ENETJS_EVENT_RECEIVE | (uint32_t)event->channelID << 8;
      enetjs_emit_event(h, slot, record, event->packet);
      clear_queue_link(event->peer);
      if (!enetjs_libenet_owned) enetjs_recount_waiting(event->peer);
      break;
    case ENET_EVENT_TYPE_DISCONNECT:
      reason = disconnect_reason(slot, event->peer, received);
      if (slot->closing && slot->connected && came_through_queue(event->peer)) enetjs_farewell_send(slot);
      enetjs_slot_end(slot, reason, reason == ENETJS_REASON_LOCAL ? slot->close_data : event->data);
      break;
    default: break;
  }
}

/* What ENet has queued must leave it before it reads on: a disconnect would drop it. @returns how much it was */
static unsigned dispatch_all(struct enetjs_host *h) {
  ENetEvent event;
  unsigned events = 0;
  for (; enet_host_check_events(h->enet, &event) > 0; events++) handle_event(h, &event, true);
  return events;
}

static void add_totals(struct enetjs_host *h) {
  ENetHost *enet = h->enet;
  h->counters[ENETJS_HOST_STAT_SENT_DATA] += enet->totalSentData;
  h->counters[ENETJS_HOST_STAT_SENT_PACKETS] += enet->totalSentPackets;
  h->counters[ENETJS_HOST_STAT_RECEIVED_DATA] += enet->totalReceivedData;
  h->counters[ENETJS_HOST_STAT_RECEIVED_PACKETS] += enet->totalReceivedPackets;
  enet->totalSentData = enet->totalSentPackets = enet->totalReceivedData = enet->totalReceivedPackets = 0;
}

static void fail(struct enetjs_host *h, int error) {
  h->failed = error;
  enetjs_emit_failure(h, error);
}

/*
 * One round of ENet's service. @returns how many datagrams or events it took at most, 0 when it has taken
 * all there was: what comes while the consumer looks at that is for its next service, which then answers
 * more of it at once.
 * Errors that concern one destination or one datagram are counted and survived: ENet has taken the
 * offending command off its queue, so the next round gets past it.
 */
static unsigned service_round(struct enetjs_host *h, unsigned *errors) {
  ENetEvent event;
  enet_uint32 received_before = h->enet->totalReceivedPackets, received;
  int result, error;
  enetjs_handshake_repeat(h);
  if (h->limits) enetjs_limits_begin_round(h->limits);
  enetjs_socket_error_clear();
  result = enet_host_service(h->enet, &event, 0);
  error = enetjs_socket_error();
  enetjs_pool_charge(NULL);
  received = h->enet->totalReceivedPackets - received_before;
  if (result >= 0) {
    /* Other events end ENet's round at once, as does a message that was left of an earlier one. */
    bool whole = result == 0 || (event.type == ENET_EVENT_TYPE_RECEIVE && received > 0);
    unsigned events = 0;
    if (result > 0) {
      handle_event(h, &event, received > 0);
      events = 1 + dispatch_all(h);
    }
    return !whole || received >= RECEIVE_LIMIT || enetjs_batch_unread(h) ? received + events : 0;
  }
  if (enetjs_socket_error_fatal(error)) {
    fail(h, error);
    return 0;
  }
  h->counters[ENETJS_HOST_STAT_SOCKET_ERRORS]++;
  return ++*errors < TRANSIENT_ERROR_LIMIT ? 1 : 0;
}

static bool is_empty(ENetPeer *peer) {
#if ENET_VERSION >= ENET_VERSION_CREATE(1, 3, 18)
  if (!enet_list_empty(&peer->outgoingSendReliableCommands)) return false;
#endif
  return enet_list_empty(&peer->outgoingCommands) && enet_list_empty(&peer->sentReliableCommands) &&
         enet_list_empty(&peer->acknowledgements);
}

/* Only an acknowledgement, or a command of its own that must be acknowledged, moves ENet on from these. */
static bool is_in_transition(const ENetPeer *peer) {
  return peer->state == ENET_PEER_STATE_CONNECTING || peer->state == ENET_PEER_STATE_ACKNOWLEDGING_CONNECT ||
         peer->state == ENET_PEER_STATE_DISCONNECTING || peer->state == ENET_PEER_STATE_ACKNOWLEDGING_DISCONNECT;
}

/*
 * ENet ignores that it has no memory for a CONNECT, VERIFY_CONNECT, DISCONNECT or the acknowledgement of
 * one. The peer then waits for what has never been sent, and would wait until the host is closed.
 */
void enetjs_end_stranded(struct enetjs_host *h) {
  unsigned failures = enetjs_pool_failures(), in_transition = 0;
  if (failures == h->pool_failures) return;
  for (size_t index = 0; index < h->enet->peerCount; index++) {
    ENetPeer *peer = &h->enet->peers[index];
    struct enetjs_slot *slot = &h->slots[index];
    if (!is_in_transition(peer)) continue;
    in_transition++;
    if (!is_empty(peer)) continue;
    enet_peer_reset(peer);
    enetjs_slot_end(slot, slot->closing ? ENETJS_REASON_LOCAL : ENETJS_REASON_TIMEOUT,
                    slot->closing ? slot->close_data : 0);
  }
  if (in_transition == 0) h->pool_failures = failures;
}

void enetjs_flush_protocol(struct enetjs_host *h) {
  if (h->failed) return;
  enetjs_batch_begin(h);
  do {
    enetjs_handshake_repeat(h);
    enet_host_flush(h->enet);
  } while (enetjs_queue_feed(h));
  enetjs_batch_end(h);
  add_totals(h);
}

void enetjs_service_protocol(struct enetjs_host *h) {
  unsigned errors = 0, taken = 0, more;
  if (h->failed) return;
  h->services++;
  h->queued_of_late = 0;
  enetjs_batch_begin(h);
  while ((more = service_round(h, &errors)) > 0) {
    taken += more;
    if (taken >= h->events.capacity || (h->consumer && h->events.held.head)) break;
  }
  if (h->limits) enetjs_limits_enforce(h);
  /*
   * Cut short, it has not sent the acknowledgements of what it has read. They must go out before the
   * consumer can disconnect a peer, which drops them: a peer that lacks the handshake's last one
   * ignores the disconnect.
   */
  if (!h->failed && (enetjs_queue_feed(h) || more > 0)) enetjs_flush_protocol(h);
  enetjs_end_stranded(h);
  enetjs_end_silent(h);
  enetjs_slots_check_shutdown(h);
  enetjs_batch_end(h);
  add_totals(h);
}

/*
 * Its window full, ENet can send nothing more before it has read what was acknowledged. What comes of
 * that is held, as when the pump services, for the program is not prepared for events now.
 */
void enetjs_service_between_sends(struct enetjs_host *h) {
  if (h->queued_of_late < ENETJS_SEND_TURN_BYTES || !h->pump_running || h->signalled) return;
  h->consumer = false;
  enetjs_service_protocol(h);
  h->consumer = true;
  if (enetjs_records_waiting(h)) enetjs_pump_call(h);
}

static double records_ready(const struct enetjs_host *h) {
  return (double)(h->events.head - *h->events.tail_word) + (double)(h->completions.head - *h->completions.tail_word);
}

/* Waits on the socket without the lock. @returns false when the time is up */
static bool wait_for_socket(struct enetjs_host *h, enet_uint32 until) {
  enetjs_pollfd fd = {0};
  int wait = enetjs_next_wait(h), left = (int)(until - enet_time_get()); /* ENet's macros compare within a day */
  if (left <= 0) return false;
  if (wait == 0 && !enetjs_batch_prefetched(h)) wait = 1; /* what a service left undone cannot be due at once */
  if (wait < 0 || wait > left) wait = left;
  fd.fd = h->enet->socket;
  fd.events = POLLIN;
  enetjs_host_release(h);
  enetjs_poll(&fd, 1, wait);
  return true;
}

static void service_for_consumer(struct enetjs_host *h) {
  uint32_t events = h->events.head, completions = h->completions.head;
  uint64_t before = h->counters[ENETJS_HOST_STAT_RECEIVED_PACKETS];
  struct enetjs_yield yield = {.woken = h->signalled};
  h->signalled = false;
  h->servicing = true;
  enetjs_refill(h);
  enetjs_service_protocol(h);
  enetjs_refill(h);
  h->servicing = false;
  yield.datagrams = (unsigned)(h->counters[ENETJS_HOST_STAT_RECEIVED_PACKETS] - before);
  yield.found =
      (yield.datagrams > 0 && h->queued_messages > 0) || events != h->events.head || completions != h->completions.head;
  yield.turns = enetjs_batch_take_turns(h);
  h->empty_wakeups = yield.found ? 0 : h->empty_wakeups + 1;
  enetjs_pool_relax();
  if (!h->pump_running) {
    enetjs_pool_trim();
    return;
  }
  yield.now_us = enetjs_clock_us();
  enetjs_pace_observe(&h->pace, h->spin, &yield);
  h->header[ENETJS_WORD_ATTENDED] = h->pace.attending;
}

double enetjs_host_service(double host, double timeoutMs) {
  enet_uint32 until = 0;
  struct enetjs_host *h;
  double result;
  if (!enetjs_is_integer(timeoutMs, 0, INT32_MAX)) return ENETJS_ERR_ARGUMENT;
  if (timeoutMs > 0) until = enet_time_get() + (enet_uint32)timeoutMs;
  for (;;) {
    h = enetjs_host_acquire(host);
    if (!h) return ENETJS_ERR_CLOSED;
    service_for_consumer(h);
    result = h->failed ? ENETJS_ERR_SOCKET : records_ready(h);
    if (result != 0 || timeoutMs == 0 || !wait_for_socket(h, until)) break;
  }
  enetjs_pump_rearm(h);
  enetjs_host_release(h);
  return result;
}

double enetjs_host_flush(double host) {
  struct enetjs_host *h = enetjs_host_acquire(host);
  if (!h) return ENETJS_ERR_CLOSED;
  enetjs_flush_protocol(h);
  enetjs_pump_rearm(h);
  enetjs_host_release(h);
  return 0;
}

/* ---- The rest of the API --------------------------------------------------------------------- */

const uint8_t *enetjs_shared_at(struct enetjs_host *h, double offset, double length) {
  const double shared = (double)h->shared_bytes, arena = h->arena.size;
  if (enetjs_is_integer(offset, 0, shared) && enetjs_is_integer(length, 0, shared - offset))
    return h->shared + (size_t)offset;
  offset -= shared;
  if (enetjs_is_integer(offset, 0, arena) && enetjs_is_integer(length, 0, arena - offset))
    return h->arena.bytes + (size_t)offset;
  return NULL;
}

double enetjs_host_set_arena(double host, uint8_t *arena, double arenaBytes) {
  struct enetjs_host *h = enetjs_host_acquire(host);
  double result = ENETJS_ERR_ARGUMENT;
  if (!h) return ENETJS_ERR_CLOSED;
  if (aligned(arena) && arenaBytes == h->arena.size) {
    h->arena.bytes = arena;
    result = 0;
  }
  enetjs_host_release(h);
  return result;
}

static bool has_free_peer(const ENetHost *enet) {
  for (size_t index = 0; index < enet->peerCount; index++)
    if (enet->peers[index].state == ENET_PEER_STATE_DISCONNECTED) return true;
  return false;
}

double enetjs_host_connect(double host, double address, double port, double channels, double data) {
  struct enetjs_host *h = enetjs_host_acquire(host);
  ENetAddress to;
  ENetPeer *peer;
  struct enetjs_slot *slot;
  unsigned failures;
  double result = ENETJS_ERR_ARGUMENT;
  if (!h) return ENETJS_ERR_CLOSED;
  if (!enetjs_is_integer(address, 0, UINT32_MAX) || !enetjs_is_integer(port, 1, 65535) ||
      !enetjs_is_integer(channels, 1, ENET_PROTOCOL_MAXIMUM_CHANNEL_COUNT) || !enetjs_is_integer(data, 0, UINT32_MAX))
    goto done;
  to.host = ENET_HOST_TO_NET_32((enet_uint32)address);
  to.port = (enet_uint16)port;
  enetjs_random(&h->enet->randomSeed, sizeof(h->enet->randomSeed)); /* of which ENet makes the connect id */
  failures = enetjs_pool_failures();
  peer = enet_host_connect(h->enet, &to, (size_t)channels, (enet_uint32)data);
  if (enetjs_pool_failures() != failures && peer && is_empty(peer)) {
    enet_peer_reset(peer);
    peer = NULL;
  }
  if (!peer) {
    result = has_free_peer(h->enet) ? ENETJS_ERR_MEMORY : ENETJS_ERR_PEERS_EXHAUSTED;
    goto done;
  }
  enetjs_leave_dispatch_queue(peer);
  if (h->peer_ids) enetjs_peer_ids_of_connecting(h->peer_ids, peer);
  slot = &h->slots[peer->incomingPeerID];
  slot->outgoing = true;
  result = (double)slot->generation * ENETJS_PEER_SLOTS + slot->index;
done:
  enetjs_host_release(h);
  return result;
}

double enetjs_host_set(double host, double option, double value, double second) {
  struct enetjs_host *h = enetjs_host_acquire(host);
  double result = ENETJS_ERR_ARGUMENT;
  if (!h) return ENETJS_ERR_CLOSED;
  if (enetjs_is_integer(option, 0, ENETJS_CONFIG_COUNT - 1)) result = host_option(h, (int)option, value, second);
  enetjs_host_release(h);
  return result;
}

double enetjs_host_set_filter(double host, const uint8_t *rules, double bytes) {
  struct enetjs_host *h = enetjs_host_acquire(host);
  double result = ENETJS_ERR_ARGUMENT;
  if (!h) return ENETJS_ERR_CLOSED;
  if (rules && enetjs_is_integer(bytes / 12, 0, ENETJS_MAXIMUM_FILTER_RULES))
    result = enetjs_filter_replace(h, rules, (size_t)(bytes / 12));
  enetjs_host_release(h);
  return result;
}

/* An attempt that is proved goes on at once; messages that come of that are held until the next service. */
static double answer(struct enetjs_host *h, uint32_t question, double verdict) {
  enum enetjs_refusal cause =
      verdict == ENETJS_CODE_UNDECIDED ? ENETJS_REFUSAL_UNDECIDED : ENETJS_REFUSAL_ACCEPT;
  bool asked = h->guard && (verdict == ENETJS_ACCEPT
                                ? enetjs_guard_accept(h->guard, question)
                                : enetjs_guard_decline(h->guard, question, cause, (enet_uint32)verdict));
  if (!asked) return ENETJS_ERR_STALE;
  if (enetjs_guard_admits(h->guard)) enetjs_service_protocol(h);
  if (h->pump_running && enetjs_records_waiting(h)) enetjs_pump_call(h);
  return 0;
}

double enetjs_host_answer(double host, double question, double verdict) {
  struct enetjs_host *h = enetjs_host_acquire(host);
  double result = ENETJS_ERR_ARGUMENT;
  if (!h) return ENETJS_ERR_CLOSED;
  if (enetjs_is_integer(question, 0, UINT32_MAX) && enetjs_is_integer(verdict, ENETJS_ACCEPT, UINT32_MAX))
    result = answer(h, (uint32_t)question, verdict);
  enetjs_host_release(h);
  return result;
}

double enetjs_host_send_datagram(double host, double address, double port, double offset, double length) {
  struct enetjs_host *h = enetjs_host_acquire(host);
  const uint8_t *data;
  double result = ENETJS_ERR_ARGUMENT;
  if (!h) return ENETJS_ERR_CLOSED;
  data = enetjs_shared_at(h, offset, length);
  if (data && enetjs_is_integer(address, 0, UINT32_MAX) && enetjs_is_integer(port, 1, 65535)) {
    ENetAddress to;
    ENetBuffer buffer;
    to.host = ENET_HOST_TO_NET_32((enet_uint32)address);
    to.port = (enet_uint16)port;
    buffer.data = (void *)(uintptr_t)data;
    buffer.dataLength = (size_t)length;
    result = enet_socket_send(h->enet->socket, &to, &buffer, 1);
    if (result < 0) result = enetjs_socket_error_code(enetjs_socket_error());
  }
  enetjs_host_release(h);
  return result;
}

double enetjs_host_address(double host) {
  struct enetjs_host *h = enetjs_host_acquire(host);
  ENetAddress address;
  double result = 0;
  if (!h) return ENETJS_ERR_CLOSED;
  if (enet_socket_get_address(h->enet->socket, &address) == 0)
    result = (double)ENET_NET_TO_HOST_32(address.host) * 65536 + address.port;
  enetjs_host_release(h);
  return result;
}

static void count_guard(struct enetjs_host *h) {
  static const size_t refusals[ENETJS_REFUSAL_COUNT] = {
      ENETJS_HOST_STAT_REFUSED_FULL, ENETJS_HOST_STAT_REFUSED_FILTER, ENETJS_HOST_STAT_REFUSED_ACCEPT,
      ENETJS_HOST_STAT_REFUSED_UNDECIDED, ENETJS_HOST_STAT_REFUSED_DUPLICATE};
  struct enetjs_guard_stats stats;
  if (!h->guard) return;
  stats = enetjs_guard_stats(h->guard);
  h->counters[ENETJS_HOST_STAT_HALF_OPEN] = stats.half_open;
  for (size_t i = 0; i < ENETJS_REFUSAL_COUNT; i++) h->counters[refusals[i]] = stats.refused[i];
  h->counters[ENETJS_HOST_STAT_BAD_HANDSHAKE] = stats.bad;
}

double enetjs_host_stats(double host) {
  struct enetjs_host *h = enetjs_host_acquire(host);
  if (!h) return ENETJS_ERR_CLOSED;
  add_totals(h);
  count_guard(h);
  h->counters[ENETJS_HOST_STAT_CONNECTED_PEERS] = h->enet->connectedPeers;
  h->counters[ENETJS_HOST_STAT_DATA] = enetjs_host_data(h);
  h->counters[ENETJS_HOST_STAT_HELD_RECORDS] = h->events.held.count + h->completions.held.count;
  for (size_t i = 0; i < ENETJS_HOST_STAT_COUNT; i++) h->stats[i] = (double)h->counters[i];
  enetjs_host_release(h);
  return 0;
}
